"""No index reads or writes outside of its tensors: the tensors lie between guards in larger arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import tvm
from tvm import te

from tests.support.dialect_marks import DIALECT
from tests.support.emitted import compiled_kernel
from tests.support.indexing_modules import binary, comparison, second
from tvm_hlo_frontend.analysis.scalar_body import scalar_body
from tvm_hlo_frontend.kernels.spec import KernelSpec

GUARD_ELEMENTS = 1024
SENTINEL = 77
ALIGNMENT = 64


def guarded(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(whole, part): a copy of `array` between guards; the part begins at an aligned address."""
    size = array.dtype.itemsize
    count = max(array.size, 1)
    memory = np.full(count + 2 * GUARD_ELEMENTS + ALIGNMENT, SENTINEL, array.dtype)
    begin = GUARD_ELEMENTS + (-(memory.ctypes.data // size + GUARD_ELEMENTS)) % (ALIGNMENT // size)
    part = memory[begin : begin + array.size].reshape(array.shape)
    part[...] = array
    return memory, part


def run_guarded(spec: KernelSpec, arrays: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Results of a kernel; asserts that all guards are as they were."""
    inputs = [te.placeholder(array.shape, str(array.dtype)) for array in arrays]
    built = compiled_kernel(spec, inputs, [(array.shape, str(array.dtype)) for array in results])
    memories = [guarded(array) for array in [*arrays, *results]]
    before = [memory.copy() for memory, _ in memories]
    from_dlpack = tvm.nd.from_dlpack if DIALECT == "relay" else tvm.runtime.from_dlpack
    built(*(from_dlpack(part) for _, part in memories))
    for number, ((memory, part), old) in enumerate(zip(memories, before)):
        made = part.copy()
        # outputs may have changed inside, inputs nowhere
        if number >= len(arrays):
            part[...] = 0
            begin = (part.ctypes.data - memory.ctypes.data) // memory.itemsize
            old[begin : begin + part.size] = 0
        np.testing.assert_array_equal(memory, old)
        part[...] = made
    return [part.copy() for _, part in memories[len(arrays) :]]


INDICES = [
    np.array([-1, -7, 5, 6, 20, -(2**31), 2**31 - 1, 300, 2], np.int32),
    np.array([-1, -7, 5, 6, 20, -(2**63), 2**63 - 1, 2**32 + 1, -(2**32)], np.int64),
    np.array([0, 5, 6, 7, 20, 2**63, 2**64 - 1, 2**32 + 1, 2**31], np.uint64),
    np.array([0, 5, 6, 7, 20, 2**31, 2**32 - 1, 300, 1], np.uint32),
    np.array([0, 5, 6, -1, 20, -128, 127, 100, 1], np.int8),
]
by_index_type = pytest.mark.parametrize("indices", INDICES, ids=lambda array: str(array.dtype))


def operand(*shape: int) -> np.ndarray:
    return -np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape)


@by_index_type
@pytest.mark.parametrize("window", [1, 3, 6])
def test_gather_reads_inside(indices, window):
    spec = KernelSpec(
        "gather",
        {
            "offset_dims": [1], "collapsed_slice_dims": [], "start_index_map": [0], "operand_batching_dims": [],
            "batch_positions": [],
        },
    )  # fmt: skip
    x = operand(6)
    (got,) = run_guarded(spec, [x, indices[:, None]], [np.zeros((len(indices), window), np.float32)])
    starts = np.array([min(max(int(i), 0), 6 - window) for i in indices])
    np.testing.assert_array_equal(got, x[starts[:, None] + np.arange(window)])


@by_index_type
def test_dynamic_slices_stay_inside(indices):
    for start in indices:
        x, update = operand(6, 4), operand(2, 3) * np.float32(100)
        row, column = (min(max(int(start), 0), limit) for limit in (4, 1))
        starts = [np.array(start), np.array(start)]
        (got,) = run_guarded(KernelSpec("dynamic_slice"), [x, *starts], [np.zeros((2, 3), np.float32)])
        np.testing.assert_array_equal(got, x[row : row + 2, column : column + 3])
        (got,) = run_guarded(KernelSpec("dynamic_update_slice"), [x, update, *starts], [np.zeros((6, 4), np.float32)])
        x[row : row + 2, column : column + 3] = update
        np.testing.assert_array_equal(got, x)


@by_index_type
@pytest.mark.parametrize("window", [1, 3, 6])
def test_scatter_writes_inside(indices, window):
    spec = KernelSpec(
        "scatter",
        {
            "update_window_dims": [1], "inserted_window_dims": [], "scatter_dims_to_operand_dims": [0],
            "input_batching_dims": [], "batch_positions": [],
        },
        scalar_body(binary("add", "f32")),
    )  # fmt: skip
    x, updates = operand(6), operand(len(indices), window)
    (got,) = run_guarded(spec, [x, indices[:, None], updates], [np.zeros(6, np.float32)])
    for start, update in zip(indices, updates):
        if 0 <= int(start) <= 6 - window:
            x[int(start) : int(start) + window] += update
    np.testing.assert_array_equal(got, x)


def test_scatter_overwrites_inside():
    parameters = {
        "update_window_dims": [], "inserted_window_dims": [0, 1], "scatter_dims_to_operand_dims": [1, 0],
        "input_batching_dims": [], "batch_positions": [],
    }  # fmt: skip
    spec = KernelSpec("scatter", parameters, scalar_body(second("f32")))
    pairs = np.array([[0, 6], [4, 0], [-1, 0], [3, 5], [0, -1], [2**31 - 1, 2**31 - 1]], np.int32)
    x = operand(6, 4)
    (got,) = run_guarded(spec, [x, pairs, np.full(6, 5, np.float32)], [np.zeros((6, 4), np.float32)])
    x[5, 3] = 5
    np.testing.assert_array_equal(got, x)


@pytest.mark.parametrize("low", [-3, -1, 0, 2, 5])
def test_select_and_scatter_stays_inside(low):
    select = scalar_body(comparison("GE", "FLOAT", "f32"))
    parameters = {"window": [[3, 2, low, 1, 1], [2, 1, 1, 2, 1]], "select": select.to_json()}
    spec = KernelSpec("select_and_scatter", parameters, scalar_body(binary("add", "f32")))
    (got,) = run_guarded(spec, [operand(5, 4), operand(4, 4), np.zeros(1, np.float32)], [np.zeros((5, 4), np.float32)])
    assert not np.isin(got, [SENTINEL]).any() and (got <= 0).all()


@pytest.mark.parametrize("length", [1, 5, 16, 17, 31, 127, 129, 300])
def test_sorts_stay_inside(length):
    comparators = [comparison("LT", "FLOAT", "f32"), comparison("LE", "FLOAT", "f32")]
    x = np.random.default_rng(0).normal(size=(2, length, 3)).astype(np.float32)
    for comparator in comparators:
        (got,) = run_guarded(KernelSpec("sort", body=scalar_body(comparator)), [x], [np.zeros_like(x)])
        np.testing.assert_array_equal(got, np.sort(x, axis=1))


@pytest.mark.parametrize("length", [5, 100, 3000])
def test_topk_stays_inside(length):
    x = np.random.default_rng(0).normal(size=(3, length)).astype(np.float32)
    results = [np.zeros((3, 2), np.float32), np.zeros((3, 2), np.int32)]
    got, _ = run_guarded(KernelSpec("topk", {"largest": True}), [x], results)
    np.testing.assert_array_equal(got, -np.sort(-x, axis=1)[:, :2])
