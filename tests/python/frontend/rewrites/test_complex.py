"""Complex numbers as pairs of real ones: the rewritten module on XLA against the original, then a sample in TVM."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tools.support.compare import check
from tools.support.oracle import run_xla, serialized

import tvm_hlo_frontend
from tests.support.rewritten import CARRIED, different, rewritten, run_both
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import UnsupportedHloError
from tvm_hlo_frontend.hlo.ir.attributes import DimensionsAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, array_shape, tuple_shape
from tvm_hlo_frontend.rewrites.complex.functions import BINARY, UNARY
from tvm_hlo_frontend.rewrites.complex.types import split_complex

# opcode -> numpy's function where it has one that is good enough to be the truth of c64 in c128
TRUTH = {
    "abs": np.abs, "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin, "asinh": np.arcsinh, "atan": np.arctan,
    "atanh": np.arctanh, "cosh": np.cosh, "cosine": np.cos, "exponential": np.exp, "exponential-minus-one": np.expm1,
    "log": np.log, "log-plus-one": np.log1p, "logistic": lambda z: 1 / (1 + np.exp(-z)), "negate": np.negative,
    "rsqrt": lambda z: 1 / np.sqrt(z), "sign": np.sign, "sine": np.sin, "sinh": np.sinh, "sqrt": np.sqrt,
    "tan": np.tan, "tanh": np.tanh,
}  # fmt: skip
# XLA:CPU has no complex form of these
NOT_IN_XLA = {"acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "cosh", "sinh"}
# of |result|, in units of the last place; atan2 and power magnify the rounding of their intermediate values
ULPS = {"sine": 8, "cosine": 8, "tan": 30, "tanh": 40, "power": 200, "atan2": 400}


def samples(dtype, count=3000, seed=0):
    """Well-scaled numbers, magnitudes spread over some decades."""
    rng = np.random.default_rng(seed)
    spread = np.exp(1.5 * rng.normal(size=(2, count)))
    parts = rng.normal(size=(2, count)) * spread
    return (parts[0] + 1j * parts[1]).astype(dtype)


def applied(opcodes, element_type, count, operands):
    builder = ComputationBuilder("main")
    shape = array_shape(element_type, (count,))
    inputs = [builder.parameter(number, shape) for number in range(operands)]
    return module("m", builder.build(builder.add("tuple", [builder.add(opcode, inputs) for opcode in opcodes])))


def relative_error(got, wanted):
    with np.errstate(all="ignore"):
        return np.abs(got.astype(np.complex128) - wanted) / np.maximum(np.abs(wanted), 1e-300)


def test_unary_functions_of_c64_rule_20():
    """Against c128 truth of numpy: a few units of the last place of |result|."""
    opcodes, z = list(TRUTH), samples(np.complex64)
    results = run_xla(rewritten(applied(opcodes, "c64", z.size, 1), split_complex), [np.stack([z.real, z.imag], -1)])
    worst = {}
    for opcode, result in zip(opcodes, results):
        got = result if opcode == "abs" else result[..., 0] + 1j * result[..., 1]
        with np.errstate(all="ignore"):
            wanted = TRUTH[opcode](z.astype(np.complex128))
        ok = np.isfinite(wanted) & (np.abs(wanted) < 1e37) & (np.abs(wanted) > 1e-30)
        worst[opcode] = relative_error(got, wanted)[ok].max() / 2.0**-23
    assert not {opcode: error for opcode, error in worst.items() if error > 10}


@pytest.mark.parametrize("element_type", ["c64", "c128"])
def test_functions_agree_with_xla_rule_23(element_type):
    """Where both are finite; XLA's own sine loses digits near 0, so its error counts too."""
    dtype = BY_NAME[element_type].numpy_dtype
    z, w = samples(dtype), samples(dtype, seed=1) / 4
    unary = [opcode for opcode in ["abs", *UNARY] if opcode not in NOT_IN_XLA]
    eps = np.finfo(dtype).eps
    for opcodes, args in ((unary, [z]), (list(BINARY), [z, w])):
        got, wanted = run_both(applied(opcodes, element_type, z.size, len(args)), args, split_complex)
        for opcode, ours, theirs in zip(opcodes, got, wanted):
            error = relative_error(ours, theirs)
            error = error[np.isfinite(theirs)] / eps
            allowed = 1000 if opcode in ("sine", "cosine") else ULPS.get(opcode, 40)
            assert np.quantile(error, 0.99) <= 30 and error.max() <= allowed, (opcode, error.max())
            assert np.array_equal(np.isfinite(ours), np.isfinite(theirs)), opcode


