"""gather and scatter against XLA:CPU and against numpy (rules 54 to 63)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.support.compare import check, compare, run_tvm

from tests.support import reference_indexing as reference
from tests.support.emitted import calls_of, source_for
from tests.support.indexing_modules import Bundle, binary, body, second, values
from tvm_hlo_frontend import from_hlo
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import UnsupportedHloError
from tvm_hlo_frontend.hlo.ir.attributes import DimensionsAttributes, GatherAttributes, ScatterAttributes
from tvm_hlo_frontend.hlo.ir.shape import element_type_of

INDEX_DTYPES = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)
EXTREMES = {dtype: [np.iinfo(dtype).min, np.iinfo(dtype).max, 0, 3, 100] for dtype in INDEX_DTYPES}


def rows(rank: int = 2, axis: int = 0, sizes: tuple[int, ...] = (1, 5)) -> GatherAttributes:
    """Whole rows along one axis, indices of shape [n, 1]."""
    return GatherAttributes(tuple(range(1, rank)), (axis,), (axis,), 1, sizes)


# rule -> (operand shape, indices, dimension numbers)
GATHERS = {
    "rule_54 clamped, never wrapped": [
        ((7, 5), np.array([[-1], [-7], [6], [7], [2**31 - 1], [-(2**31)]], np.int32), rows()),
        ((7, 5), np.array([[-1, 9], [6, 4], [3, -3]], np.int32), GatherAttributes((1, 2), (), (0, 1), 1, (3, 2))),
        ((300,), np.array([[-128], [127]], np.int8), GatherAttributes((1,), (), (0,), 1, (4,))),
        ((7, 5), np.array([[0], [4], [9]], np.int32), GatherAttributes((0,), (1,), (1,), 1, (7, 1))),
        ((7, 5), np.array([3], np.int32), GatherAttributes((0,), (0,), (0,), 0, (1, 5))),
        ((2, 7, 3), np.array([[[0], [9]], [[-4], [3]]], np.int32), GatherAttributes((0, 3), (1,), (1,), 2, (2, 1, 3))),
    ],
    "rule_55 index_vector_dim is the rank": [
        ((7, 5), np.array([3, 9, -2], np.int32), GatherAttributes((1,), (0,), (0,), 1, (1, 5))),
        ((7, 5), np.array(3, np.int32), GatherAttributes((0,), (0,), (0,), 0, (1, 5))),
        ((7,), np.array([[3, 9], [1, 2]], np.int64), GatherAttributes((), (0,), (0,), 2, (1,))),
        ((7, 5), np.array([[3, 1, 2], [9, 0, 2]], np.int32), GatherAttributes((), (0, 1), (0, 1), 0, (1, 1))),
    ],
    "rule_56 dimension numbers": [
        ((4, 5, 6), np.array([[5, 1], [0, 3], [2, 2]], np.int32), GatherAttributes((0, 2), (1,), (2, 1), 1, (3, 1, 2))),
        ((4, 5, 6), np.zeros((2, 0), np.int32), GatherAttributes((1, 2, 3), (), (), 1, (2, 3, 4))),
        (
            (3, 4, 5), np.array([[4, 0], [1, 3], [2, 9]], np.int32),
            GatherAttributes((2,), (2,), (2,), 2, (1, 2, 1), (0,), (0,)),
        ),
        (
            (2, 3, 6), np.array([[[0], [5]], [[2], [3]], [[9], [-1]]], np.int32),
            GatherAttributes((), (2,), (2,), 2, (1, 1, 1), (0, 1), (1, 0)),
        ),
        (
            (2, 3, 6), np.array([[[1], [2], [3]], [[4], [5], [6]]], np.int32),
            GatherAttributes((1,), (), (2,), 2, (1, 1, 3), (0, 1), (0, 1)),
        ),
        (
            (3, 6), np.arange(18, dtype=np.int32).reshape(1, 2, 3, 3) - 4,
            GatherAttributes((), (1,), (1,), 0, (1, 1), (0,), (2,)),
        ),
    ],
    "rule_57 nothing to gather": [
        ((4, 5), np.zeros((0, 1), np.int32), rows()),
        ((4, 5), np.array([[1], [2]], np.int32), GatherAttributes((1, 2), (), (0,), 1, (0, 5))),
        ((0, 5), np.array([[1], [2]], np.int32), GatherAttributes((1, 2), (), (0,), 1, (0, 5))),
    ],
    "rule_58 index types": [
        *(((200, 2), np.array(EXTREMES[t], t)[:, None], rows(sizes=(1, 2))) for t in INDEX_DTYPES),
        *(((90, 2), np.array(EXTREMES[t], t)[:, None], GatherAttributes((1, 2), (), (0,), 1, (3, 2)))
          for t in INDEX_DTYPES),
        ((9,), np.array([[2**40], [-(2**40)], [2**32 + 1], [-(2**32) + 1]], np.int64),
         GatherAttributes((1,), (), (0,), 1, (2,))),
        ((9,), np.array([[2**40], [2**63], [2**32 + 1]], np.uint64), GatherAttributes((1,), (), (0,), 1, (2,))),
    ],
}  # fmt: skip


def gathers(cases: list) -> Bundle:
    bundle = Bundle()
    for number, (shape, indices, numbers) in enumerate(cases):
        operand = values(shape, (np.float32, np.int32, np.float64, np.int8)[number % 4], number)
        bundle.add("gather", [operand, indices], numbers)
    return bundle


def gathered(bundle: Bundle) -> list[np.ndarray]:
    return [
        reference.gather(*bundle.arguments[2 * number : 2 * number + 2], result.attributes, result.shape.sizes)
        for number, result in enumerate(bundle.results)
    ]


@pytest.mark.parametrize("rule", GATHERS)
def test_gather(rule):
    bundle = gathers(GATHERS[rule])
    got = check(bundle.module(), bundle.arguments)
    compare(got, gathered(bundle))


# (operand shape, the only vector of indices, dimension numbers)
VECTORS = [
    ((7, 5), np.array([-3], np.int32), GatherAttributes((0,), (0,), (0,), 0, (1, 5))),
    ((7, 5), np.array([9], np.int8), GatherAttributes((0, 1), (), (1,), 0, (7, 2))),
    ((7, 5), np.array([[2, 4]], np.int32), GatherAttributes((1, 2), (), (1, 0), 1, (3, 2))),
    ((7, 5), np.array(3, np.uint8), GatherAttributes((0,), (0,), (0,), 0, (1, 5))),
    ((4, 5, 6), np.array([[[2**63 - 1]], [[0]]], np.int64), GatherAttributes((0, 3), (1,), (2, 1), 0, (4, 1, 2))),
    ((4, 5), np.zeros((1, 0), np.int32), GatherAttributes((1, 2), (), (), 1, (2, 3))),
]


def test_rule_54_a_constant_vector_is_a_plain_slice():
    bundle, given = Bundle(), Bundle()
    for number, (shape, indices, numbers) in enumerate(VECTORS):
        operand = values(shape, np.float32, number)
        constant = bundle.builder.constant(indices, element_type_of(indices.dtype))
        bundle.add("gather", [operand, constant], numbers)
        given.add("gather", [operand, indices], numbers)
    got = check(bundle.module(), bundle.arguments)
    compare(got, run_tvm(given.module(), given.arguments))
    mod, _ = mod_and_params(from_hlo(bundle.module()))
    assert not any("gather" in name for name in calls_of(mod))


def test_rule_57_slices_without_elements_that_collapse():
    """The result has elements, and there is nothing to read."""
    bundle, numbers = Bundle(), GatherAttributes((1,), (0,), (0,), 1, (0, 5))
    for rows_of_operand in (4, 0):
        operand = values((rows_of_operand, 5)) + np.float32(1)
        bundle.add("gather", [operand, np.array([[1], [2]], np.int32)], numbers)
    compare(check(bundle.module(), bundle.arguments), [np.zeros((2, 5), np.float32)] * 2)


@st.composite
def gather_case(draw):
    rank = draw(st.integers(1, 4))
    shape = tuple(draw(st.integers(1, 5)) for _ in range(rank))
    kinds = [draw(st.sampled_from(["offset", "collapsed", "batching"])) for _ in range(rank)]
    batching = [axis for axis in draw(st.permutations(range(rank))) if kinds[axis] == "batching"]
    batching.sort()
    free = [axis for axis in range(rank) if kinds[axis] != "batching"]
    mapped = draw(st.permutations(free))[: draw(st.integers(0, len(free)))]
    slices = tuple(draw(st.integers(1, size)) if k == "offset" else 1 for size, k in zip(shape, kinds))
    batch = [shape[axis] for axis in batching] + draw(st.lists(st.integers(1, 3), max_size=2))
    order = draw(st.permutations(range(len(batch))))
    sizes = [batch[i] for i in order]
    vector_dim = draw(st.integers(0, len(sizes)))
    implicit = len(mapped) == 1 and vector_dim == len(sizes) and draw(st.booleans())
    dims = tuple(place + (place >= vector_dim) for place in (order.index(i) for i in range(len(batching))))
    if not implicit:
        sizes.insert(vector_dim, len(mapped))
    seed = draw(st.integers(0, 999))
    dtype = draw(st.sampled_from([np.int32, np.int64, np.int8, np.uint8]))
    indices = np.random.default_rng(seed).integers(0 if dtype == np.uint8 else -3, 8, sizes).astype(dtype)
    offset_count = kinds.count("offset")
    offset_dims = draw(st.permutations(range(offset_count + len(batch))))[:offset_count]
    collapsed = tuple(axis for axis in range(rank) if kinds[axis] == "collapsed")
    numbers = GatherAttributes(
        tuple(sorted(offset_dims)), collapsed, tuple(mapped), vector_dim, slices, tuple(batching), dims
    )
    return shape, indices, numbers


@settings(max_examples=2, deadline=None, derandomize=True, database=None)
@given(st.lists(gather_case(), min_size=12, max_size=12))
def test_gather_of_any_dimension_numbers(cases):
    bundle = gathers(cases)
    got = check(bundle.module(), bundle.arguments)
    compare(got, gathered(bundle))


def test_gather_of_whole_rows_is_native():
    from tools.support.oracle import serialized

    import tvm_hlo_frontend

    bundle = gathers([((50, 8), np.array([[[3], [99]]], np.int32), GatherAttributes((2,), (0,), (0,), 2, (1, 8)))])
    mod, _ = mod_and_params(tvm_hlo_frontend.from_hlo(serialized(bundle.module())))
    assert "take" in calls_of(mod) and "gather" not in calls_of(mod)


# ---- scatter


def points(axis: int = 0) -> ScatterAttributes:
    """Whole rows of a matrix, indices of shape [n, 1]."""
    return ScatterAttributes((1,), (axis,), (axis,), 1)


WINDOW = ScatterAttributes((1,), (), (0,), 1)
PAIRS = ScatterAttributes((), (0, 1), (1, 0), 1)
BATCHED = ScatterAttributes((), (1,), (1,), 2, (0,), (0,))

# rule -> (operand shape, indices, updates shape, dimension numbers, combiner)
SCATTERS = {
    "rule_60 a window is dropped whole": [
        ((10,), np.array([[-1], [8], [0], [7]], np.int32), (4, 3), WINDOW, "second"),
        ((10,), np.array([[-1], [8], [-2], [3], [9]], np.int32), (5, 3), WINDOW, "second"),
        (
            (4, 5), np.array([[0, 3], [3, 0], [-1, 1], [1, 1]], np.int32), (4, 2, 3),
            ScatterAttributes((1, 2), (), (0, 1), 1), "second",
        ),
        ((10,), np.array([[-(2**31)], [2**31 - 1], [2**31 - 3], [4]], np.int32), (4, 3), WINDOW, "add"),
        ((4, 5), np.array([[-1], [4], [3], [-4]], np.int32), (4, 5), points(), "add"),
        ((4, 5), np.array([[0, 0], [5, 0], [4, 3], [4, 4]], np.int32), (4,), PAIRS, "add"),
    ],
    "rule_63 dropped where a dynamic-update-slice would move": [
        ((10,), np.array([8], np.int32), (3,), ScatterAttributes((0,), (), (0,), 0), "second"),
        ((10,), np.array([-1], np.int32), (3,), ScatterAttributes((0,), (), (0,), 0), "second"),
        ((4, 5), np.array([3, 1], np.int32), (2, 2), ScatterAttributes((0, 1), (), (0, 1), 0), "second"),
        ((4, 5), np.array([2, 3], np.int32), (2, 2), ScatterAttributes((0, 1), (), (0, 1), 0), "second"),
    ],
    "rule_61 duplicates in order": [
        ((3, 4), np.array([[1], [1], [0], [1]], np.int32), (4, 4), points(), "second"),
        ((3, 4), np.array([[1], [1], [0], [1]], np.int32), (4, 4), points(), "subtract"),
        ((3, 4), np.array([[1], [1], [0], [1]], np.int32), (4, 4), points(), "halve"),
        ((10,), np.array([[3], [1], [2], [4]], np.int32), (4, 3), WINDOW, "halve"),
    ],
    "rule_62 forms": [
        ((3, 6), np.array([[[1], [2], [1]], [[5], [6], [-1]], [[0], [0], [0]]], np.int32), (3, 3), BATCHED, "add"),
        ((4, 5), np.array([2], np.int32), (5,), ScatterAttributes((0,), (0,), (0,), 0), "add"),
        ((7,), np.array([3], np.int32), (), ScatterAttributes((), (0,), (0,), 0), "second"),
        ((7,), np.array(3, np.int32), (2,), ScatterAttributes((0,), (), (0,), 0), "second"),
        ((4, 5), np.zeros((0, 1), np.int32), (0, 5), points(), "add"),
        ((0, 5), np.zeros((2, 1), np.int32), (2, 5), points(), "add"),
        ((4, 5), np.zeros((2, 1), np.int32), (2, 0), points(), "add"),
        (
            (2, 3, 4), np.array([[1, 2], [9, 0]], np.int32), (1, 2, 2, 1),
            ScatterAttributes((0, 2, 3), (), (2, 0), 1), "add",
        ),
        (
            (3, 6), np.arange(18, dtype=np.int32).reshape(1, 2, 3, 3) - 4, (2, 3, 3),
            ScatterAttributes((), (1,), (1,), 0, (0,), (2,)), "add",
        ),
        (
            (9, 5), np.array([[1], [1]], np.int32), (2, 5),
            ScatterAttributes((1,), (0,), (0,), 1, (), (), True, True), "add",
        ),
    ],
}  # fmt: skip
COMBINERS = {
    "second": lambda current, update: update,
    "add": lambda current, update: current + update,
    "subtract": lambda current, update: current - update,
    "halve": lambda current, update: current * np.float32(0.5) + update,
}


def combiner(name: str, kind: str):
    if name == "second":
        return second(kind)
    if name != "halve":
        return binary(name, kind)

    def write(builder, parameters):
        half = builder.add("multiply", [parameters[0], builder.constant(0.5, kind)])
        return builder.add("add", [half, parameters[1]])

    return body([kind, kind], write)


def scatters(cases: list) -> tuple[Bundle, list[np.ndarray]]:
    """Scatters and their results by the reference."""
    bundle, wanted = Bundle(), []
    for number, (shape, indices, update_shape, numbers, name) in enumerate(cases):
        dtype, kind = ((np.float32, "f32"), (np.int32, "s32"))[number % 2 if name != "halve" else 0]
        operand, updates = values(shape, dtype, number), values(update_shape, dtype, number + 1) + dtype(100)
        bundle.add("scatter", [operand, indices, updates], numbers, [combiner(name, kind)])
        wanted.append(reference.scatter(operand, indices, updates, numbers, COMBINERS[name]))
    return bundle, wanted


def test_rule_62_scatter_into_a_scalar():
    """XLA's own simplifier makes an invalid module of this one."""
    scalar = ScatterAttributes((), (), (), 1)
    bundle, wanted = scatters([((), np.zeros((3, 0), np.int32), (3,), scalar, name) for name in ("add", "second")])
    compare(run_tvm(bundle.module(), bundle.arguments), wanted)


