"""reduce-window: running reductions, windows along one dimension, and windows with any body."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...analysis.scalar_expression import ScalarExpression
from ...tensor_ir.compat import dtype_of, tir
from ...tensor_ir.loops import Loops, extents, extern, is_long, quotient_up
from ..spec import KernelSpec
from ..table import KernelTable
from .fold import TILE, evaluate_body
from .reduce import combine, identity

table = KernelTable()

# windows of at most so many elements are written out instead of looped over
MAX_UNROLLED = 16
# above this stride only the windows that are wanted are computed
MAX_STRIDE = 8

Results = Sequence[tuple[tuple[int, ...], str]]


def accumulate(loops: Loops, kind: str, target: Any, position: Any, value: Any) -> None:
    """target[position] = kind(target[position], value), each loaded once."""
    left, right = loops.values([target[position], value])
    target[position] = combine(kind, left, right)


@table.kernel("cumulative", "extern")
def cumulative(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """Running reduction along the middle of three dimensions, one step per element (cumsum, cumprod, cummax …).

    Parameters: ``kind``, ``reverse``.
    """
    kind, reverse = spec.parameters["kind"], spec.parameters["reverse"]
    rows, length, columns = extents(inputs[0].shape)
    width = _width(rows, columns)
    tiles = quotient_up(columns, width)

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        (operand,), (out,) = ins, outs

        def source(step: Any) -> Any:
            return length - 1 - step if reverse else step

        def tile_of(tile: Any) -> None:
            row, begin = tir.indexdiv(tile, tiles), tir.indexmod(tile, tiles) * width
            if isinstance(columns, int) and columns == 1:
                _running_row(loops, kind, length, lambda step: [row, source(step), 0], operand, out)
                return
            whole = isinstance(columns, int) and columns % width == 0
            extent = width if whole else tir.min(width, columns - begin)
            with loops.loop(extent, "column") as column:
                first = [row, source(0), begin + column]
                out[first] = operand[first]
            with loops.loop(length - 1, "step") as step:
                with loops.loop(extent, "column") as column:
                    here, before = [row, source(step + 1), begin + column], [row, source(step), begin + column]
                    left, right = loops.values([out[before], operand[here]])
                    out[here] = combine(kind, left, right)

        with loops.loop(rows * tiles, "tile", is_long(rows, length, columns)) as tile:
            if isinstance(length, int):
                tile_of(tile)
            else:
                with loops.when(length > 0):
                    tile_of(tile)

    return extern(inputs, results, generate, "hlo_cumulative")


def _width(rows: Any, columns: Any) -> int:
    """Columns of one task."""
    if not isinstance(columns, int):
        return max(64, TILE // 8)
    is_wide = not isinstance(rows, int) or rows * columns >= 4 * TILE
    return min(columns, TILE if is_wide else max(64, TILE // 8))


def _running_row(loops: Loops, kind: str, length: int, position: Any, operand: Any, out: Any) -> None:
    total = loops.scratch(1, dtype_of(operand), "total")
    total[0] = operand[position(0)]
    out[position(0)] = total[0]
    with loops.loop(length - 1, "step") as step:
        accumulate(loops, kind, total, 0, operand[position(step + 1)])
        out[position(step + 1)] = total[0]


@table.kernel("window", "extern")
def window(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """Windows of a well-known kind along the middle of three dimensions (XLA operation semantics: ReduceWindow;
    rule 68): padding and the holes of base dilation are skipped; there is no init value.

    Parameters: ``kind``, ``size``, ``stride``, ``low``, ``window_dilation``, ``base_dilation``.
    """
    plan = _Line(spec, extents(inputs[0].shape), extents(results[0][0]))

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        if not plan.is_narrow:
            plan.wide(loops, ins[0], outs[0])
        else:
            plan.narrow(loops, ins[0], outs[0])

    return extern(inputs, results, generate, "hlo_window")


class _Line:
    """Windows along the middle dimension of (rows, length, columns)."""

    def __init__(self, spec: KernelSpec, source: tuple[Any, ...], result: tuple[Any, ...]) -> None:
        self.kind = spec.parameters["kind"]
        self.size, self.stride = spec.parameters["size"], spec.parameters["stride"]
        self.low, self.step = spec.parameters["low"], spec.parameters["window_dilation"]
        self.hole = spec.parameters["base_dilation"]
        self.rows, self.length, self.columns = source
        self.outputs = result[1]
        self.parallel = is_long(*result, self.size)
        is_planned = isinstance(self.length, int) and isinstance(self.outputs, int)
        self.is_narrow = is_planned and isinstance(self.columns, int) and self.columns == 1

    def source(self, output: Any, tap: Any) -> tuple[Any, Any]:
        """(position in the operand, whether there is one): HloEvaluator IterateThroughWindow."""
        return window_source(output, tap, self.stride, self.low, self.step, self.hole, self.length)

    def wide(self, loops: Loops, operand: Any, out: Any) -> None:
        """Several columns: the inner loop runs over them, the guard is outside."""
        start = identity(self.kind, dtype_of(operand))
        with loops.loop(self.rows * self.outputs, "output", self.parallel) as index:
            row, output = tir.indexdiv(index, self.outputs), tir.indexmod(index, self.outputs)
            with loops.loop(self.columns, "column") as column:
                out[[row, output, column]] = start
            with loops.loop(self.size, "tap") as tap:
                position, valid = self.source(output, tap)
                with loops.when(valid):
                    with loops.loop(self.columns, "column") as column:
                        accumulate(loops, self.kind, out, [row, output, column], operand[[row, position, column]])

    def narrow(self, loops: Loops, operand: Any, out: Any) -> None:
        """One column: the row goes into scratch memory with padding and holes filled by the identity, so that what
        follows needs no guard and runs over neighbouring elements."""
        dtype = dtype_of(operand)
        span = (self.outputs - 1) * self.stride + 1
        size = span + (self.size - 1) * self.step
        begin, end = self._copied(size)
        if self.hole == 1 and self.size <= MAX_UNROLLED and self.stride <= MAX_STRIDE:
            self._direct(loops, operand, out, span)
            return
        with loops.loop(self.rows, "row", self.parallel) as row:
            padded = loops.scratch(size, dtype, "padded")
            if self.hole > 1 or end - begin < size:
                with loops.loop(size, "position") as position:
                    padded[position] = identity(self.kind, dtype)
            with loops.loop(end - begin, "element") as element:
                padded[(element + begin) * self.hole + self.low] = operand[[row, element + begin, 0]]
            if self.stride > MAX_STRIDE:
                self._one_by_one(loops, padded, out, row)
                return
            totals = loops.scratch(span, dtype, "totals")
            self._all_positions(loops, padded, totals, span)
            with loops.loop(self.outputs, "output") as output:
                out[[row, output, 0]] = totals[output * self.stride]

    def _direct(self, loops: Loops, operand: Any, out: Any, span: int) -> None:
        """Windows at every position straight from the operand; only those at the edges are guarded."""
        begin = min(max(0, self.low), span)
        end = max(begin, min(span, self.length - (self.size - 1) * self.step + self.low))
        with loops.loop(self.rows, "row", self.parallel) as row:
            totals = loops.scratch(span, dtype_of(operand), "totals")
            for first, last in ((0, begin), (end, span)):
                if first < last:
                    with loops.loop(last - first, "edge") as edge:
                        totals[first + edge] = identity(self.kind, dtype_of(operand))
                        with loops.loop(self.size, "tap") as tap:
                            place = first + edge + tap * self.step - self.low
                            with loops.when(tir.all(place >= 0, place < self.length)):
                                accumulate(loops, self.kind, totals, first + edge, operand[[row, place, 0]])
            if begin < end:
                with loops.loop(end - begin, "position") as position:
                    place = begin + position - self.low
                    total = loops.scratch(1, dtype_of(operand), "total")
                    total[0] = operand[[row, place, 0]]
                    for tap in range(1, self.size):
                        accumulate(loops, self.kind, total, 0, operand[[row, place + tap * self.step, 0]])
                    totals[begin + position] = total[0]
            with loops.loop(self.outputs, "output") as output:
                out[[row, output, 0]] = totals[output * self.stride]

    def _copied(self, size: int) -> tuple[int, int]:
        """Elements of the operand from begin to end lie in the padded row."""
        begin = min(max(0, -(self.low // self.hole)), self.length)
        end = min(self.length, (size - 1 - self.low) // self.hole + 1)
        return begin, max(begin, end)

    def _all_positions(self, loops: Loops, padded: Any, totals: Any, span: int) -> None:
        """Windows at every position, also those that the stride leaves out: cheaper than to load with a stride."""
        if self.size <= MAX_UNROLLED:
            with loops.loop(span, "position") as position:
                # through memory: TVM's passes take exponential time along a chain of values
                total = loops.scratch(1, dtype_of(padded), "total")
                total[0] = padded[position]
                for tap in range(1, self.size):
                    accumulate(loops, self.kind, total, 0, padded[position + tap * self.step])
                totals[position] = total[0]
            return
        with loops.loop(span, "position") as position:
            totals[position] = padded[position]
        with loops.loop(self.size - 1, "tap") as tap:
            with loops.loop(span, "position") as position:
                accumulate(loops, self.kind, totals, position, padded[position + (tap + 1) * self.step])

    def _one_by_one(self, loops: Loops, padded: Any, out: Any, row: Any) -> None:
        with loops.loop(self.outputs, "output") as output:
            total = loops.scratch(1, dtype_of(padded), "total")
            total[0] = padded[output * self.stride]
            with loops.loop(self.size - 1, "tap") as tap:
                accumulate(loops, self.kind, total, 0, padded[output * self.stride + (tap + 1) * self.step])
            out[[row, output, 0]] = total[0]


def window_source(output: Any, tap: Any, stride: int, low: int, step: int, hole: int, length: Any) -> tuple[Any, Any]:
    """Where in a dimension of `length` a window at `output` reads with `tap`, and whether it reads at all.

    Reading is only valid under the condition: padding and holes are no elements (HloEvaluator IterateThroughWindow).
    """
    position = output * stride + tap * step - low
    valid = [position >= 0, position < (length - 1) * hole + 1]
    if hole > 1:
        valid.append(tir.indexmod(position, hole) == 0)
        position = tir.indexdiv(position, hole)
    return position, tir.all(*valid)


@table.kernel("fold_window", "extern")
def fold_window(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """Windows with any body and any number of operands: elements in row-major order of the window, starting from the
    init values, padding and holes skipped (HloEvaluator IterateThroughWindow; rule 68).

    Inputs are K operands of rank one at least and K init values of shape (1,). Parameters: ``window``, a list per
    dimension of [size, stride, low, window dilation, base dilation].
    """
    body, taps = spec.body, [tuple(dimension) for dimension in spec.parameters["window"]]
    assert body is not None
    result = extents(results[0][0])
    windows = Windows(taps, extents(inputs[0].shape), body)
    parallel = is_long(*result, *(size for size, *_ in taps))

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        operands, inits = ins[: len(outs)], ins[len(outs) :]
        with loops.loop(math.prod(result), "output", parallel) as flat:
            output: list[Any] = []
            for size in reversed(result[1:]):
                output.insert(0, tir.indexmod(flat, size))
                flat = tir.indexdiv(flat, size)
            output.insert(0, flat)
            windows.fold_one(loops, operands, [init[0] for init in inits], outs, output)

    return extern(inputs, results, generate, "hlo_fold_window")


@dataclass(frozen=True)
class Windows:
    """Windows with any body.

    Attributes
    ----------
    taps : sequence of (int, int, int, int, int)
        Per dimension: size, stride, low, window dilation, base dilation.
    lengths : tuple of int
        Of the operands.
    body : ScalarExpression
    """

    taps: Sequence[tuple[int, int, int, int, int]]
    lengths: tuple[Any, ...]
    body: ScalarExpression

    def fold_one(
        self, loops: Loops, operands: Sequence[Any], inits: Sequence[Any], outs: Sequence[Any], output: list[Any]
    ) -> None:
        """Set the element of every result at the index `output`."""
        totals = [loops.scratch(1, dtype_of(out), "total") for out in outs]
        for total, init in zip(totals, inits):
            total[0] = init

        def visit(position: list[Any]) -> None:
            axis = len(position)
            if axis == len(self.taps):
                elements = [operand[position] for operand in operands]
                values = evaluate_body(loops, self.body, [*(total[0] for total in totals), *elements])
                for total, value in zip(totals, values):
                    total[0] = value
                return
            size, stride, low, step, hole = self.taps[axis]
            with loops.loop(size, "tap") as tap:
                place, valid = window_source(output[axis], tap, stride, low, step, hole, self.lengths[axis])
                with loops.when(valid):
                    visit([*position, place])

        visit([])
        for out, total in zip(outs, totals):
            out[output] = total[0]
