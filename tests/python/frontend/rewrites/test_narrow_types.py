"""bf16, f8, f4 and integers below 8 bits: the rewritten module on XLA against the original, then a sample in TVM."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from tools.support.compare import check, run_tvm
from tools.support.oracle import run_xla

from tests.support.rewritten import CARRIED, different, every_value, rewritten, run_both
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import (
    CompareAttributes,
    DimensionsAttributes,
    ReducePrecisionAttributes,
    TupleIndexAttributes,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, array_shape, tuple_shape
from tvm_hlo_frontend.rewrites.emit import Emitter
from tvm_hlo_frontend.rewrites.narrow.floats import from_bits, rounded, to_bits
from tvm_hlo_frontend.rewrites.narrow.types import widen_narrow_types

F8 = "f8e5m2 f8e4m3 f8e4m3fn f8e4m3b11fnuz f8e5m2fnuz f8e4m3fnuz f8e3m4".split()
SMALL_FLOATS = [*F8, "f4e2m1fn"]
FLOATS = ["bf16", "f8e8m0fnu", *SMALL_FLOATS]
INTEGERS = "s2 s4 u2 u4".split()

UNARY = "abs negate exponential log sqrt tanh floor ceil round-nearest-even sine cosine rsqrt log-plus-one".split()
BINARY = "add subtract multiply divide maximum minimum power remainder atan2".split()
CONVERTED = "f32 f16 f64 bf16 s32 u8 pred".split()
INTEGER_UNARY = "negate count-leading-zeros not".split()
INTEGER_BINARY = """
add subtract multiply divide maximum minimum power remainder and or xor shift-left shift-right-logical
shift-right-arithmetic
""".split()


def pairs_of(element_type):
    """Two arrays that hold every pair of values (bf16: every value against a random one)."""
    values = every_value(element_type)
    if values.size > 256:
        return values, np.random.default_rng(0).permutation(values)
    return np.repeat(values, values.size), np.tile(values, values.size)


def elementwise(element_type, unary, binary, converted):
    left, right = pairs_of(element_type)
    shape = array_shape(element_type, left.shape)
    builder = ComputationBuilder("main")
    x, y = builder.parameter(0, shape), builder.parameter(1, shape)
    results = [builder.add(opcode, [x]) for opcode in unary]
    results += [builder.add(opcode, [x, y]) for opcode in binary]
    results += [builder.add("convert", [x], array_shape(name, left.shape)) for name in converted]
    results.append(builder.add("compare", [x, y], None, CompareAttributes("LT", comparison(element_type))))
    return module("elementwise", builder.build(builder.add("tuple", results))), (left, right)


def comparison(element_type):
    return {"signed": "SIGNED", "unsigned": "UNSIGNED"}.get(BY_NAME[element_type].kind, "FLOAT")


def assert_equal(hlo, args):
    got, wanted = run_both(hlo, args, widen_narrow_types)
    roots = hlo.entry.root.operands if hlo.entry.root.opcode == "tuple" else [hlo.entry.root]
    wrong = {
        str(root): (int(different(a, b).sum()), b.size)
        for root, a, b in zip(roots, got, wanted)
        if different(a, b).any()
    }
    assert not wrong


# one of each kind: with infinities, without, without a negative zero, with another split of the bits
@pytest.mark.parametrize(
    "element_type", ["bf16", "f8e5m2", "f8e4m3fn", "f8e4m3b11fnuz", "f8e3m4"], ids=lambda name: f"rule_25-{name}"
)
def test_every_value_of_floats_through_elementwise_opcodes(element_type):
    """f8 is computed in f16 by XLA:CPU, bf16 in f32; both are rounded afterwards."""
    assert_equal(*elementwise(element_type, UNARY, BINARY, CONVERTED))


def test_f4_through_elementwise_opcodes_rule_25():
    # XLA's f4 to integer saturates 6 already: it compares with the integer's limit rounded to f4
    assert_equal(*elementwise("f4e2m1fn", UNARY, BINARY, ["f32", "f16", "f64", "bf16", "pred"]))


def test_powers_of_two_through_elementwise_opcodes_rule_25():
    """f8e8m0fnu: its least value is a denormal of f32, which XLA:CPU flushes here and there."""
    hlo, args = elementwise("f8e8m0fnu", ["abs", "negate", "exponential"], ["maximum"], ["f32", "bf16"])
    got, wanted = run_both(hlo, args, widen_narrow_types)
    normal = (args[0].view(np.uint8) > 0) & (args[1].view(np.uint8) > 0)
    for ours, theirs in zip(got, wanted):
        assert not different(ours, theirs)[normal].any()


@pytest.mark.parametrize("element_type", INTEGERS, ids=lambda name: f"rule_7-{name}")
def test_every_value_of_integers_through_elementwise_opcodes(element_type):
    """Wrap in their own width; shifts beyond it (rule 6); division by 0 (rule 1)."""
    unary = INTEGER_UNARY + (["abs", "sign"] if element_type[0] == "s" else ["popcnt"])
    assert_equal(*elementwise(element_type, unary, INTEGER_BINARY, "f32 s32 u8 pred bf16 s8".split()))


def test_popcnt_counts_the_bits_of_the_type_rule_10():
    """XLA:CPU 0.10.2 counts those of s8: popcnt of the s4 -8 is 5 there."""
    hlo, _ = elementwise("s4", ["popcnt"], [], [])
    left = np.repeat(every_value("s4"), 16)
    got = run_xla(rewritten(hlo, widen_narrow_types), [left.astype(np.int8), left.astype(np.int8)])[0]
    assert [int(count) for count in got[::16]] == [bin(value & 15).count("1") for value in range(-8, 8)]


def float_samples():
    """f32 of all magnitudes, dense around the ranges of f8, with ties and special values."""
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 1 << 32, 1 << 15, dtype=np.uint32)
    exponents = rng.integers(127 - 22, 127 + 18, bits.size).astype(np.uint32)
    dense = (bits & np.uint32(0x807FFFFF)) | (exponents << np.uint32(23))
    special = [0, 1 << 31, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F7FFFFF, 0x477FF000, 0x477FE000]
    quiet = np.where((bits << np.uint32(1)) > np.uint32(0xFF000000), np.uint32(0x7FC00000), bits)  # no signalling NaN
    bits = quiet.astype(np.uint32)
    ties = dense & np.uint32(0xFFF80000)
    return np.concatenate([bits, dense, ties, ties + np.uint32(1), np.array(special, np.uint32)]).view(np.float32)


@pytest.mark.parametrize("source", ["f32", "f64", "f16"], ids=lambda name: f"rule_30-from-{name}")
def test_convert_to_narrow_floats(source):
    """Rounds once, also from f64: values just beside a tie."""
    values = float_samples()
    with np.errstate(all="ignore"):
        values = values.astype(BY_NAME[source].numpy_dtype)
    if source == "f64":
        values = np.concatenate([values, values * (1 + 2.0**-40), values * (1 - 2.0**-40)])
        values = values[~(np.abs(values) < 2.0**-126)]  # XLA flushes these on their way through f32
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape(source, values.shape))
    results = [builder.add("convert", [x], array_shape(name, values.shape)) for name in FLOATS]
    assert_equal(module("convert", builder.build(builder.add("tuple", results))), [values])


@pytest.mark.parametrize("source", ["f32", "s32", "u8", "bf16"], ids=lambda name: f"rule_26-from-{name}")
def test_convert_to_narrow_integers_and_floats(source):
    """Floats saturate and NaN is 0 (rule 26), integers wrap (rule 27)."""
    rng = np.random.default_rng(2)
    values = rng.integers(-600, 600, 4096).astype(np.int32)
    if source in ("f32", "bf16"):
        values = np.concatenate([values / 64, [np.nan, np.inf, -np.inf, 1e30, -0.5]]).astype(np.float32)
    values = values.astype(BY_NAME[source].numpy_dtype)
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape(source, values.shape))
    results = [builder.add("convert", [x], array_shape(name, values.shape)) for name in [*INTEGERS, "bf16", *F8]]
    assert_equal(module("convert", builder.build(builder.add("tuple", results))), [values])


@pytest.mark.parametrize("element_type", FLOATS, ids=lambda name: f"rule_30-{name}")
def test_bits_to_values_and_back_agree_with_ml_dtypes(element_type):
    """Independent of XLA: every value, and rounding of a dense sample."""
    values, samples = every_value(element_type), float_samples()
    stored = values.view(np.uint16 if element_type == "bf16" else np.uint8)
    emit = Emitter(ComputationBuilder("main"))
    bits = emit.builder.parameter(0, array_shape("u16" if element_type == "bf16" else "u8", stored.shape))
    x = emit.builder.parameter(1, array_shape("f32", samples.shape))
    wide = from_bits(emit, bits, element_type)
    results = [wide, to_bits(emit, wide, element_type), rounded(emit, x, element_type)]
    got = run_xla(module("bits", emit.builder.build(emit.tuple(results))), [stored, samples])
    assert not different(got[0], values.astype(np.float32)).any()
    back = got[1].view(values.dtype)
    assert not different(back.astype(np.float32), values.astype(np.float32)).any()
    signs = ~np.isnan(values.astype(np.float32))
    assert np.array_equal(got[1][signs], stored[signs])
    with np.errstate(all="ignore"):
        expected = samples.astype(values.dtype).astype(np.float32)
    if element_type == "f8e8m0fnu":  # up in XLA and in ml_dtypes until 0.6, to the nearest since 0.7
        expected[(samples > np.float32(2.0**-127)) & (samples < np.float32(2.0**-126))] = 2.0**-126
    wrong = different(got[2], expected)
    assert not wrong.any(), [each[wrong][:3] for each in (samples.view(np.uint32), got[2], expected)]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("bf16[6]", "u16[6]"), ("u16[6]", "bf16[6]"), ("bf16[6]", "u8[6,2]"), ("u8[6,2]", "bf16[6]"),
        ("f8e4m3fn[6]", "s8[6]"), ("u8[6]", "f8e5m2[6]"), ("bf16[4,2]", "f32[4]"), ("f32[4]", "bf16[4,2]"),
        ("u4[6,2]", "u8[6]"), ("u8[6]", "u4[6,2]"), ("s8[6]", "s4[6,2]"), ("u4[3,4]", "u16[3]"), ("u32[3]", "u4[3,8]"),
        ("bf16[6]", "f16[6]"),
    ],
    ids=lambda text: f"rule_32-{text}",
)  # fmt: skip
def test_bitcast_convert(source, target):
    """The last dimension appears or disappears, the lowest bits first."""

    def parse(text):
        name, sizes = text.rstrip("]").split("[")
        return array_shape(name, [int(size) for size in sizes.split(",")])

    shape = parse(source)
    values = np.random.default_rng(3).integers(0, 256, (*shape.dimensions, 8), np.uint8)
    if shape.kind in ("signed", "unsigned") and shape.bits < 8:
        array = (values[..., 0] & ((1 << shape.bits) - 1)).astype(shape.numpy_dtype)
    else:
        array = np.ascontiguousarray(values[..., : shape.bits // 8]).view(shape.numpy_dtype).reshape(shape.dimensions)
    builder = ComputationBuilder("main")
    hlo = module("m", builder.build(builder.add("bitcast-convert", [builder.parameter(0, shape)], parse(target))))
    assert_equal(hlo, [array])


def lowered(function, *args):
    return jax.jit(function, keep_unused=True).lower(*args).compiler_ir("hlo")


def random(dtype, *shape, seed=0):
    values = np.random.default_rng(seed).normal(size=shape) * 2
    return values.astype(dtype)


def test_movement_and_control_flow_keep_values_rule_78():
    """while and conditional carry narrow tensors; gather, sort, scatter, pad, select, concatenate move them."""

    def f(x, i):
        y = jax.lax.fori_loop(0, 3, lambda n, carry: (carry[0] * carry[0] + carry[1], carry[1]), (x, x))[0]
        z = jax.lax.cond(i[0] > 1, lambda a: a + a, lambda a: a * a, x)
        moved = jnp.concatenate([jnp.pad(x[i], 1, constant_values=2), jnp.sort(x), x[::-1].at[i].set(y[:3])])
        return y, z, moved, jnp.where(x > y, x, y), jax.lax.top_k(x, 3)

    for dtype in (jnp.bfloat16, jnp.float8_e4m3fn):
        args = random(dtype, 17), np.array([3, 0, 7], np.int32)
        got, wanted = run_both(lowered(f, *args).as_serialized_hlo_module_proto(), args, widen_narrow_types)
        assert not any(different(a, b).any() for a, b in zip(got, wanted))


def test_reductions_dots_and_convolutions_rule_64():
    """Sums and products differ by the order of the additions alone: one rounding step."""

    def f(x, k):
        image = x.reshape(1, 8, 8, 2)
        return (
            jax.lax.dot(x, x.T, preferred_element_type=jnp.float32), x @ x.T, x.sum(0), x.max(1), jnp.prod(x, 1),
            jax.lax.reduce(x, jnp.bfloat16(1), jax.lax.add, (0,)), jnp.cumsum(x, 0), x.argmax(1),
            jax.lax.conv_general_dilated(image, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")),
            jax.lax.reduce_window(x, jnp.bfloat16(0), jax.lax.add, (2, 2), (1, 1), "SAME"),
            x.at[jnp.array([1, 1, 2])].add(x[:3]),
        )  # fmt: skip

    args = random(jnp.bfloat16, 16, 8), random(jnp.bfloat16, 3, 3, 2, 4)
    got, wanted = run_both(lowered(f, *args).as_serialized_hlo_module_proto(), args, widen_narrow_types)
    for ours, theirs in zip(got, wanted):
        if ours.dtype.kind == "i":
            assert np.array_equal(ours, theirs)
            continue
        a, b = ours.astype(np.float32), theirs.astype(np.float32)
        assert np.abs(a - b).max() <= 2.0**-7 * np.abs(b).max(), ours.shape


def test_plain_reductions_keep_a_body_that_patterns_know():
    hlo = lowered(lambda x: jax.lax.reduce(x, jnp.bfloat16(0), jax.lax.add, (0,)), random(jnp.bfloat16, 16, 8))
    new = rewritten(hlo.as_serialized_hlo_module_proto(), widen_narrow_types)
    (reduce,) = [instruction for instruction in new.instructions if instruction.opcode == "reduce"]
    assert [i.opcode for i in reduce.called_computations[0].instructions] == ["parameter", "parameter", "add"]


def test_tuple_parameters_large_constants_and_iota_rule_46():
    state = tuple_shape(array_shape("bf16", (100,)), array_shape("s32", (2,)))
    builder = ComputationBuilder("main")
    parameter = builder.parameter(0, state)
    x = builder.add("get-tuple-element", [parameter], None, TupleIndexAttributes(0))
    large = builder.constant(np.arange(100) / 7, "bf16")
    iota = builder.add("iota", (), array_shape("bf16", (100,)), DimensionsAttributes((0,)))
    total = builder.add("add", [builder.add("add", [x, large]), iota])
    short = builder.add("reduce-precision", [x], None, ReducePrecisionAttributes(5, 3))
    hlo = module("m", builder.build(builder.add("tuple", [total, short, parameter])))
    new = widen_narrow_types(hlo, CARRIED)
    constants = {str(i.shape) for i in new.instructions if i.opcode == "constant" and i.shape.rank}
    assert constants == {"u16[100]"}, "large constants stay narrow"
    assert str(new.entry.parameters[0].shape) == "(u16[100], s32[2])"
    assert str(new.entry.root.shape) == "(u16[100], u16[100], (u16[100], s32[2]))"


# through TVM


def test_bf16_network_in_tvm_rule_25():
    def f(x, w, v):
        h = jax.nn.gelu(x @ w)
        return jax.nn.softmax(h @ v), (h * h - x.sum()).astype(jnp.float32), jnp.exp(x) + x * x

    args = random(jnp.bfloat16, 4, 8), random(jnp.bfloat16, 8, 16, seed=1), random(jnp.bfloat16, 16, 3, seed=2)
    got = check(lowered(f, *args), args, ulps=2)
    assert got[0].dtype == ml_dtypes.bfloat16


def test_f8_and_small_integers_in_tvm_rule_30():
    def f(x, n, u):
        y = x.astype(jnp.float8_e5m2)
        return x * x, y + y, x.astype(jnp.bfloat16), n + n, n.astype(jnp.float32), u >> 1, x.astype(jnp.int4)

    args = every_value("f8e4m3fn"), every_value("s4"), every_value("u4")
    hlo = lowered(f, *args)
    for ours, theirs in zip(run_tvm(hlo, args), run_xla(hlo, args), strict=True):
        assert not different(ours, theirs).any(), theirs.dtype


def test_weights_stay_narrow_in_params():
    import tvm_hlo_frontend

    x, w = random(jnp.bfloat16, 4, 8), random(jnp.bfloat16, 8, 16, seed=1)
    hlo = lowered(lambda x, w: x @ w, x, w)
    mod, params = mod_and_params(
        tvm_hlo_frontend.from_hlo(hlo, parameter_values={1: w}, input_names=["x", "w"], freeze_params=False)
    )
    assert str(params["w"].dtype) == "uint16"
    signature = tvm_hlo_frontend.signature_of(mod)
    assert [(p.name, p.element_type, p.carrier, p.bound) for p in signature.parameters] == [
        ("x", "bf16", "u16", False), ("w", "bf16", "u16", True),
    ]  # fmt: skip
    got = tvm_hlo_frontend.build(mod, params)(x)
    (wanted,) = run_xla(hlo, [x, w])
    assert got.dtype == wanted.dtype and not different(got, wanted).any()