@pytest.mark.parametrize("rule", SCATTERS)
def test_scatter(rule):
    bundle, wanted = scatters(SCATTERS[rule])
    compare(check(bundle.module(), bundle.arguments), wanted)


def test_rule_58_scatter_with_any_index_type():
    """Against numpy alone: XLA:CPU drops valid updates for narrow index types (xla#48718)."""
    cases = [
        case
        for dtype in INDEX_DTYPES
        for case in (
            ((200, 2), np.array(EXTREMES[dtype], dtype)[:, None], (5, 2), points(), "add"),
            ((300,), np.array(EXTREMES[dtype], dtype)[:, None], (5, 130), WINDOW, "add"),
        )
    ]
    wide = np.array([[2**40], [-(2**40)], [2**32 + 1], [1]], np.int64)
    cases += [
        ((9,), wide, (4, 2), WINDOW, "add"),
        ((9,), np.array([[2**40], [2**63], [2**32 + 1], [1]], np.uint64), (4, 2), WINDOW, "add"),
    ]
    bundle, wanted = scatters(cases)
    compare(run_tvm(bundle.module(), bundle.arguments), wanted)


@st.composite
def scatter_case(draw):
    shape, indices, numbers = draw(gather_case())
    batch = list(indices.shape)
    if numbers.index_vector_dim < indices.ndim:
        batch.pop(numbers.index_vector_dim)
    dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    window = [size for axis, size in enumerate(numbers.slice_sizes) if axis not in dropped]
    rank = len(batch) + len(window)
    inside, outside = iter(window), iter(batch)
    updates = tuple(next(inside) if axis in numbers.offset_dims else next(outside) for axis in range(rank))
    made = ScatterAttributes(
        numbers.offset_dims,
        numbers.collapsed_slice_dims,
        numbers.start_index_map,
        numbers.index_vector_dim,
        numbers.operand_batching_dims,
        numbers.start_indices_batching_dims,
    )
    return shape, indices.astype(np.int32), updates, made, draw(st.sampled_from(["add", "second"]))


