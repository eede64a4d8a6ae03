"""An independent evaluator of reduce and reduce-window: one element after the other, as XLA's HloEvaluator does.

For the cases where XLA:CPU itself is wrong; slow, and plain enough to be believed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from tvm_hlo_frontend.hlo.ir.attributes import WindowDimension

Body = Callable[..., tuple]


def reduce(operands: Sequence[np.ndarray], inits: Sequence, dimensions: Sequence[int], body: Body) -> list[np.ndarray]:
    """body(... body(init, first), ... last) over `dimensions`, row-major; all outputs side by side.

    Parameters
    ----------
    operands, inits : sequences of equal length
    dimensions : sequence of int
    body : callable
        ``body(accumulator..., element...)`` on arrays gives a tuple.
    """
    dimensions = sorted(dimensions)
    kept = [axis for axis in range(operands[0].ndim) if axis not in dimensions]
    extents = [operands[0].shape[axis] for axis in dimensions]
    turned = [np.transpose(operand, [*dimensions, *kept]) for operand in operands]
    totals = tuple(np.full(x.shape[len(dimensions) :], init, x.dtype) for x, init in zip(turned, inits))
    for index in itertools.product(*map(range, extents)):
        totals = body(*totals, *(x[index] for x in turned))
    return [np.asarray(total, operand.dtype) for total, operand in zip(totals, operands)]


def window_outputs(size: int, d: WindowDimension) -> int:
    """How many places a window has along a dimension of `size`."""
    base = 0 if size == 0 else (size - 1) * d.base_dilation + 1
    room = base + d.padding_low + d.padding_high - ((d.size - 1) * d.window_dilation + 1)
    return 0 if room < 0 else room // d.stride + 1


def reduce_window(
    operands: Sequence[np.ndarray], inits: Sequence, window: Sequence[WindowDimension], body: Body
) -> list[np.ndarray]:
    """HloEvaluator's IterateThroughWindow: places in padding and in the holes of base dilation are skipped."""
    shape = operands[0].shape
    made = [window_outputs(size, d) for size, d in zip(shape, window)]
    results = [np.empty(made, operand.dtype) for operand in operands]
    for output in np.ndindex(*made):
        totals = tuple(np.asarray(init, operand.dtype)[()] for init, operand in zip(inits, operands))
        for taps in np.ndindex(*(d.size for d in window)):
            places = [
                at * d.stride + tap * d.window_dilation - d.padding_low for at, tap, d in zip(output, taps, window)
            ]
            if any(place % d.base_dilation for place, d in zip(places, window)):
                continue
            index = tuple(place // d.base_dilation for place, d in zip(places, window))
            if any(place < 0 or place >= size for place, size in zip(index, shape)):
                continue
            totals = body(*totals, *(operand[index] for operand in operands))
        for result, total in zip(results, totals):
            result[output] = total
    return results
