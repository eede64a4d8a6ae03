"""What combines, orders and looks up elements along dimensions of bounded size (rule 90)."""

import numpy as np
import pytest

from tests.support.bounded import BoundedCase, check_case

f32, s32 = np.float32, np.int32
SOME = [(4, 3), (1, 2), (6, 6)]


def windows(v, size, stride, low, high, combine, start):
    data = np.concatenate([np.full(low, start, f32), v, np.full(high, start, f32)])
    count = max(0, (len(data) - size) // stride + 1) if len(v) + low + high >= size else 0
    return np.array([combine(data[k * stride : k * stride + size]) for k in range(count)], f32)


def horner(v):
    result = f32(1)
    for each in v:
        result = 2 * result + each
    return result


def scattered(places, v):
    out = np.zeros(4, f32)
    for place, each in zip(places, v):
        if 0 <= place < 4:
            out[int(place)] += each
    return out


REDUCING = [
    BoundedCase(
        "sum",
        "ROOT r = f32[3] reduce(x, zero), dimensions={0}, to_apply=add",
        lambda x, w, v: x.sum(0, dtype=f32),
    ),
    BoundedCase(
        "sum_of_rows",
        "ROOT r = f32[<=6] reduce(x, zero), dimensions={1}, to_apply=add",
        lambda x, w, v: x.sum(1, dtype=f32),
    ),
    BoundedCase(
        "sum_from_five",
        "five = f32[] constant(5) ROOT r = f32[] reduce(v, five), dimensions={0}, to_apply=add",
        lambda x, w, v: f32(5 + v.sum()),
    ),
    BoundedCase(
        "product_from_zero",
        "one = f32[] constant(1) ROOT r = f32[] reduce(v, one), dimensions={0}, to_apply=mul",
        lambda x, w, v: f32(v.prod()),
    ),
    BoundedCase(
        "largest",
        "low = f32[] constant(-inf) ROOT r = f32[] reduce(w, low), dimensions={0,1}, to_apply=max",
        lambda x, w, v: w.max(initial=-np.inf),
    ),
    BoundedCase(
        "largest_from_minus_three",
        "low = f32[] constant(-3) ROOT r = f32[] reduce(v, low), dimensions={0}, to_apply=max",
        lambda x, w, v: v.max(initial=f32(-3)),
    ),
    BoundedCase(
        "place_of_largest",
        "i = s32[6] iota(), iota_dimension=0 low = f32[] constant(-inf) k = s32[] constant(0)"
        " ROOT r = (f32[], s32[]) reduce(v, i, low, k), dimensions={0}, to_apply=top",
        lambda x, w, v: (v.max(), s32(v.argmax())),
        SOME,
    ),
    BoundedCase(
        "any_body",
        "o = f32[] constant(1) a = f32[] reduce(v, o), dimensions={0}, to_apply=horner"
        " b = f32[] reduce(v, o), dimensions={0}, to_apply=second"
        " c = f32[<=5] reduce-window(v, o), window={size=2}, to_apply=horner"
        " ROOT r = (f32[], f32[], f32[<=5]) tuple(a, b, c)",
        lambda x, w, v: (
            horner(v),
            v[-1] if len(v) else f32(1),
            np.array([horner(v[k : k + 2]) for k in range(len(v) - 1)], f32),
        ),
        bodies="horner { p = f32[] parameter(0) q = f32[] parameter(1) d = f32[] add(p, p) ROOT r = f32[] add(d, q) }",
    ),
    BoundedCase(
        "two_sums",
        "o = f32[] constant(1) ROOT r = (f32[], f32[]) reduce(v, v, zero, o), dimensions={0}, to_apply=sums",
        lambda x, w, v: (v.sum(dtype=f32), f32(1 + v.sum())),
        bodies="sums { p = f32[] parameter(0) q = f32[] parameter(1) s = f32[] parameter(2) t = f32[] parameter(3)"
        " a = f32[] add(p, s) b = f32[] add(q, t) ROOT r = (f32[], f32[]) tuple(a, b) }",
    ),
    BoundedCase(
        "sliding",
        "ROOT r = f32[<=3] reduce-window(v, zero), window={size=2 stride=2}, to_apply=add",
        lambda x, w, v: windows(v, 2, 2, 0, 0, np.sum, 0),
    ),
    BoundedCase(
        "running",
        "ROOT r = f32[<=6] reduce-window(v, zero), window={size=6 pad=5_0}, to_apply=add",
        lambda x, w, v: np.cumsum(v, dtype=f32),
    ),
    BoundedCase(
        "running_from_the_end",
        "ROOT r = f32[<=6] reduce-window(v, zero), window={size=6 pad=0_5}, to_apply=add",
        lambda x, w, v: np.cumsum(v[::-1], dtype=f32)[::-1],
    ),
    BoundedCase(
        "beside_windows",
        "low = f32[] constant(-inf) ROOT r = f32[<=6,2] reduce-window(x, low), window={size=1x2}, to_apply=max",
        lambda x, w, v: np.maximum(x[:, :-1], x[:, 1:]),
    ),
]
PRODUCTS = [
    BoundedCase(
        "free",
        "ROOT r = f32[<=6,<=6] dot(x, w), lhs_contracting_dims={1}, rhs_contracting_dims={0}",
        lambda x, w, v: x @ w,
    ),
    BoundedCase(
        "contracted",
        "ROOT r = f32[3,3] dot(x, x), lhs_contracting_dims={0}, rhs_contracting_dims={0}",
        lambda x, w, v: x.T @ x,
    ),
    BoundedCase(
        "contracted_with_static",
        "ROOT r = f32[3,3] dot(w, w_), lhs_contracting_dims={1}, rhs_contracting_dims={1}",
        lambda x, w, v: w @ w.T,
    ),
    BoundedCase(
        "batch",
        "ROOT r = f32[<=6] dot(x, x), lhs_batch_dims={0}, rhs_batch_dims={0}, lhs_contracting_dims={1},"
        " rhs_contracting_dims={1}",
        lambda x, w, v: (x * x).sum(1, dtype=f32),
    ),
    BoundedCase(
        "batches_of_two_sizes",
        "a = f32[<=6,1] slice(x), slice={[0:6], [0:1]} b = f32[<=6,1] reshape(v)"
        " ROOT r = f32[<=6] dot(a, b), lhs_batch_dims={0}, rhs_batch_dims={0}, lhs_contracting_dims={1},"
        " rhs_contracting_dims={1}",
        lambda x, w, v: x[: len(v), 0] * v[: len(x)],
        [(4, 2), (4, 1), (1, 4), (0, 3), (6, 6)],
    ),
    BoundedCase(
        "convolution",
        "d = f32[1,<=6,3] reshape(x) k = f32[2,3,1] constant({{{1},{2},{3}},{{4},{5},{6}}})"
        " ROOT r = f32[1,<=6,1] convolution(d, k), window={size=2 pad=0_1}, dim_labels=b0f_0io->b0f",
        lambda x, w, v: (
            x @ np.array([1, 2, 3], f32)
            + np.concatenate([x[1:], np.zeros((1, 3), f32)])[: len(x)] @ np.array([4, 5, 6], f32)
        ).reshape(1, -1, 1),
    ),
    BoundedCase(
        "convolution_of_batches",
        "d = f32[<=6,3,1] reshape(x) k = f32[2,1,1] constant({{{1}},{{2}}})"
        " ROOT r = f32[<=6,2,1] convolution(d, k), window={size=2}, dim_labels=b0f_0io->b0f",
        lambda x, w, v: (x[:, :-1] + 2 * x[:, 1:])[..., None],
    ),
]
ORDERING = [
    BoundedCase("sort", "ROOT r = f32[<=6] sort(v), dimensions={0}, to_apply=less", lambda x, w, v: np.sort(v)),
    BoundedCase(
        "sort_beside",
        "ROOT r = f32[<=6,3] sort(x), dimensions={1}, to_apply=less",
        lambda x, w, v: np.sort(x, 1),
    ),
    BoundedCase(
        "sort_with_places",
        "i = s32[6] iota(), iota_dimension=0"
        " ROOT r = (f32[<=6], s32[<=6]) sort(v, i), dimensions={0}, is_stable=true, to_apply=less2",
        lambda x, w, v: (np.sort(v), np.argsort(v, kind="stable").astype(s32)),
    ),
]
INDEXING = [
    BoundedCase(
        "gather_by_bounded",
        "t = f32[10] iota(), iota_dimension=0 i = s32[<=6] convert(v) ROOT r = f32[<=6] gather(t, i), offset_dims={},"
        " collapsed_slice_dims={0}, start_index_map={0}, index_vector_dim=1, slice_sizes={1}",
        lambda x, w, v: np.clip(v, 0, 9),
    ),
    BoundedCase(
        "gather_from_bounded",
        "i = s32[4] constant({0,1,99,-5}) ROOT r = f32[4,3] gather(x, i), offset_dims={1},"
        " collapsed_slice_dims={0}, start_index_map={0}, index_vector_dim=1, slice_sizes={1,3}",
        lambda x, w, v: x[[0, min(1, len(x) - 1), -1, 0]],
        SOME,
    ),
    BoundedCase(
        "gather_whole",
        "i = s32[2,1] constant({{2},{0}}) ROOT r = f32[2,<=6] gather(w, i), offset_dims={1},"
        " collapsed_slice_dims={0}, start_index_map={0}, index_vector_dim=1, slice_sizes={1,6}",
        lambda x, w, v: w[[2, 0]],
    ),
    BoundedCase(
        "gather_of_vectors",
        "i = s32[2,2] constant({{1,99},{2,0}}) ROOT r = f32[2] gather(w, i), offset_dims={},"
        " collapsed_slice_dims={0,1}, start_index_map={0,1}, index_vector_dim=1, slice_sizes={1,1}",
        lambda x, w, v: np.array([w[1, -1], w[2, 0]]),
        SOME,
    ),
    BoundedCase(
        "scatter_of_bounded",
        "z = f32[4] broadcast(zero), dimensions={} i = s32[<=6] convert(v) ROOT r = f32[4] scatter(z, i, v),"
        " update_window_dims={}, inserted_window_dims={0}, scatter_dims_to_operand_dims={0}, index_vector_dim=1,"
        " to_apply=add",
        lambda x, w, v: scattered(v, v),
    ),
    BoundedCase(
        "scatter_of_bounded_by_bytes",
        "z = f32[4] broadcast(zero), dimensions={} a = f32[<=6] abs(v) i = u8[<=6] convert(a)"
        " ROOT r = f32[4] scatter(z, i, v), update_window_dims={}, inserted_window_dims={0},"
        " scatter_dims_to_operand_dims={0}, index_vector_dim=1, to_apply=add",
        lambda x, w, v: scattered(abs(v), v),
    ),
    BoundedCase(
        "scatter_into_bounded",
        "i = s32[2] constant({0,5}) u = f32[2] constant({50,60}) ROOT r = f32[<=6] scatter(v, i, u),"
        " update_window_dims={}, inserted_window_dims={0}, scatter_dims_to_operand_dims={0}, index_vector_dim=1,"
        " to_apply=second",
        lambda x, w, v: np.array([{0: 50, 5: 60}.get(k, each) for k, each in enumerate(v)], f32),
    ),
    BoundedCase(
        "scatter_whole",
        "i = s32[1] constant({2}) u = f32[1,<=6] reshape(v) ROOT r = f32[3,<=6] scatter(w, i, u),"
        " update_window_dims={1}, inserted_window_dims={0}, scatter_dims_to_operand_dims={0}, index_vector_dim=1,"
        " to_apply=second",
        lambda x, w, v: np.stack([w[0], w[1], v]),
    ),
]


@pytest.mark.parametrize("case", [*REDUCING, *PRODUCTS, *ORDERING, *INDEXING], ids=str)
def test_rule_90_what_is_behind_the_sizes_counts_for_nothing(case):
    check_case(case)
