"""gather, scatter and select-and-scatter in numpy, element by element, from the rules of HloEvaluator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tvm_hlo_frontend.hlo.ir.attributes import GatherAttributes, ScatterAttributes


def positions(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All indices of an array, row-major."""
    return itertools.product(*(range(size) for size in sizes))


def index_vector(indices: np.ndarray, batch: Sequence[int], dim: int) -> list[int]:
    """The index vector of one batch position, as Python integers: no type is too narrow for them."""
    if dim == indices.ndim:
        return [int(indices[tuple(batch)])]
    return [int(value) for value in indices[(*batch[:dim], slice(None), *batch[dim:])]]


def gather(operand: np.ndarray, indices: np.ndarray, numbers: GatherAttributes, dimensions: Sequence[int]) -> Any:
    """XLA operation semantics: Gather."""
    result = np.zeros(dimensions, operand.dtype)
    dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    windows = [axis for axis in range(operand.ndim) if axis not in dropped]
    for place in positions(dimensions):
        batch = [place[axis] for axis in range(len(place)) if axis not in numbers.offset_dims]
        source = [0] * operand.ndim
        vector = index_vector(indices, batch, numbers.index_vector_dim)
        for axis, start in zip(numbers.start_index_map, vector):
            source[axis] = min(max(start, 0), operand.shape[axis] - numbers.slice_sizes[axis])
        for axis, other in zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims):
            source[axis] = batch[other - (other > numbers.index_vector_dim)]
        for axis, offset in zip(windows, numbers.offset_dims):
            source[axis] += place[offset]
        result[place] = operand[tuple(source)]
    return result


def scatter(
    operand: np.ndarray,
    indices: np.ndarray,
    updates: np.ndarray,
    numbers: ScatterAttributes,
    combine: Callable[[Any, Any], Any],
) -> np.ndarray:
    """XLA operation semantics: Scatter; a window that leaves the operand is dropped whole."""
    result = operand.copy()
    dropped = (*numbers.inserted_window_dims, *numbers.input_batching_dims)
    windows = [axis for axis in range(operand.ndim) if axis not in dropped]
    scatter_dims = [axis for axis in range(updates.ndim) if axis not in numbers.update_window_dims]
    sizes = [updates.shape[axis] for axis in numbers.update_window_dims]
    for batch in positions([updates.shape[axis] for axis in scatter_dims]):
        start = [0] * operand.ndim
        vector = index_vector(indices, batch, numbers.index_vector_dim)
        for axis, value in zip(numbers.scatter_dims_to_operand_dims, vector):
            start[axis] = value
        for axis, other in zip(numbers.input_batching_dims, numbers.scatter_indices_batching_dims):
            start[axis] = batch[other - (other > numbers.index_vector_dim)]
        extents = [sizes[windows.index(axis)] if axis in windows else 1 for axis in range(operand.ndim)]
        if any(s < 0 or s + e > limit for s, e, limit in zip(start, extents, operand.shape)):
            continue
        for window in positions(sizes):
            target, source = list(start), [0] * updates.ndim
            for axis, update_axis, offset in zip(windows, numbers.update_window_dims, window):
                target[axis] += offset
                source[update_axis] = offset
            for axis, position in zip(scatter_dims, batch):
                source[axis] = position
            result[tuple(target)] = combine(result[tuple(target)], updates[tuple(source)])
    return result


def select_and_scatter(
    operand: np.ndarray,
    source: np.ndarray,
    init: Any,
    window: Sequence[Any],
    select: Callable[[Any, Any], bool],
    combine: Callable[[Any, Any], Any],
) -> np.ndarray:
    """XLA operation semantics: SelectAndScatter; combine(current, source)."""
    result = np.full_like(operand, init)
    for place in positions(source.shape):
        best = None
        for tap in positions([d.size for d in window]):
            at = tuple(p * d.stride + t - d.padding_low for p, t, d in zip(place, tap, window))
            if any(a < 0 or a >= size for a, size in zip(at, operand.shape)):
                continue
            if best is None or not select(operand[best], operand[at]):
                best = at
        if best is not None:
            result[best] = combine(result[best], source[place])
    return result
