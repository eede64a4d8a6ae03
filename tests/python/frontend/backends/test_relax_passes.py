"""What TVM's own passes and tools make of Relax modules; docs/howto/relax.md tells of it."""

from __future__ import annotations

import numpy as np
import pytest
import tvm

from tests.support.dialect_marks import DIALECT, skip_file
from tvm_hlo_frontend import build, from_hlo
from tvm_hlo_frontend.backends.timings import PassClock
from tvm_hlo_frontend.hlo.ir.attributes import DimensionsAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape

if DIALECT != "relax":
    skip_file("relax", "passes of Relax")

from tvm import relax, te

from tvm_hlo_frontend.backends.relax.constants import evaluate_constants
from tvm_hlo_frontend.backends.relax.legalization import LEGALIZATIONS, subscripts
from tvm_hlo_frontend.backends.relax.runtime import parsed_target
from tvm_hlo_frontend.schedules.prim_func import schedule_module_pass

SHAPE = array_shape("f32", (3, 5))
X = np.linspace(-2, 2, 15, dtype="float32").reshape(3, 5)
TARGET = tvm.target.Target("llvm")
FUSION = tvm.transform.Sequential(
    [
        relax.transform.LegalizeOps(),
        relax.transform.AnnotateTIROpPattern(),
        relax.transform.FuseOps(),
        relax.transform.FuseTIR(),
    ]
)
PASSES = {
    "FoldConstant": relax.transform.FoldConstant(),
    "EliminateCommonSubexpr": relax.transform.EliminateCommonSubexpr(),
    "DeadCodeElimination": relax.transform.DeadCodeElimination(),
    "CanonicalizeBindings": relax.transform.CanonicalizeBindings(),
    "LegalizeOps": relax.transform.LegalizeOps(),
    "fusion": FUSION,
    "fusion and schedules": tvm.transform.Sequential([FUSION, schedule_module_pass(TARGET)]),
}


@pytest.fixture(scope="module")
def mod():
    """Operators of Relax, kernels that fuse, constants, and the same kernel twice."""
    builder = ComputationBuilder("main")
    x = builder.parameter(0, SHAPE, name="x")
    weights = builder.constant(np.linspace(0, 1, 15, dtype="float32").reshape(3, 5))
    both = [builder.add("tanh", [builder.add("add", [x, weights])]) for _ in range(2)]
    flipped = builder.add("reverse", [both[1]], attributes=DimensionsAttributes((1,)))
    scaled = builder.add("multiply", [flipped, builder.add("exponential", [weights])])
    return from_hlo(module("passes", builder.build(builder.add("tuple", [both[0], scaled]))))


def run(mod):
    machine = relax.VirtualMachine(tvm.compile(mod, TARGET), tvm.cpu())
    return [array.numpy() for array in machine["main"](tvm.runtime.tensor(X))]


def calls(mod):
    found = []
    relax.analysis.post_order_visit(mod["main"], lambda e: found.append(e) if isinstance(e, relax.Call) else None)
    return len(found)


@pytest.mark.parametrize("name", PASSES)
def test_numbers_stay(mod, name):
    for ours, before in zip(run(PASSES[name](mod)), run(mod), strict=True):
        np.testing.assert_array_equal(ours, before)


def test_plain_compilation_and_build_agree(mod):
    for plain, built in zip(run(mod), build(mod)(X), strict=True):
        np.testing.assert_allclose(built, plain, rtol=1e-6)


def test_equal_kernels_of_equal_operands_are_merged_and_constants_folded(mod):
    merged = PASSES["EliminateCommonSubexpr"](mod)
    folded = PASSES["FoldConstant"](merged)
    assert calls(mod) > calls(merged) > calls(folded)


# element types and dimensions of constants; arithmetic of few integers is done before TVM sees it
CONSTANTS = {
    "f32 [3, 5]": ("f32", (3, 5)),
    "f64 scalar": ("f64", ()),
    "s8 [2000]": ("s8", (2000,)),
    "pred [2000]": ("pred", (2000,)),
    "no elements": ("f32", (0, 4)),
}


def modules_compiled(clock):
    return sum(each.calls for each in clock.timings().passes if each.name == "tirx.MakePackedAPI")