@settings(max_examples=2, deadline=None, derandomize=True, database=None)
@given(st.lists(scatter_case(), min_size=12, max_size=12))
def test_scatter_of_any_dimension_numbers(cases):
    bundle, wanted = scatters(cases)
    compare(check(bundle.module(), bundle.arguments), wanted)


def test_rule_62_variadic_scatter():
    """Sum and overwrite at once, values of both types in one body."""

    def write(builder, parameters):
        total = builder.add("add", [parameters[0], parameters[2]])
        return builder.add("tuple", [total, builder.add("subtract", [parameters[3], parameters[1]])])

    bundle = Bundle()
    indices = np.array([[1], [5], [1], [2]], np.int32)
    operands = [values((5, 3), np.float32), values((5, 3), np.int32)]
    updates = [values((4, 3), np.float32, 1), values((4, 3), np.int32, 2)]
    bundle.add("scatter", [*operands, indices, *updates], points(), [body(["f32", "s32", "f32", "s32"], write)])
    check(bundle.module(), bundle.arguments, plain=True)


@pytest.mark.parametrize(("numbers", "updates", "indices"), [
    (points(), (40, 2048), np.arange(40)[:, None] % 7),
    (ScatterAttributes((1, 2), (0,), (0,), 1), (40, 64, 33), np.arange(40)[:, None] % 7),
    (ScatterAttributes((2,), (1,), (1,), 2, (0,), (0,)), (9, 40, 64), np.arange(360).reshape(9, 40, 1) % 7),
])  # fmt: skip
def test_rule_61_threads_keep_the_order_of_duplicates(numbers, updates, indices):
    """Large enough to be spread over threads; a body for which the order matters."""
    batch = len(numbers.input_batching_dims)
    shape = {1: (8, 2048), 2: (8, 64, 33)}[len(updates) - 1] if not batch else (9, 7, 64)
    bundle, wanted = scatters([(shape, indices.astype(np.int32), updates, numbers, "halve")])
    compare(run_tvm(bundle.module(), bundle.arguments), wanted)


