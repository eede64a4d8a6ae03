"""Bring your own code generation: converted modules are partitioned for an external one, written in Python here."""

from __future__ import annotations

import pytest
import tvm
from tools.support.compare import compare

from tests.support.dialect_marks import DIALECT, skip_file

if DIALECT != "relay":
    skip_file("relay", "BYOC on Relay modules")

from tvm import relay
from tvm.contrib import graph_executor
from tvm.relay import transform
from tvm.relay.backend import te_compiler
from tvm.relay.dataflow_pattern import is_constant, is_op, wildcard

from tests.support.relay_modules import MODULES, calls, has_branches, only, operators, same_numbers, sample

pytest.importorskip("jax")

CODEGEN = "example"


def is_tanh(call):
    """Whether a map kernel, one operand, is a hyperbolic tangent: what it computes is in its attribute."""
    return '["tanh","f32",[0],[]]' in str(call.attrs["spec"])


def pattern_table():
    convolution = is_op("add")(is_op("nn.conv2d")(wildcard(), is_constant()), is_constant())
    return [
        (f"{CODEGEN}.convolution", is_op("maximum")(is_constant(), convolution)),
        (f"{CODEGEN}.dense", is_op("nn.dense")(wildcard(), is_constant())),
        (f"{CODEGEN}.tanh", is_op("hlo.map1")(wildcard()), is_tanh),
    ]


def partitioned(mod):
    """The module with what the table matches in functions of their own, which the external code generator gets."""
    passes = [
        transform.FoldConstant(),
        transform.MergeComposite(pattern_table()),
        transform.AnnotateTarget(CODEGEN),
        transform.MergeCompilerRegions(),
        transform.PartitionGraph(),
        transform.InferType(),
    ]
    return tvm.transform.Sequential(passes)(mod)


class WithoutComposites(relay.ExprMutator):
    """Puts the bodies of composite functions where they are called."""

    def visit_call(self, call):
        call = super().visit_call(call)
        if isinstance(call.op, relay.Function):
            return relay.bind(call.op.body, dict(zip(call.op.params, call.args)))
        return call


@pytest.fixture
def compiled():
    """The composite functions that the external code generator has compiled; it exists during the test only."""
    composites = []

    def compile_function(function):
        composites.extend(part.attrs["Composite"] for part in functions_of(function) if "Composite" in part.attrs)
        symbol = function.attrs["global_symbol"]
        plain = relay.Function(function.params, WithoutComposites().visit(function.body)).with_attr("Primitive", 1)
        typed = transform.InferType()(tvm.IRModule.from_expr(plain))["main"]
        kernel = te_compiler.lower_to_primfunc(typed, tvm.target.Target("llvm"))
        return tvm.build(tvm.IRModule({symbol: kernel.with_attr("global_symbol", symbol)}), target="llvm")

    tvm.register_func(f"relay.ext.{CODEGEN}", compile_function)
    yield composites
    tvm._ffi.registry.remove_global_func(f"relay.ext.{CODEGEN}")


def functions_of(function):
    found = []
    relay.analysis.post_order_visit(function, found.append)
    return [node for node in found if isinstance(node, relay.Function)]


def external_functions(mod):
    return [function for function in mod.functions.values() if function.attrs.get("Compiler") == CODEGEN]


WANTED = {
    "convolutions": ["convolution", "tanh", "dense"],
    "dense": ["dense", "dense", "dense"],
    "kernels": [],
    "loop": ["tanh"],
}


@pytest.mark.parametrize("name", MODULES)
def test_partitions_run_in_the_external_code(name, compiled):
    module = sample(name)
    mod = partitioned(module.bound)
    assert len(external_functions(mod)) == len(WANTED[name])
    same_numbers(mod, module)
    assert sorted(compiled) == sorted(f"{CODEGEN}.{composite}" for composite in WANTED[name])
    assert has_branches(mod) == (name == "loop")


def test_what_matches_no_pattern_stays_with_tvm():
    mod = partitioned(sample("convolutions").bound)
    inside = [call.op.name for function in external_functions(mod) for call in calls(tvm.IRModule.from_expr(function))]
    assert sorted(inside) == ["add", "hlo.map1", "maximum", "nn.conv2d", "nn.dense"]
    left = operators(tvm.IRModule.from_expr(mod["main"]))
    # the second convolution is followed by no relu; exp is a map, but not tanh
    assert left["nn.conv2d"] == 1 and left["hlo.map1"] == 1 and left["hlo.kernel"] == 2
    exponential = only([call for call in calls(tvm.IRModule.from_expr(mod["main"])) if call.op.name == "hlo.map1"])
    assert '"exponential"' in str(exponential.attrs["spec"])


def test_operators_are_annotated_without_patterns(compiled):
    module = sample("convolutions")
    rules = {"nn.conv2d": lambda call: True, "hlo.map1": is_tanh, "hlo.kernel": lambda call: True}
    for name, rule in rules.items():
        tvm.ir.register_op_attr(name, f"target.{CODEGEN}", rule)
    try:
        passes = [transform.FoldConstant(), transform.AnnotateTarget(CODEGEN), transform.PartitionGraph()]
        mod = tvm.transform.Sequential(passes)(module.bound)
    finally:
        for name in rules:
            relay.op.get(name).reset_attr(f"target.{CODEGEN}")
    inside = [call.op.name for function in external_functions(mod) for call in calls(tvm.IRModule.from_expr(function))]
    assert sorted(inside) == ["hlo.kernel", "hlo.kernel", "hlo.map1", "nn.conv2d", "nn.conv2d"]


def test_external_code_is_part_of_the_exported_library(compiled, tmp_path):
    module = sample("dense")
    library = relay.build(partitioned(module.bound), target="llvm")
    library.export_library(str(tmp_path / "model.so"))
    loaded = graph_executor.GraphModule(tvm.runtime.load_module(str(tmp_path / "model.so"))["default"](tvm.cpu()))
    loaded.run(x=module.args[0])
    compare([loaded.get_output(0).numpy()], module.wanted, rtol=1e-5)


def test_without_the_code_generator_building_names_it():
    with pytest.raises(tvm.TVMError, match=f"relay.ext.{CODEGEN}"):
        relay.build(partitioned(sample("dense").bound), target="llvm")
