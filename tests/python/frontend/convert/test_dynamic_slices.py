"""dynamic-slice and dynamic-update-slice against XLA:CPU (rule 40)."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import check, run_tvm

from tests.support.emitted import calls_of, source_for
from tests.support.indexing_modules import Bundle, values
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import DynamicSliceAttributes

# first the rule's own example: size 4 of 10 at -3 and at 9
STARTS = {
    "signed": [(np.int32, -3), (np.int32, 9), (np.int32, 2), (np.int8, -128), (np.int8, 127), (np.int16, 6)],
    "extreme": [
        (np.int32, -(2**31)), (np.int32, 2**31 - 1), (np.int64, -(2**63)), (np.int64, 2**63 - 1), (np.int64, 2**32 + 1),
        (np.int64, -(2**32) + 5),
    ],
    "unsigned": [
        (np.uint8, 255), (np.uint8, 3), (np.uint16, 65535), (np.uint32, 2**32 - 1), (np.uint32, 2**31), (np.uint64, 5),
        (np.uint64, 2**64 - 1), (np.uint64, 2**63), (np.uint64, 2**32 + 1),
    ],
}  # fmt: skip


def scalars(dtype, *numbers):
    return [np.asarray(number, dtype) for number in numbers]


@pytest.mark.parametrize("kind", STARTS)
def test_rule_40_starts_are_clamped(kind):
    bundle = Bundle()
    for dtype, start in STARTS[kind]:
        operand = values((10,), np.float32)
        bundle.add("dynamic-slice", [operand, *scalars(dtype, start)], DynamicSliceAttributes((4,)))
        bundle.add("dynamic-update-slice", [operand, values((4,)) + np.float32(50), *scalars(dtype, start)])
    check(bundle.module(), bundle.arguments)


# (operand shape, slice shape, starts)
SHAPES = [
    ((5, 6), (2, 3), (1, 2)), ((5, 6), (2, 3), (4, -1)), ((5, 6), (5, 3), (3, 1)), ((5, 6), (1, 6), (3, 3)),
    ((5, 6), (5, 6), (3, 3)), ((4, 5, 6), (2, 5, 1), (1, 9, 5)), ((4, 5, 6), (4, 1, 6), (0, 2, 0)),
    ((40, 37), (30, 19), (11, 3)), ((3, 64), (1, 64), (1, 0)), ((2, 3, 4, 5, 6), (1, 2, 2, 3, 6), (1, 1, 1, 1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("plain", [False, True, "vm"])
def test_shapes(plain):
    bundle = Bundle()
    for number, (shape, sizes, starts) in enumerate(SHAPES):
        operand = values(shape, (np.float32, np.int64, bool, np.float16)[number % 4], number)
        bundle.add("dynamic-slice", [operand, *scalars(np.int32, *starts)], DynamicSliceAttributes(sizes))
        update = values(sizes, operand.dtype, 9)
        bundle.add("dynamic-update-slice", [operand, update, *scalars(np.int32, *starts)])
    check(bundle.module(), bundle.arguments, plain=plain)


def test_nothing_to_move():
    bundle = Bundle()
    operand = values((5, 6))
    bundle.add("dynamic-slice", [operand, *scalars(np.int32, 1, 2)], DynamicSliceAttributes((0, 3)))
    bundle.add("dynamic-update-slice", [operand, values((2, 0)), *scalars(np.int32, 1, 2)])
    bundle.add("dynamic-update-slice", [values((0, 6)), values((0, 2)), *scalars(np.int32, 1, 2)])
    check(bundle.module(), bundle.arguments)


def test_scalars():
    """XLA's translation to StableHLO refuses these."""
    bundle = Bundle()
    bundle.add("dynamic-slice", [np.float32(3)], DynamicSliceAttributes(()))
    bundle.add("dynamic-update-slice", [np.float32(3), np.float32(4)])
    assert [float(array) for array in run_tvm(bundle.module(), bundle.arguments)] == [3, 4]


def test_rule_40_starts_in_one_vector():
    """The form of old modules, which XLA's own reader refuses: against numpy."""
    operand, update = values((5, 6)), values((2, 3)) + np.float32(50)
    starts = [np.array(pair, dtype) for pair in ([1, 2], [-4, 9], [3, 3]) for dtype in (np.int32, np.int64)]
    bundle, wanted = Bundle(), []
    for start in starts:
        bundle.add("dynamic-slice", [operand, start], DynamicSliceAttributes((2, 3)))
        bundle.add("dynamic-update-slice", [operand, update, start])
        row, column = (int(min(max(s, 0), limit)) for s, limit in zip(start, (3, 3)))
        wanted.append(operand[row : row + 2, column : column + 3])
        whole = operand.copy()
        whole[row : row + 2, column : column + 3] = update
        wanted.append(whole)
    for got, want in zip(run_tvm(bundle.module(), bundle.arguments), wanted):
        np.testing.assert_array_equal(got, want)


def test_rule_40_constant_starts_are_a_plain_slice():
    from tools.support.oracle import serialized

    import tvm_hlo_frontend

    bundle = Bundle()
    for starts in ((1, 2), (-4, 9)):
        constants = [bundle.builder.constant(start, "s32") for start in starts]
        bundle.add("dynamic-slice", [values((5, 6)), *constants], DynamicSliceAttributes((2, 3)))
    check(bundle.module(), bundle.arguments)
    mod, _ = mod_and_params(tvm_hlo_frontend.from_hlo(serialized(bundle.module())))
    assert calls_of(mod) == ["strided_slice"] * 2


@pytest.mark.parametrize("target", ["c", "llvm -mtriple=aarch64-linux-gnu"])
def test_code_for_other_targets(target):
    from tools.support.oracle import serialized

    from tvm_hlo_frontend import from_hlo

    bundle = Bundle()
    for dtype in (np.int8, np.int32, np.uint64):
        bundle.add("dynamic-slice", [values((40, 6)), *scalars(dtype, 1, 2)], DynamicSliceAttributes((20, 3)))
        bundle.add("dynamic-update-slice", [values((40, 6)), values((20, 3)), *scalars(dtype, 1, 2)])
    mod, params = mod_and_params(from_hlo(serialized(bundle.module())))
    assert source_for(mod, params, target)