def test_special_values_of_arithmetic_rule_15():
    """Infinities, zeros and NaN through division, roots and signs: finite where XLA is, equal there."""
    parts = np.array([0.0, -0.0, 1.0, -2.0, np.inf, -np.inf, np.nan, 1e38, 1e-30], np.float32)
    z = np.empty((9, 9), np.complex64)
    z.real, z.imag = parts[:, None], parts[None, :]
    left, right = np.repeat(z.ravel(), 81), np.tile(z.ravel(), 81)
    opcodes = ["divide", "multiply", "add", "subtract"]
    got, wanted = run_both(applied(opcodes, "c64", left.size, 2), [left, right], split_complex)
    for opcode, ours, theirs in zip(opcodes, got, wanted):
        finite = np.isfinite(theirs)
        close = np.abs(ours - theirs)[finite] <= 1e-5 * np.abs(theirs[finite]) + 1e-37
        assert close.mean() > 0.999, (opcode, close.mean())
        assert not (np.isnan(ours.real) & np.isnan(ours.imag) & finite).any(), opcode
    opcodes = ["sqrt", "abs", "exponential", "log", "tanh", "sign", "log-plus-one"]
    got, wanted = run_both(applied(opcodes, "c64", z.size, 1), [z.ravel()], split_complex)
    for opcode, ours, theirs in zip(opcodes, got, wanted):
        finite = np.isfinite(theirs) & np.isfinite(z.ravel())
        close = np.abs(ours - theirs)[finite] <= 1e-5 * np.abs(theirs[finite]) + 1e-30
        assert close.all(), (opcode, z.ravel()[finite][~close], ours[finite][~close], theirs[finite][~close])


def lowered(function, *args):
    return jax.jit(function, keep_unused=True).lower(*args).compiler_ir("hlo")


def cases():
    """name -> (function, arguments)."""
    z, w = samples(np.complex64, 24).reshape(4, 6), samples(np.complex64, 24, 1).reshape(6, 4)
    x = np.random.default_rng(2).normal(size=(4, 6)).astype(np.float32)
    index = np.array([2, 0, 2])
    kernel = samples(np.complex64, 9, 3).reshape(1, 1, 3, 3) / 4
    yield "rule_48-dot", lambda a, b: (a @ b, jnp.einsum("ij,kj->ik", a, jnp.conj(a))), (z, w)
    yield "rule_49-convolution", lambda a, k: jax.lax.conv(a[None, None], k, (1, 1), "SAME"), (z, kernel)
    yield "rule_64-reduce", lambda a: (a.sum(0), jnp.prod(a, 1), a.mean()), (z,)
    yield "rule_68-reduce-window", lambda a: (jnp.cumsum(a, 1), jnp.cumprod(a, 0)), (z,)
    yield "rule_61-scatter", lambda a: (a.at[index].add(a[:3]), a.at[index].mul(2j), a.at[:, index].set(1j)), (z,)
    yield "rule_31-convert", lambda a, r: (a.real + r, (r + 0j) * a, jnp.conj(a), a.astype(bool)), (z, x)
    yield "rule_18-compare", lambda a: (
        a == a[:1], a != a[:, :1], a == jnp.conj(a), a != jnp.conj(a), jnp.where(a == a, a, 1),
    ), (z,)  # fmt: skip
    yield "rule_71-sort", lambda a: (jnp.sort(a, 1), jax.lax.sort_key_val(a.real, a, 0)), (z,)
    yield "rule_78-while", lambda a: jax.lax.fori_loop(0, 3, lambda i, c: (c[0] * a / 4, c[1] + i), (a, 1)), (z,)
    yield "rule_77-conditional", lambda a, r: jax.lax.cond(r[0, 0] > 0, jnp.exp, lambda b: b * 2j, a), (z, x)
    yield "rule_38-movement", lambda a: (
        jnp.pad(a, 1, constant_values=1j), a[::-1].T, a[index], jnp.concatenate([a, a.reshape(4, 6)]),
        jax.lax.dynamic_update_slice(a, a[:2], (1, 0)), jnp.broadcast_to(a[None], (2, 4, 6)), jnp.eye(3) * 1j,
    ), (z,)  # fmt: skip


CASES = {name: case for name, *case in cases()}


