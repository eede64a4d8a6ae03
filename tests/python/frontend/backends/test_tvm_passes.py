"""TVM's passes on converted modules: what each does to them and to `hlo.*` operators; the numbers stay XLA's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tvm

from tests.support.dialect_marks import DIALECT, skip_file

if DIALECT != "relay":
    skip_file("relay", "passes of Relay")

from tvm import relay
from tvm.relay import transform
from tvm.relay.backend import te_compiler

import tvm_hlo_frontend
from tests.support.relay_modules import (
    MODULES,
    applied,
    bound_weights,
    calls,
    converted,
    nodes,
    numbers,
    only,
    operators,
    rebuilt,
    same_numbers,
    sample,
)
from tvm_hlo_frontend import ConversionError

pytest.importorskip("jax")

PASSES = (
    "AlterOpLayout", "BatchingOps", "CanonicalizeCast", "CanonicalizeOps", "CombineParallelBatchMatmul",
    "CombineParallelConv2D", "CombineParallelDense", "DeadCodeElimination", "EliminateCommonSubexpr",
    "FakeQuantizationToInteger", "FastMath", "FlattenAtrousConv", "FoldConstant", "FoldExplicitPadding",
    "FoldScaleAxis", "FuseOps", "InferType", "Inline", "LambdaLift", "Legalize", "RemoveUnusedFunctions",
    "SimplifyExpr", "SimplifyInference", "ToANormalForm", "ToBasicBlockNormalForm", "ToGraphNormalForm",
)  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("name", PASSES)
def test_numbers_stay(name, module):
    after = applied(getattr(transform, name)(), sample(module).bound)
    assert all(relay.analysis.well_formed(function) for function in after.functions.values())
    if name == "InferType" or not tvm.ir.structural_equal(after, sample(module).bound):
        same_numbers(after, sample(module))


@pytest.mark.parametrize("module", MODULES)
def test_build_takes_modules_with_bound_weights(module):
    flat = tvm_hlo_frontend.build(sample(module).bound)(*sample(module).args)
    for got, wanted in zip(flat if isinstance(flat, tuple) else (flat,), sample(module).wanted):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


# ---- types, options


def test_the_type_of_a_kernel_follows_its_operands():
    """Also where other operands are given to the attributes of a call."""
    import jax.numpy as jnp

    (call,) = calls(converted(jnp.sin, numbers(5)).bound, "hlo.map1")

    def inferred(dimensions):
        mod = tvm.IRModule.from_expr(relay.Call(call.op, [relay.var("x", shape=dimensions)], call.attrs))
        return tuple(map(int, transform.InferType()(mod)["main"].ret_type.shape))

    assert [inferred(dimensions) for dimensions in ((5,), (2, 3), (), (5,))] == [(5,), (2, 3), (), (5,)]


def test_tvm_reads_its_own_options_again_after_a_build():
    read = te_compiler.libinfo
    tvm_hlo_frontend.build(sample("convolutions").bound)
    assert te_compiler.libinfo is read


# ---- constants, common and dead code, functions


def test_fold_constant_leaves_nothing_that_depends_on_weights_alone():
    before = sample("convolutions").bound
    after = applied(transform.FoldConstant(), before)
    assert operators(before)["transpose"] == 5 and operators(after)["transpose"] == 2
    constants = [call for call in calls(after) if all(isinstance(part, relay.Constant) for part in call.args)]
    assert calls(before) and not constants


def test_fold_constant_computes_hlo_operators():
    import jax.numpy as jnp

    module = converted(lambda x, w: x + jnp.sort(jnp.tanh(w)), numbers(100), weights=numbers(100, seed=1))
    after = applied(transform.FoldConstant(), module.bound)
    assert operators(module.bound) == {"hlo.map1": 1, "reshape": 2, "hlo.kernel": 1, "add": 1}
    assert operators(after) == {"add": 1}
    same_numbers(after, module)


def test_common_subexpressions_are_merged_where_kernel_and_operands_are_the_same():
    import jax.numpy as jnp

    module = converted(lambda x: (jnp.sin(x) * x, jnp.sin(x) + 1, jnp.cos(x)), numbers(5))
    after = applied(transform.EliminateCommonSubexpr(), module.bound)
    assert operators(module.bound)["hlo.map1"] == 3 and operators(after)["hlo.map1"] == 2
    same_numbers(after, module)


def test_dead_kernels_are_eliminated():
    module = sample("kernels")
    dead = only([call for call in calls(module.bound, "hlo.kernel") if '"scatter"' in str(call.attrs["spec"])])
    mod = rebuilt(module, lambda body: relay.Let(relay.var("dead"), relay.TupleGetItem(body, 1), body.fields[0]))
    assert dead.attrs["spec"] in [call.attrs["spec"] for call in calls(mod, "hlo.kernel")]
    after = applied(transform.DeadCodeElimination(), mod)
    assert dead.attrs["spec"] not in [call.attrs["spec"] for call in calls(after, "hlo.kernel")]
    assert operators(after)["hlo.kernel"] == 2


def test_a_normal_form_binds_every_operator_and_graph_normal_form_none():
    module = sample("convolutions")
    normal = applied(transform.ToANormalForm(), module.bound)
    bound = [node.value for node in nodes(normal) if isinstance(node, relay.Let)]
    assert sum(isinstance(value, relay.Call) for value in bound) == operators(normal).total()
    again = applied(transform.ToGraphNormalForm(), normal)
    assert not isinstance(again["main"].body, relay.Let) and operators(again) == operators(module.bound)
    same_numbers(again, module)


def test_functions_are_inlined():
    module = sample("dense")
    main = module.bound["main"]
    callee = relay.GlobalVar("callee")
    x = relay.var("x", main.params[0].checked_type)
    mod = tvm.IRModule({callee: main.with_attr("Inline", tvm.tir.IntImm("int32", 1))})
    mod["main"] = relay.Function([x], relay.Call(callee, [x]), main.ret_type)
    after = applied(tvm.transform.Sequential([transform.Inline(), transform.RemoveUnusedFunctions()]), mod)
    assert [variable.name_hint for variable in after.get_global_vars()] == ["main"]
    assert operators(after) == operators(module.bound)
    same_numbers(after, module)


@pytest.mark.parametrize("module", MODULES[:3])
def test_dynamic_to_static_only_folds(module):
    after = applied(transform.DynamicToStatic(), sample(module).bound)
    assert not any(name.startswith("dyn.") for name in operators(after))
    assert operators(after) == operators(applied(transform.FoldConstant(), sample(module).bound))
    same_numbers(after, sample(module))


@pytest.mark.parametrize("name", ["SimplifyInference", "FoldExplicitPadding"])
def test_nothing_to_simplify_as_hlo_spells_it_out(name):
    from jax import lax

    def model(x, w):
        padded = lax.pad(x, np.float32(0), ((0, 0, 0), (0, 0, 0), (1, 1, 0), (1, 1, 0)))
        mean, deviation = padded.mean((0, 2, 3), keepdims=True), padded.std((0, 2, 3), keepdims=True)
        return lax.conv(((padded - mean) / deviation), w, (1, 1), "VALID")

    module = converted(model, numbers(2, 3, 5, 5), weights=numbers(4, 3, 3, 3))
    after = applied(getattr(transform, name)(), module.bound)
    assert tvm.ir.structural_equal(after, module.bound)
    same_numbers(after, module)


# ---- operators combined, fused, laid out


@pytest.mark.parametrize("to_batch", [True, False])
def test_parallel_dense_layers_are_combined(to_batch):
    module = converted(lambda x, w: (x @ w[0], x @ w[1]), numbers(8, 6), weights=[numbers(6, 4), numbers(6, 4, seed=1)])
    after = applied(transform.CombineParallelDense(min_num_branches=2, to_batch=to_batch), module.bound)
    assert operators(module.bound)["nn.dense"] == 2
    assert operators(after)["nn.batch_matmul" if to_batch else "nn.dense"] == 1
    same_numbers(after, module)


def test_parallel_convolutions_are_combined():
    from jax import lax

    weights = [numbers(4, 3, 3, 3, seed=seed) for seed in range(2)]
    module = converted(
        lambda x, w: tuple(lax.conv(x, kernel, (1, 1), "SAME") for kernel in w), numbers(2, 3, 8, 8), weights=weights
    )
    after = applied(transform.CombineParallelConv2D(min_num_branches=2), module.bound)
    assert operators(module.bound)["nn.conv2d"] == 2 and operators(after)["nn.conv2d"] == 1
    same_numbers(after, module)


def test_maps_fuse_with_convolutions_and_kernels_stay_alone():
    mod = applied(
        tvm.transform.Sequential([transform.FoldConstant(), transform.FuseOps(2)]), sample("convolutions").bound
    )
    fused = [node for node in nodes(mod) if isinstance(node, relay.Function) and "Primitive" in node.attrs]
    groups = [[call.op.name for call in calls(tvm.IRModule.from_expr(function))] for function in fused]
    assert ["nn.conv2d", "add", "maximum", "abs"] in groups and ["nn.conv2d", "add", "hlo.map1"] in groups
    assert ["nn.dense", "add"] in groups
    assert all(group == ["hlo.kernel"] for group in groups if "hlo.kernel" in group)
    assert sum("hlo.map1" in group for group in groups) == 2


@pytest.mark.parametrize("kernel_layout", ["default", "HWIO"])
def test_convert_layout_makes_convolutions_and_maps_channels_last(kernel_layout):
    module = sample("convolutions")
    after = applied(transform.ConvertLayout({"nn.conv2d": ["NHWC", kernel_layout]}), module.bound)
    layouts = {(call.attrs.data_layout, call.attrs.kernel_layout) for call in calls(after, "nn.conv2d")}
    assert layouts == {("NHWC", "HWIO")}
    tanh = only([call for call in calls(after, "hlo.map1") if '"tanh"' in str(call.attrs["spec"])])
    assert list(tanh.checked_type.shape) == [8, 4, 4, 16]
    # a pool is a kernel: it takes what it was converted for, with transforms around it
    transforms = [(call.attrs.src_layout, call.attrs.dst_layout) for call in calls(after, "layout_transform")]
    assert transforms.count(("NHWC", "NCHW")) == 1 and transforms.count(("NCHW", "NHWC")) == 4
    pools = [call for call in calls(after, "hlo.kernel") if '"window"' in str(call.attrs["spec"])]
    assert [list(call.checked_type.shape) for call in pools] == [[64, 4, 8], [256, 4, 1]]
    same_numbers(after, module)


def test_alter_op_layout_blocks_convolutions_and_maps():
    module = sample("convolutions")
    after = applied(transform.AlterOpLayout(), module.bound)
    assert operators(after)["nn.contrib_conv2d_NCHWc"] == 2 and not operators(after)["nn.conv2d"]
    tanh = only([call for call in calls(after, "hlo.map1") if '"tanh"' in str(call.attrs["spec"])])
    assert len(tanh.checked_type.shape) == 5
    same_numbers(after, module)


@pytest.mark.parametrize("name", ["ConvertLayout", "AlterOpLayout"])
def test_layouts_reach_maps_of_several_operands(name):
    import jax.numpy as jnp
    from jax import lax

    def model(x, w):
        features = lax.conv(x, w["kernel"], (1, 1), "SAME")
        return jnp.where(features > 0, jnp.power(2.0, features), jnp.arctan2(features, w["slope"]))

    weights = {"kernel": numbers(8, 8, 3, 3, scale=0.2), "slope": numbers(1, 8, 1, 1)}
    module = converted(model, numbers(2, 8, 6, 6), weights=weights)
    options = [{"nn.conv2d": ["NHWC", "default"]}] if name == "ConvertLayout" else []
    after = applied(getattr(transform, name)(*options), module.bound)
    shapes = [tuple(call.checked_type.shape) for call in calls(after) if call.op.name.startswith("hlo.map")]
    blocked = (2, 2, 6, 6, 4)  # by four channels, for a processor of no special kind
    assert shapes == [(2, 6, 6, 8) if name == "ConvertLayout" else blocked] * 4
    same_numbers(after, module)


# ---- precision


@pytest.mark.parametrize("module", MODULES[:3])
def test_mixed_precision_leaves_hlo_operators_in_their_types(module):
    after = applied(transform.ToMixedPrecision("float16", 2), sample(module).bound)
    kinds = [call.checked_type for call in calls(after) if call.op.name.startswith("hlo.")]
    fields = [field for kind in kinds for field in getattr(kind, "fields", [kind])]
    assert fields and all(field.dtype in ("float32", "int32", "bool") for field in fields)
    heavy = [call for name in ("nn.conv2d", "nn.dense") for call in calls(after, name)]
    assert len(heavy) == {"convolutions": 3, "dense": 3, "kernels": 0}[module]
    assert all(call.checked_type.dtype == "float16" for call in heavy)
    same_numbers(after, sample(module), rtol=1e-2)


def test_mixed_precision_knows_every_hlo_operator(capfd):
    from tvm_hlo_frontend.backends.relay.ops import MAX_SEPARATE_OPERANDS

    names = ["hlo.map", *(f"hlo.map{count}" for count in range(1, MAX_SEPARATE_OPERANDS + 1))]
    for name in [*names, "hlo.injective", "hlo.reduction", "hlo.kernel", "hlo.empty"]:
        assert relay.op.get(name).get_attr("FTVMMixedPrecisionConversionType") is not None, name
    # 0: an operator that the pass does not know is an error
    applied(transform.ToMixedPrecision("float16", 0), sample("dense").bound)
    applied(transform.ToMixedPrecision("float16", 1), sample("convolutions").bound)
    warned = capfd.readouterr().err
    assert "annotation.stop_fusion" in warned and "hlo." not in warned


def test_mixed_precision_results_have_the_types_that_tvm_says():
    module = converted(lambda x, w: x @ w, numbers(8, 4), weights=numbers(4, 4))
    half = applied(transform.ToMixedPrecision("float16", 2), module.bound)
    assert tvm_hlo_frontend.build(half)(*module.args).dtype == "float16"
    with tvm.transform.PassContext(config={"relay.ToMixedPrecision.keep_orig_output_dtype": True}):
        single = transform.ToMixedPrecision("float16", 2)(module.bound)
    assert calls(transform.InferType()(single), "nn.dense")[0].checked_type.dtype == "float16"
    assert tvm_hlo_frontend.build(single)(*module.args).dtype == "float32"


@pytest.mark.parametrize(("kind", "operand"), [("float64", "float64"), ("float16", "float16")])
def test_mixed_precision_of_other_floats_is_refused(kind, operand):
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        mod, params = tvm_hlo_frontend.from_jax(lambda x: jnp.sort(jnp.sin(x)), np.arange(4, dtype=kind))
    message = f"casts {operand} operands to float32, but hlo.map1 is exact for the types it was converted for"
    with pytest.raises(ConversionError, match=message):
        transform.ToMixedPrecision("float16", 2)(bound_weights(mod, params))


@pytest.mark.parametrize("name", ["ToMixedPrecision", "DynamicToStatic"])
def test_passes_of_single_functions_do_not_take_loops(name, capfd):
    with pytest.raises(tvm.TVMError) as failed:
        getattr(transform, name)()(sample("loop").bound)
    assert "unable to infer a type" in capfd.readouterr().err + str(failed.value)
    # TVM's own limit: a function that calls another has no type by itself
    n = relay.var("n", shape=(), dtype="int32")
    again = relay.GlobalVar("again")
    mod = tvm.IRModule({again: relay.Function([n], relay.Call(again, [n]), relay.TensorType((), "int32"))})
    mod["main"] = relay.Function([n], relay.add(relay.Call(again, [n]), n))
    with pytest.raises(tvm.TVMError):
        getattr(transform, name)()(transform.InferType()(mod))


def test_quantization_takes_convolutions_and_dense_layers(monkeypatch):
    monkeypatch.setattr(np, "math", math, raising=False)  # TVM 0.17 uses numpy.math, which numpy 1.25 has dropped
    module = sample("convolutions")
    scheme = {"calibrate_mode": "global_scale", "global_scale": 8.0, "skip_conv_layers": [], "skip_dense_layer": False}
    with tvm.transform.PassContext(opt_level=3), relay.quantize.qconfig(**scheme):
        after = transform.InferType()(relay.quantize.quantize(module.mod, dict(module.params)))
    heavy = [*calls(after, "nn.conv2d"), *calls(after, "nn.dense")]
    assert len(heavy) == 3 and all(call.args[0].checked_type.dtype == "int8" for call in heavy)
    assert all(call.checked_type.dtype == "float32" for call in calls(after) if call.op.name.startswith("hlo."))
    same_numbers(after, module, rtol=0.2)


# ---- gradients


def test_gradients_are_refused_by_name(capfd):
    import jax.numpy as jnp

    mod = converted(jnp.sin, numbers(3)).bound
    with pytest.raises(tvm.TVMError) as failed:
        transform.FirstOrderGradient()(mod)
    told = capfd.readouterr().err + str(failed.value)  # on stderr once the process has parsed any text of Relay
    assert "the operator hlo.map1 does not have a registered gradient" in told
    with pytest.raises(tvm.TVMError, match="input has operators with missing gradients"):
        transform.gradient(mod["main"], mod=mod)