@pytest.mark.parametrize("name", CONSTANTS)
def test_one_module_computes_all_that_follows_from_constants(name):
    kind, dimensions = CONSTANTS[name]
    array = np.ones(dimensions, array_shape(kind).numpy_dtype)
    builder = ComputationBuilder("main")
    x, weights = builder.parameter(0, SHAPE), builder.constant(array, kind)
    other = builder.add("maximum", [weights, builder.constant(array, kind)])
    first = builder.add("minimum", [other, weights])  # of what was computed before
    results = [builder.add("add", [x, x]), first, builder.add("maximum", [other, first])]
    made = from_hlo(module("constants", builder.build(builder.add("tuple", results))))
    legal = tvm.transform.Sequential([relax.transform.LegalizeOps(), relax.transform.AnnotateTIROpPattern()])(made)
    clock = PassClock()
    with tvm.transform.PassContext(instruments=[clock.instrument()]):
        tvm.transform.Sequential([evaluate_constants, relax.transform.FoldConstant()])(legal)
    # FoldConstant compiles what it finds, so it has found nothing
    assert modules_compiled(clock) == (0 if 0 in dimensions else 1)
    for ours, wanted in zip(build(made)(X), (X + X, array, array), strict=True):
        np.testing.assert_array_equal(ours, wanted)


def test_kernels_fuse(mod):
    assert calls(PASSES["DeadCodeElimination"](FUSION(mod))) < calls(mod)


def test_modules_survive_json(mod):
    again = tvm.ir.load_json(tvm.ir.save_json(mod))
    tvm.ir.assert_structural_equal(again, mod)
    for ours, before in zip(build(again)(X), build(mod)(X), strict=True):
        np.testing.assert_array_equal(ours, before)


def test_text_shows_the_kernels_but_cannot_be_parsed_back(mod):
    text = mod.script()
    assert "def main(" in text and "R.call_tir" in text and "hlo_" in text
    with pytest.raises(tvm.error.DiagnosticError, match="hlo_"):
        tvm.script.from_source(mod.script(show_meta=True))


def test_mixed_precision_changes_no_kernel(mod):
    halved = relax.transform.ToMixedPrecision("float16")(mod)
    for ours, before in zip(run(halved), run(mod), strict=True):
        np.testing.assert_array_equal(ours, before)


def test_mixed_precision_does_not_take_weights_that_are_moved():
    pytest.importorskip("jax")
    x = np.linspace(-2, 2, 1200, dtype="float32").reshape(3, 400)
    mod = relax.frontend.from_jax(lambda x, w: x @ w, x, x.T, weight_argnums=(1,))
    with pytest.raises(tvm.error.InternalError, match="Expected TensorType"):
        relax.transform.ToMixedPrecision("float16")(mod)


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        ((64, 288), (64, 3, 3, 32)),
        ((2, 3, 4), (4, 6)),
        ((6, 4), (3, 8)),
        ((1,), (1, 1)),
        ((5, 1, 7), (35,)),
        ((3,), (3, 1)),
    ],
    ids=str,
)
def test_subscripts_of_reshapes(source, shape):
    x = te.placeholder(source, "int32", name="x")
    made = te.compute(shape, lambda *index: x(*subscripts(index, shape, source)), name="reshape")
    array = np.arange(np.prod(source), dtype="int32").reshape(source)
    result = tvm.runtime.tensor(np.zeros(shape, "int32"))
    tvm.compile(te.create_prim_func([x, made]), TARGET)(tvm.runtime.tensor(array), result)
    np.testing.assert_array_equal(result.numpy(), array.reshape(shape))


@pytest.mark.parametrize("rows", [2, "n"])
def test_reshapes_that_split_a_dimension_do_not_divide(rows):
    """Those of known sizes; what TVM makes of the others divides by every size."""
    size = tvm.tirx.Var(rows, "int64") if isinstance(rows, str) else rows
    x, builder = relax.Var("x", relax.TensorType([size, 12], "float32")), relax.BlockBuilder()
    with builder.function("main", [x]):
        builder.emit_func_output(builder.emit(relax.op.reshape(x, [size, 3, 4])))
    text = relax.transform.LegalizeOps(dict(LEGALIZATIONS))(builder.get()).script()
    assert ("//" in text or "%" in text) == (rows == "n")


def test_options_of_targets_in_text_have_the_types_that_tvm_wants():
    found = parsed_target("llvm -mcpu=core-avx2 -num-cores=2 -mattr=+avx2,+fma").attrs
    assert (found["mcpu"], found["num-cores"], list(found["mattr"])) == ("core-avx2", 2, ["+avx2", "+fma"])
