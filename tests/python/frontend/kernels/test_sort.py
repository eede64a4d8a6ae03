"""sort and topk against XLA:CPU and numpy (rules 71 and 72)."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import check, compare, run_tvm

from tests.support.emitted import source_for
from tests.support.indexing_modules import Bundle, body, comparison
from tvm_hlo_frontend.analysis.comparators import match_comparator, operands_read
from tvm_hlo_frontend.analysis.scalar_body import scalar_body
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import CompareAttributes, SortAttributes, TopKAttributes

KINDS = {
    "f32": np.float32, "f64": np.float64, "f16": np.float16, "s8": np.int8, "s16": np.int16, "s32": np.int32,
    "s64": np.int64, "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64, "pred": np.bool_,
}  # fmt: skip
# an insertion sort, merges with a short last run, and counting of digits
LENGTHS = (1, 2, 7, 16, 17, 40, 127, 128, 300)
SPECIAL = np.array([np.nan, -np.nan, 0.0, -0.0, 1.0, -np.inf, np.inf, 1.0, np.nan, -0.0, 0.0])


def numbers(kind: str, length: int, seed: int = 0) -> np.ndarray:
    """Values with ties, extremes, and for floats NaN of both signs, zeros of both signs and infinities."""
    random = np.random.default_rng(seed)
    dtype = np.dtype(KINDS[kind])
    if kind == "pred":
        return random.random(length) < 0.5
    if dtype.kind == "f":
        with np.errstate(all="ignore"):
            special = random.choice(SPECIAL, length)
            return np.where(random.random(length) < 0.4, special, random.normal(size=length)).astype(dtype)
    info = np.iinfo(dtype)
    wide = random.integers(info.min, info.max, length, dtype, endpoint=True)
    special = random.choice(np.array([info.min, info.max, 0, 1], dtype), length)
    return np.where(random.random(length) < 0.4, special, wide)


def order_of(kind: str, total: bool = True) -> str:
    if kind.startswith("f"):
        return "TOTALORDER" if total else "FLOAT"
    return "SIGNED" if kind.startswith("s") else "UNSIGNED"


def bits(array: np.ndarray) -> np.ndarray:
    """For comparisons that see the sign of zero and of NaN."""
    return array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "f" else array


def same_bits(got: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    compare([bits(array) for array in got], [bits(array) for array in wanted])


def total_order(array: np.ndarray) -> np.ndarray:
    """Integers that order as the total order of floats."""
    if array.dtype.kind != "f":
        return array.astype(np.uint8) if array.dtype.kind == "b" else array
    signed = array.view(f"i{array.dtype.itemsize}")
    return np.where(signed < 0, signed ^ np.iinfo(signed.dtype).max, signed)


@pytest.mark.parametrize("kind", KINDS)
def test_rule_71_one_operand(kind):
    bundle, wanted = Bundle(), []
    for number, length in enumerate(LENGTHS):
        x = numbers(kind, length)
        direction = ("LT", "GT")[number % 2]
        bundle.add("sort", [x], SortAttributes(0, True), [comparison(direction, order_of(kind), kind)])
        keys = total_order(x)
        order = np.argsort(keys if direction == "LT" else ~keys, kind="stable") if length else []
        wanted.append(x[order])
    same_bits(run_tvm(bundle.module(), bundle.arguments), wanted)


JAX_FUNCTIONS = {
    "rule_71 NaN last, zeros equal": lambda lax, jnp, x, y: lax.sort(x),
    "rule_71 columns": lambda lax, jnp, x, y: lax.sort(x, dimension=0),
    "rule_71 payload": lambda lax, jnp, x, y: lax.sort((x, y), num_keys=1),
    "rule_71 two keys": lambda lax, jnp, x, y: lax.sort((jnp.round(x), y, x), num_keys=2),
    "rule_71 three keys, integers": lambda lax, jnp, x, y: lax.sort(
        ((y > 0), y.astype(jnp.int8), y.astype(jnp.int32), x), num_keys=3
    ),
    "rule_71 argsort": lambda lax, jnp, x, y: (jnp.argsort(x), jnp.argsort(x, descending=True), jnp.argsort(x, axis=0)),
    "rule_71 lexsort, unique, median": lambda lax, jnp, x, y: (
        jnp.lexsort((x, jnp.round(x))), jnp.unique(jnp.round(y), size=4), jnp.searchsorted(y[0], y[1]),
        jnp.abs(jnp.median(y)),  # it sorts without is_stable, so the sign of a zero is nobody's
    ),
    "rule_72 top_k": lambda lax, jnp, x, y: (lax.top_k(x, 2), lax.top_k(x, x.shape[1]), lax.approx_max_k(y, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", JAX_FUNCTIONS)
def test_jax(name):
    import jax
    import jax.numpy as jnp
    from jax import lax

    function = JAX_FUNCTIONS[name]
    x, y = (numbers("f32", size).reshape(3, size // 3) for size in (450, 450))
    y = np.nan_to_num(y, posinf=4, neginf=-4)
    small = x[:, :9].copy(), y[:, :9].copy()

    def both(x, y, u, v):
        return [function(lax, jnp, x, y), function(lax, jnp, u, v)]

    lowered = jax.jit(both, keep_unused=True).lower(x, y, *small)
    wanted = [np.asarray(leaf) for leaf in jax.tree.leaves(lowered.compile()(x, y, *small))]
    got = run_tvm(lowered.compiler_ir("hlo").as_serialized_hlo_module_proto(), [x, y, *small])
    same_bits(got, wanted)


def absolute(builder, parameters):
    magnitudes = [builder.add("abs", [parameter]) for parameter in parameters[:2]]
    return builder.add("compare", magnitudes, None, CompareAttributes("GT", "FLOAT"))


def mixed(builder, parameters):
    """Keys that mix both operands of a side."""
    sums = [builder.add("add", [parameters[side], parameters[2 + side]]) for side in (0, 1)]
    return builder.add("compare", sums, None, CompareAttributes("LT", "SIGNED"))


def crosswise(builder, parameters):
    """No comparison of keys: l0 + r0 < 2 * r0 means l0 < r0, written so that no side stands alone."""
    sums = [builder.add("add", pair) for pair in (parameters[:2], [parameters[1]] * 2)]
    return builder.add("compare", sums, None, CompareAttributes("LT", "SIGNED"))


def swapped(builder, parameters):
    return builder.add("compare", [parameters[1], parameters[0]], None, CompareAttributes("LT", "SIGNED"))


def selected(builder, parameters):
    """select(l0 == r0, l1 > r1, l0 < r0)."""
    l0, r0, l1, r1 = parameters
    equal, less = (builder.add("compare", [l0, r0], None, CompareAttributes(d, "SIGNED")) for d in ("EQ", "LT"))
    greater = builder.add("compare", [l1, r1], None, CompareAttributes("GT", "SIGNED"))
    return builder.add("select", [equal, greater, less])


COMPARATORS = {"mixed": mixed, "crosswise": crosswise, "swapped": swapped, "selected": selected}


@pytest.mark.parametrize("name", COMPARATORS)
def test_rule_71_any_comparator(name):
    bundle = Bundle()
    comparator = body(["s32"] * 4, COMPARATORS[name])
    for length in (5, 40, 300):
        random = np.random.default_rng(length)
        x, y = (random.integers(-20, 20, (length, 2)).astype(np.int32) for _ in range(2))
        bundle.add("sort", [x, y], SortAttributes(0, True), [comparator])
    check(bundle.module(), bundle.arguments)


def test_rule_71_comparator_on_magnitudes():
    bundle = Bundle()
    x = np.random.default_rng(0).integers(-9, 9, (2, 200)).astype(np.float32)
    payload = np.arange(400).reshape(2, 200)
    bundle.add("sort", [x, payload], SortAttributes(1, True), [body(["f32", "f32", "s64", "s64"], absolute)])
    check(bundle.module(), bundle.arguments, plain=True)


@pytest.mark.parametrize("direction", ["LT", "GT"])
def test_rule_71_zeros_are_equal_in_float_comparisons(direction):
    """The sign of zero does not change the order of the payload, whatever the sorting method."""
    bundle = Bundle()
    comparator = body(["f32", "f32", "s32", "s32"], comparing(direction))
    for length in (12, 40, 300):
        x = np.random.default_rng(0).choice(np.array([0.0, -0.0, 1.0, -1.0], np.float32), length)
        bundle.add("sort", [x, np.arange(length, dtype=np.int32)], SortAttributes(0, True), [comparator])
    check(bundle.module(), bundle.arguments)


def test_rule_71_inconsistent_comparators_stay_inside():
    """Always true, and float LT with NaN among the numbers: some order of the elements, nothing else."""
    bundle = Bundle()
    x = numbers("f32", 300)
    y = np.arange(300, dtype=np.int32)
    comparators = [lambda b, p: b.constant(True), odd, comparing("LT")]
    for length, write in zip((300, 90, 300, 90, 20), comparators * 2):
        comparator = body(["f32", "f32", "s32", "s32"], write)
        bundle.add("sort", [x[:length], y[:length]], SortAttributes(0), [comparator])
    got = run_tvm(bundle.module(), bundle.arguments)
    for values, payload in zip(got[::2], got[1::2]):
        np.testing.assert_array_equal(np.sort(payload), np.arange(len(payload)))
        same_bits([values], [x[payload]])


def comparing(direction):
    """First keys of both sides."""
    return lambda b, p: b.add("compare", p[:2], None, CompareAttributes(direction, "FLOAT"))


def odd(builder, parameters):
    return builder.add("compare", [parameters[1], parameters[0]], None, CompareAttributes("GE", "FLOAT"))


def test_rule_71_along_a_dimension_of_one_or_none():
    bundle = Bundle()
    comparator = comparison("LT", "TOTALORDER", "f32")
    for shape, axis in (((3, 1), 1), ((1,), 0), ((0, 4), 0), ((4, 0), 0), ((1, 5), 0)):
        bundle.add("sort", [np.ones(shape, np.float32)], SortAttributes(axis), [comparator])
    pair = comparison("LT", "TOTALORDER", "f32", operands=2)
    bundle.add("sort", [np.ones((0, 4), np.float32)] * 2, SortAttributes(1), [pair])
    check(bundle.module(), bundle.arguments)


@pytest.mark.parametrize("largest", [True, False])
def test_rule_72_topk(largest):
    """Total order: the sign of NaN counts, and -0 is below 0; equal values by position."""
    bundle, wanted = Bundle(), []
    cases = [(kind, 160, 5) for kind in KINDS] + [("f32", 12, 3), ("s64", 300, 200), ("f16", 9, 0), ("f32", 3000, 20)]
    zeros = np.random.default_rng(0).choice(np.array([0.0, -0.0], np.float32), (2, 160))
    for x, k in [(numbers(kind, 2 * length).reshape(2, length), k) for kind, length, k in cases] + [(zeros, 20)]:
        bundle.add("topk", [x], TopKAttributes(k, largest))
        keys = total_order(x)
        order = np.argsort(~keys if largest else keys, axis=1, kind="stable")[:, :k]
        wanted += [np.take_along_axis(x, order, 1), order.astype(np.int32)]
    same_bits(run_tvm(bundle.module(), bundle.arguments), wanted)


def test_rule_72_topk_against_xla():
    bundle = Bundle()
    for kind in ("f32", "s32", "u8", "pred"):
        for largest in (True, False):
            bundle.add("topk", [numbers(kind, 90).reshape(2, 45)], TopKAttributes(4, largest))
    check(bundle.module(), bundle.arguments)


def test_rule_72_topk_of_ascending_rows():
    """Every element is among the first k when it is seen."""
    x = np.arange(20_000, dtype=np.float32)
    bundle = Bundle()
    bundle.add("topk", [np.stack([x, x[::-1]])], TopKAttributes(37))
    values, positions = run_tvm(bundle.module(), bundle.arguments)
    np.testing.assert_array_equal(values, [x[::-1][:37]] * 2)
    np.testing.assert_array_equal(positions, [np.arange(19_999, 19_962, -1), np.arange(37)])


def test_keys_of_comparators():
    def keys_of(write, types):
        return match_comparator(scalar_body(body(types, write)))

    one = match_comparator(scalar_body(comparison("GT", "TOTALORDER", "f32", operands=2)))
    assert [(key.element_type, key.order, key.descending) for key in one] == [("f32", "TOTALORDER", True)]
    (key,) = keys_of(swapped, ["s32"] * 4)
    assert key.descending
    first, last = keys_of(selected, ["s32"] * 4)
    assert (first.descending, last.descending) == (False, True)
    assert len(keys_of(mixed, ["s32"] * 4)) == 1
    assert keys_of(crosswise, ["s32"] * 4) is None
    assert keys_of(odd, ["f32"] * 2) is None
    assert match_comparator(scalar_body(comparison("LE", "FLOAT", "f32"))) is None
    assert operands_read(scalar_body(body(["s32"] * 6, lambda b, p: selected(b, p[2:])))) == (1, 2)


@pytest.mark.parametrize("target", ["c", "llvm -mtriple=aarch64-linux-gnu"])
def test_code_for_other_targets(target):
    from tools.support.oracle import serialized

    from tvm_hlo_frontend import from_hlo

    bundle = Bundle()
    for kind, length in (("f32", 10), ("f32", 100), ("f32", 300), ("s64", 300), ("u64", 40), ("pred", 300)):
        bundle.add("sort", [numbers(kind, length)], SortAttributes(0), [comparison("LT", order_of(kind), kind)])
    x = np.zeros((300, 2), np.int32)
    bundle.add("sort", [x, x], SortAttributes(0), [body(["s32"] * 4, crosswise)])
    bundle.add("topk", [numbers("f32", 300)], TopKAttributes(7))
    mod, params = mod_and_params(from_hlo(serialized(bundle.module())))
    assert source_for(mod, params, target)
