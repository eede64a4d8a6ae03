"""Convolution in numpy, element by element from its definition: an oracle where XLA:CPU itself is wrong (xla#48713)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np


def convolve(data: np.ndarray, kernel: np.ndarray, instruction: Any) -> np.ndarray:
    """Result of a convolution instruction (XLA operation semantics: ConvGeneralDilated), summed in f64 or int64.

    Parameters
    ----------
    data, kernel : numpy.ndarray
        Operands in the instruction's own layouts.
    instruction : HloInstruction
    """
    attributes = instruction.attributes
    numbers = attributes.dimension_numbers
    wide = np.float64 if data.dtype.kind == "f" else np.int64
    x = data.transpose(numbers.input_batch, numbers.input_feature, *numbers.input_spatial).astype(wide)
    order = (numbers.kernel_output_feature, numbers.kernel_input_feature, *numbers.kernel_spatial)
    w = kernel.transpose(order).astype(wide)
    produced = (numbers.output_batch, numbers.output_feature, *numbers.output_spatial)
    shape = tuple(instruction.shape.sizes[axis] for axis in produced)
    result = np.zeros(shape, wide)
    # int64 wraps as the narrower types do
    with np.errstate(over="ignore"):
        _fill(result, x, w, attributes)
    return result.transpose(np.argsort(produced)).astype(instruction.shape.numpy_dtype)


def _fill(result: np.ndarray, x: np.ndarray, w: np.ndarray, attributes: Any) -> None:
    """Channels-first sums."""
    shape, windows = result.shape, attributes.window.dimensions
    for n, o in np.ndindex(shape[:2]):
        rows, channels = _group(attributes, x.shape, shape, n, o)
        block = x[rows][channels]
        for position, tap in itertools.product(np.ndindex(shape[2:]), np.ndindex(w.shape[2:])):
            source = _source(position, tap, windows, x.shape[2:])
            read = tuple(d.size - 1 - t if d.window_reversal else t for t, d in zip(tap, windows))
            if source is not None:
                result[(n, o, *position)] += block[(slice(None), *source)] @ w[(o, slice(None), *read)]


def _group(attributes: Any, data: tuple[int, ...], result: tuple[int, ...], n: int, o: int) -> tuple[int, slice]:
    """Image and channels that output feature `o` of result image `n` reads (rules 50 and 51)."""
    if attributes.batch_group_count > 1:
        block = o // (result[1] // attributes.batch_group_count)
        return block * result[0] + n, slice(None)
    channels = data[1] // attributes.feature_group_count
    group = o // (result[1] // attributes.feature_group_count)
    return n, slice(group * channels, (group + 1) * channels)


def _source(
    position: tuple[int, ...], tap: tuple[int, ...], windows: Any, sizes: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Element of the undilated data under a tap of the window; None in padding and holes (rule 49)."""
    source = []
    for p, t, w, size in zip(position, tap, windows, sizes):
        place = p * w.stride - w.padding_low + t * w.window_dilation
        if place < 0 or place % w.base_dilation or place // w.base_dilation >= size:
            return None
        source.append(place // w.base_dilation)
    return tuple(source)
