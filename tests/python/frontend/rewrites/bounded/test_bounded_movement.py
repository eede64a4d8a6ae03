"""Movement along dimensions of bounded size (rule 90)."""

import numpy as np
import pytest

from tests.support.bounded import BoundedCase, check_case

f32, s32 = np.float32, np.int32
SOME = [(4, 3), (5, 2), (6, 6)]  # as many rows as are asked for


def padded(x, low, high, interior=0, fill=0.0):
    rows = max(0, len(x) + max(0, len(x) - 1) * interior)
    out = np.full((rows, *x.shape[1:]), fill, f32)
    out[:: interior + 1] = x
    out = np.concatenate([np.full((max(low, 0), *x.shape[1:]), fill, f32), out[max(-low, 0) :]])
    return np.concatenate([out, np.full((high, *x.shape[1:]), fill, f32)]) if high > 0 else out[: len(out) + high]


CASES = [
    BoundedCase("elementwise", "ROOT r = f32[<=6,3] negate(x)", lambda x, w, v: -x),
    BoundedCase("static", "ROOT r = f32[<=6,3] multiply(x, x_)", lambda x, w, v: x * x),
    BoundedCase(
        "smaller",
        "xt = f32[3,<=6] transpose(x), dimensions={1,0} ROOT r = f32[3,<=6] add(xt, w)",
        lambda x, w, v: x.T + w if 1 in (len(x), w.shape[1]) else x.T[:, : w.shape[1]] + w[:, : len(x)],
        [(4, 2), (1, 5), (5, 1), (0, 1), (6, 6)],
    ),
    BoundedCase(
        "broadcast",
        "ROOT r = f32[2,<=6,4,3] broadcast(x), dimensions={1,3}",
        lambda x, w, v: np.broadcast_to(x[None, :, None], (2, len(x), 4, 3)),
    ),
    BoundedCase("transpose", "ROOT r = f32[3,<=6] transpose(x), dimensions={1,0}", lambda x, w, v: x.T),
    BoundedCase("slice", "ROOT r = f32[<=4,2] slice(x), slice={[1:5], [0:2]}", lambda x, w, v: x[1:5, :2]),
    BoundedCase("stride", "ROOT r = f32[<=3] slice(v), slice={[1:6:2]}", lambda x, w, v: v[1:6:2]),
    BoundedCase("first", "ROOT r = f32[1] slice(v), slice={[0:1]}", lambda x, w, v: v[:1], SOME),
    BoundedCase("pad", "ROOT r = f32[<=9,3] pad(x, zero), padding=1_2x0_0", lambda x, w, v: padded(x, 1, 2)),
    BoundedCase(
        "pad_interior",
        "ROOT r = f32[<=17,3] pad(x, zero), padding=1_0_2x0_0",
        lambda x, w, v: padded(x, 1, 0, 2),
    ),
    BoundedCase(
        "pad_negative",
        "ROOT r = f32[<=4,3] pad(x, zero), padding=-1_-1x0_0",
        lambda x, w, v: padded(x, -1, -1) if len(x) > 1 else x[:0],
    ),
    BoundedCase(
        "concatenate",
        "o = f32[] constant(1) y = f32[2,3] broadcast(o), dimensions={} wt = f32[<=6,3] transpose(w), dimensions={1,0}"
        " ROOT r = f32[<=20,3] concatenate(y, x, wt, x), dimensions={0}",
        lambda x, w, v: np.concatenate([np.full((2, 3), 1, f32), x, w.T, x]),
    ),
    BoundedCase(
        "concatenate_beside",
        "y = f32[<=6,3] negate(x) ROOT r = f32[<=6,6] concatenate(x, y), dimensions={1}",
        lambda x, w, v: np.concatenate([x, -x], 1),
    ),
    BoundedCase("reverse", "ROOT r = f32[<=6,3] reverse(x), dimensions={0,1}", lambda x, w, v: x[::-1, ::-1]),
    BoundedCase(
        "size",
        "a = s32[] get-dimension-size(x), dimensions={0} b = s32[] get-dimension-size(x), dimensions={1}"
        " ROOT r = (s32[], s32[]) tuple(a, b)",
        lambda x, w, v: (s32(len(x)), s32(3)),
    ),
    BoundedCase(
        "set_again",
        "y = f32[<=6] set-dimension-size(v, m), dimensions={0} ROOT r = f32[3,<=6] broadcast(y), dimensions={1}",
        lambda x, w, v: np.broadcast_to(v[: len(x)], (3, len(x))),
        [(2, 4), (0, 3), (6, 6)],
    ),
    BoundedCase(
        "dynamic_slice",
        "one = s32[] constant(1) big = s32[] constant(99) k = s32[] constant(0)"
        " a = f32[<=6,2] dynamic-slice(x, big, one), dynamic_slice_sizes={6,2}"
        " b = f32[1,3] dynamic-slice(x, big, k), dynamic_slice_sizes={1,3}"
        " ROOT r = (f32[<=6,2], f32[1,3]) tuple(a, b)",
        lambda x, w, v: (x[:, 1:], x[-1:]),
        SOME,
    ),
    BoundedCase(
        "narrow_starts",
        "big = u8[] constant(200) k = u8[] constant(0)"
        " ROOT b = f32[1,3] dynamic-slice(x, big, k), dynamic_slice_sizes={1,3}",
        lambda x, w, v: x[-1:],
        SOME,
    ),
    BoundedCase(
        "update",
        "y = f32[1,3] constant({{7,8,9}}) big = s32[] constant(99) k = s32[] constant(0)"
        " ROOT r = f32[<=6,3] dynamic-update-slice(x, y, big, k)",
        lambda x, w, v: np.concatenate([x[:-1], [[7, 8, 9]]]).astype(f32),
        SOME,
    ),
    BoundedCase(
        "update_by_bounded",
        "t = f32[10] iota(), iota_dimension=0 k = s32[] constant(3) ROOT r = f32[10] dynamic-update-slice(t, v, k)",
        lambda x, w, v: np.concatenate([np.arange(3), v, np.arange(3 + len(v), 10)]).astype(f32),
    ),
    BoundedCase(
        "update_by_bounded_at_the_end",
        "t = f32[10] iota(), iota_dimension=0 k = s32[] constant(99) ROOT r = f32[10] dynamic-update-slice(t, v, k)",
        lambda x, w, v: np.concatenate([np.arange(10 - len(v)), v]).astype(f32),
    ),
    BoundedCase("convert", "ROOT r = s32[<=6] bitcast-convert(v)", lambda x, w, v: v.view(s32)),
    BoundedCase(
        "clamp_and_select",
        "o = f32[] constant(1) f = f32[] constant(4) c = f32[<=6] clamp(o, v, f) u = pred[<=6] compare(v, v_),"
        " direction=EQ ROOT r = f32[<=6] select(u, c, v)",
        lambda x, w, v: np.clip(v, 1, 4),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rule_90_only_elements_before_the_sizes_count(case):
    check_case(case)