def test_rule_59_jax_modes_are_around_the_operations():
    import jax
    import jax.numpy as jnp

    x, i = values((5, 4)), np.array([-1, 7, -9, 2], np.int32)

    def modes(x, i):
        return [
            *(x.at[i].get(mode=mode, fill_value=-1) for mode in ("fill", "clip")),
            *(x.at[i].add(jnp.float32(1), mode=mode) for mode in ("drop", "clip")),
            x[i, i % 4],
        ]

    lowered = jax.jit(modes).lower(x, i)
    check(lowered.compiler_ir("hlo").as_serialized_hlo_module_proto(), [x, i])


def test_arithmetic_of_64_bit_indices_fuses_into_a_gather():
    import jax
    import jax.numpy as jnp

    x, i = values((50, 8)), np.array([[-1, 49], [-50, 0], [7, -8]])
    with jax.enable_x64(True):
        lowered = jax.jit(lambda x, i: jnp.take(x, i, 0)).lower(x, i)
    assert i.dtype == np.int64
    check(lowered.compiler_ir("hlo").as_serialized_hlo_module_proto(), [x, i])


def test_scatter_body_that_is_no_scalar_arithmetic_is_refused():
    def write(builder, parameters):
        condition = body(["s32"], lambda b, p: b.constant(False))
        return builder.add("while", [parameters[1]], None, None, [body(["s32"], lambda b, p: p[0]), condition])

    bundle = Bundle()
    operands = [values((5, 3), np.int32), np.array([[1]], np.int32), values((1, 3), np.int32)]
    bundle.add("scatter", operands, points(), [body(["s32", "s32"], write, "looping")])
    with pytest.raises(UnsupportedHloError, match=r"scatter.*\n?.*%looping is no scalar arithmetic: it holds while"):
        run_tvm(bundle.module(), bundle.arguments)


