"""fold: any body, any number of operands, one element after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

from ...analysis.scalar_body import canonical, single_result
from ...analysis.scalar_expression import ScalarExpression, ScalarNode
from ...tensor_ir.compat import dtype_of, holds_lets, tir
from ...tensor_ir.loops import Loops, extents, extern, worth_threads
from ...tensor_ir.primitives import is_nan
from ..elementwise.scalar.evaluate import evaluate
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()

# outputs folded side by side where the last dimension is kept: the inner loop runs over them
TILE = 512
# accumulators side by side in one row of an argmax or argmin
LANES = 64

_LEAVES = frozenset({"parameter", "constant"})
# opcodes that are a few machine instructions, unless each has to be rounded to f16
_CHEAP = frozenset("add subtract multiply maximum minimum compare select and or xor not negate abs convert".split())
# operations in one expression of a body: TVM takes exponential time along nested integers as well
_MAX_INLINED = 16


def evaluate_body(loops: Loops, body: ScalarExpression, operands: Sequence[Any]) -> list[Any]:
    """Values of `body`, all computed before anything is stored; every operand is loaded once."""
    loaded = loops.values(operands, "operand")
    body, loaded = _store_expensive_nodes(loops, body, loaded)
    # one by one: TVM refuses a variable that is bound in two expressions
    results = [evaluate(single_result(body, number), loaded)[0] for number in range(len(body.results))]
    return [loops.in_memory(x, "result") if holds_lets(x) else loops.values([x], "result")[0] for x in results]


def _store_expensive_nodes(
    loops: Loops, body: ScalarExpression, operands: list[Any]
) -> tuple[ScalarExpression, list[Any]]:
    """The body with functions such as exp, and with values that take many operations, computed into scratch memory and
    read as further parameters.

    TVM's passes take exponential time along nested Lets, and each such function is a chain of them.
    """
    nodes, operands = list(body.nodes), list(operands)
    sizes: list[int] = []
    for index, node in enumerate(body.nodes):
        sizes.append(1 + sum(sizes[operand] for operand in node.operands))
        is_cheap = node.opcode in _CHEAP and node.element_type != "f16" and sizes[index] <= _MAX_INLINED
        if node.opcode in _LEAVES or is_cheap:
            continue
        sizes[index] = 1
        value = canonical(ScalarExpression(tuple(nodes), (index,)))
        (result,) = evaluate(value, operands)
        nodes[index] = ScalarNode("parameter", node.element_type, (), (len(operands),))
        operands.append(loops.in_memory(result, "function"))
    return canonical(ScalarExpression(tuple(nodes), body.results)), operands


@table.kernel("fold", "extern")
def fold(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """Sequential reduction in row-major order of the reduced elements, starting from the init values (XLA operation
    semantics: Reduce; rule 64).

    Inputs are K operands and K init values of shape (1,). Operands may have size 1 where `sizes` says more (a pending
    broadcast). Parameters: ``dimensions`` (not empty), ``sizes``, null for those that only the operands tell, and
    ``direction`` (argmax or argmin) where body and indices are known to be those of an argmax over increasing indices
    along the last dimension.
    """
    body, dimensions = spec.body, tuple(spec.parameters["dimensions"])
    assert body is not None
    sizes = _sizes(spec.parameters["sizes"], [extents(tensor.shape) for tensor in inputs[: len(results)]])
    direction = spec.parameters.get("direction")

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        operands = [_Operand(array, extents(tensor.shape)) for array, tensor in zip(ins, inputs[: len(outs)])]
        inits = [array[0] for array in ins[len(outs) :]]
        plan = Fold(loops, body, sizes, dimensions, operands, inits, outs, [dtype for _, dtype in results])
        plan.parallel = worth_threads(*sizes)
        plan.write(direction)

    return extern(inputs, results, generate, "hlo_fold")


def _sizes(known: Sequence[int | None], operands: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    """Sizes that are folded: numbers, or what an operand says that has no pending broadcast there."""
    return tuple(
        next(shape[axis] for shape in operands if not isinstance(shape[axis], int)) if size is None else size
        for axis, size in enumerate(known)
    )


class Elements(Protocol):
    """What a fold reads."""

    def at(self, index: Sequence[Any], /) -> Any:
        """The element at an index, one number per dimension."""


class _Operand:
    """An operand whose dimensions of size 1 are read at 0."""

    def __init__(self, array: Any, sizes: tuple[Any, ...]) -> None:
        self._array = array
        self._pending = [isinstance(size, int) and size == 1 for size in sizes]

    def at(self, index: Sequence[Any]) -> Any:
        return self._array[[0 if pending else position for pending, position in zip(self._pending, index)]]


class Fold:
    """One fold while its loops are written."""

    def __init__(
        self,
        loops: Loops,
        body: ScalarExpression,
        sizes: tuple[Any, ...],
        dimensions: tuple[int, ...],
        operands: Sequence[Elements],
        inits: list[Any],
        outs: list[Any],
        dtypes: list[str],
    ) -> None:
        self.loops, self.body, self.sizes, self.dimensions = loops, body, sizes, dimensions
        self.operands, self.inits, self.outs, self.dtypes = operands, inits, outs, dtypes
        self.kept = [axis for axis in range(len(sizes)) if axis not in dimensions]
        self.parallel = False

    def write(self, direction: str | None) -> None:
        """The statements; `direction`: argmax or argmin where body and indices are known to be those of one."""
        if len(self.sizes) - 1 not in self.dimensions:
            self.columns()
        elif direction is not None and len(self.dimensions) == 1 and self.sizes[-1] >= 2 * LANES:
            self.argument_rows(direction)
        else:
            self.rows()

    def rows(self) -> None:
        """The last dimension is reduced: accumulators of one output at a time."""
        with self.loops.loop(math.prod(self.sizes[axis] for axis in self.kept), "row", self.parallel) as row:
            index = self._kept_index(row)
            accumulators = [self.loops.scratch(1, dtype, "accumulator") for dtype in self.dtypes]
            for accumulator, init in zip(accumulators, self.inits):
                accumulator[0] = init
            self._over_reduced(list(self.dimensions), index, lambda: self._step(accumulators, 0, index))
            self._store(accumulators, index)

    def columns(self) -> None:
        """The last dimension is kept: its outputs are folded side by side, in the output itself."""
        *outer, last = self.kept
        length = self.sizes[last]
        width = min(length, TILE) if isinstance(length, int) else TILE
        tiles = (length + width - 1) // width
        count = math.prod(self.sizes[axis] for axis in outer)
        with self.loops.loop(count * tiles, "tile", self.parallel) as tile:
            index = self._kept_index(tir.indexdiv(tile, tiles), outer)
            begin = tir.indexmod(tile, tiles) * width
            whole = isinstance(length, int) and length % width == 0
            extent = width if whole else tir.min(width, length - begin)

            def each(statement: Any) -> None:
                with self.loops.loop(extent, "column") as column:
                    index[last] = begin + column
                    statement([index[axis] for axis in self.kept])

            def start(position: list[Any]) -> None:
                for out, init in zip(self.outs, self.inits):
                    out[position] = init

            each(start)
            self._over_reduced(
                list(self.dimensions), index, lambda: each(lambda position: self._step(self.outs, position, index))
            )

    def argument_rows(self, direction: str) -> None:
        """argmax or argmin of one row: lanes side by side, each in order, then the lanes."""
        blocks, rest = divmod(self.sizes[-1], LANES)
        with self.loops.loop(math.prod(self.sizes[axis] for axis in self.kept), "row", self.parallel) as row:
            index = self._kept_index(row)
            last = len(self.sizes) - 1
            lanes = [self.loops.scratch(LANES, dtype, "lanes") for dtype in self.dtypes]
            best = [self.loops.scratch(1, dtype, "best") for dtype in self.dtypes]
            with self.loops.loop(LANES, "lane") as lane:
                index[last] = lane
                for array, operand in zip(lanes, self.operands):
                    array[lane] = operand.at(self._full(index))
            with self.loops.loop(blocks - 1, "block") as block:
                with self.loops.loop(LANES, "lane") as lane:
                    index[last] = (block + 1) * LANES + lane
                    self._step(lanes, lane, index)
            for target, source in zip(best, lanes):
                target[0] = source[0]
            with self.loops.loop(LANES - 1, "lane") as lane:
                candidate = self.loops.values([array[lane + 1] for array in lanes], "candidate")
                with self.loops.when(_wins(direction, candidate, [target[0] for target in best])):
                    for target, value in zip(best, candidate):
                        target[0] = value
            with self.loops.loop(rest, "rest") as step:
                index[last] = blocks * LANES + step
                self._step(best, 0, index)
            total = evaluate_body(self.loops, self.body, [*self.inits, *(target[0] for target in best)])
            for out, value in zip(self.outs, total):
                out[self._position(index)] = value

    def _kept_index(self, flat: Any, axes: Sequence[int] | None = None) -> dict[int, Any]:
        axes = self.kept if axes is None else axes
        index: dict[int, Any] = {}
        for axis in reversed(axes):
            index[axis] = tir.indexmod(flat, self.sizes[axis]) if axis != axes[0] else flat
            flat = tir.indexdiv(flat, self.sizes[axis])
        return index

    def _full(self, index: dict[int, Any]) -> list[Any]:
        return [index[axis] for axis in range(len(self.sizes))]

    def _position(self, index: dict[int, Any]) -> list[Any]:
        return [index[axis] for axis in self.kept] or [0]

    def _over_reduced(self, axes: list[int], index: dict[int, Any], statement: Any) -> None:
        """Nested loops over the reduced dimensions, row-major."""
        if not axes:
            statement()
            return
        with self.loops.loop(self.sizes[axes[0]], "reduced") as position:
            index[axes[0]] = position
            self._over_reduced(axes[1:], index, statement)

    def _step(self, accumulators: Sequence[Any], position: Any, index: dict[int, Any]) -> None:
        elements = [operand.at(self._full(index)) for operand in self.operands]
        values = evaluate_body(self.loops, self.body, [*(array[position] for array in accumulators), *elements])
        for array, value in zip(accumulators, values):
            array[position] = value

    def _store(self, accumulators: Sequence[Any], index: dict[int, Any]) -> None:
        for out, accumulator in zip(self.outs, accumulators):
            out[self._position(index)] = accumulator[0]


def _wins(direction: str, candidate: list[Any], best: list[Any]) -> Any:
    """Whether a (value, index) pair beats another: NaN first, then the value, then the lower index (rule 66)."""
    value, index = candidate
    best_value, best_index = best
    better = value > best_value if direction == "argmax" else value < best_value
    tie = value == best_value
    if dtype_of(value).startswith("float"):
        nan, best_nan = is_nan(value), is_nan(best_value)
        better = tir.any(tir.all(better, tir.Not(nan), tir.Not(best_nan)), tir.all(nan, tir.Not(best_nan)))
        tie = tir.any(tir.all(tie, tir.Not(nan), tir.Not(best_nan)), tir.all(nan, best_nan))
    return tir.any(better, tir.all(tie, index < best_index))