@pytest.mark.parametrize("name", list(CASES))
def test_opcodes_on_pairs(name):
    function, args = CASES[name]
    hlo = lowered(function, *args).as_serialized_hlo_module_proto()
    got, wanted = run_both(hlo, args, split_complex)
    for ours, theirs in zip(got, wanted, strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        scale = np.abs(theirs).max() if theirs.size else 0
        assert np.abs(ours.astype(complex) - theirs).max(initial=0) <= 1e-5 * scale


def test_rule_31_complex_to_real():
    """XLA:CPU itself converts no complex numbers to real ones."""
    z = samples(np.complex64, 64)
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("c64", z.shape))
    results = [builder.add("convert", [x], array_shape(kind, z.shape)) for kind in ("f32", "s32", "pred")]
    new = rewritten(module("m", builder.build(builder.add("tuple", results))), split_complex)
    real, whole, truth = run_xla(new, [np.stack([z.real, z.imag], -1)])
    np.testing.assert_array_equal(real, z.real)
    np.testing.assert_array_equal(whole, z.real.astype(np.int32))
    assert truth.all()


def test_sums_stay_separable_rule_64():
    """A complex sum is two sums with bodies that patterns know; a product is one variadic reduction."""
    z = samples(np.complex64, 24).reshape(4, 6)
    hlo = lowered(lambda a: (a.sum(0), jnp.prod(a, 0)), z).as_serialized_hlo_module_proto()
    bodies = [
        [i.opcode for i in instruction.called_computations[0].instructions if i.opcode != "parameter"]
        for instruction in rewritten(hlo, split_complex).instructions
        if instruction.opcode == "reduce"
    ]
    assert bodies[:2] == [["add"], ["add"]] and len(bodies) == 3


def test_tuple_parameters_constants_and_iota_rule_46():
    builder = ComputationBuilder("main")
    parameter = builder.parameter(0, tuple_shape(array_shape("c64", (3,)), array_shape("s32", (2,))))
    constant = builder.constant(np.arange(3) * 1j, "c64")
    iota = builder.add("iota", (), array_shape("c64", (3,)), DimensionsAttributes((0,)))
    hlo = module("m", builder.build(builder.add("tuple", [parameter, builder.add("add", [constant, iota])])))
    new = split_complex(hlo, CARRIED)
    assert str(new.entry.parameters[0].shape) == "(f32[3,2], s32[2])"
    assert str(new.entry.root.shape) == "((f32[3,2], s32[2]), f32[3,2])"


def test_what_cannot_be_rewritten_is_named():
    """XLA has no remainder of complex numbers: the message names it, not the complex instructions around it."""
    builder = ComputationBuilder("main")
    x, y = (builder.parameter(number, array_shape("c64", (4,))) for number in (0, 1))
    hlo = module("m", builder.build(builder.add("remainder", [x, builder.add("multiply", [x, y])])))
    with pytest.raises(UnsupportedHloError) as error:
        tvm_hlo_frontend.from_hlo(serialized(hlo))
    assert [refusal.opcode for refusal in error.value.refusals] == ["remainder"]
    assert "c64" in str(error.value)


# through TVM


def test_signature_and_frozen_values():
    z, w = samples(np.complex64, 12).reshape(3, 4), samples(np.complex64, 12, 1).reshape(4, 3)
    hlo = lowered(lambda a, b: a @ b, z, w)
    mod, params = mod_and_params(
        tvm_hlo_frontend.from_hlo(hlo, parameter_values={1: w}, input_names=["a", "b"], freeze_params=False)
    )
    assert params["b"].shape == (4, 3, 2)
    signature = tvm_hlo_frontend.signature_of(mod)
    assert [(p.name, p.element_type, p.dimensions, p.carrier) for p in signature.parameters] == [
        ("a", "c64", (3, 4), "f32"), ("b", "c64", (4, 3), "f32"),
    ]  # fmt: skip
    got = tvm_hlo_frontend.build(mod, params)(z)
    assert got.dtype == np.complex64 and not different(np.round(got, 3), np.round(z @ w, 3)).any()


@pytest.mark.parametrize(
    "name", ["rule_48-dot", "rule_64-reduce", "rule_61-scatter", "rule_78-while", "rule_38-movement"]
)
def test_pairs_in_tvm(name):
    function, args = CASES[name]
    check(lowered(function, *args), args, rtol=2e-6)


def test_functions_in_tvm():
    z = samples(np.complex64, 64)
    check(lowered(lambda a: (jnp.exp(a / 8) * a, jnp.abs(a)), z), [z], rtol=2e-6)