@pytest.mark.parametrize("target", ["c", "llvm -mtriple=aarch64-linux-gnu"])
def test_code_for_other_targets(target):
    from tools.support.oracle import serialized

    from tvm_hlo_frontend import from_hlo

    bundle, _ = scatters([case for cases in SCATTERS.values() for case in cases[:2]])
    for shape, indices, numbers in [cases[1] for cases in GATHERS.values()]:
        bundle.add("gather", [values(shape), indices], numbers)
    mod, params = mod_and_params(from_hlo(serialized(bundle.module())))
    assert source_for(mod, params, target)


@pytest.mark.parametrize("dtype", INDEX_DTYPES)
def test_gather_of_what_is_computed_in_its_kernel_by_indices_of_any_type(dtype):
    """Bounds of what is read are inferred from those of the indices; unsigned ones have a least one, too."""
    bundle = Bundle()
    parts = [bundle.parameter(values((rows_, 5, 2), np.int32)) for rows_ in (12, 3, 2)]
    joined = bundle.builder.add("concatenate", parts, None, DimensionsAttributes((0,)))
    indices = bundle.parameter(np.array([[4, 0], [40, 1]], dtype))
    numbers = GatherAttributes((0, 2, 3), (), (0, 2), 1, (3, 5, 2))
    bundle.add("gather", [joined, indices], numbers)
    check(bundle.module(), bundle.arguments)
