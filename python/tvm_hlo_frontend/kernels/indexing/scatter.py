"""scatter and select-and-scatter: any bodies, updates in row-major order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from ...analysis.scalar_expression import ScalarExpression, elementwise_expression
from ...tensor_ir.compat import dtype_of, tir
from ...tensor_ir.loops import (
    PARALLEL_WORK,
    Loops,
    difference,
    extents,
    extern,
    known_product,
    several,
    worth_threads,
)
from ..dtypes import ELEMENT_TYPES
from ..elementwise.scalar import evaluate
from ..reduction.fold import evaluate_body
from ..reduction.window import window_source
from ..spec import KernelSpec
from ..table import KernelTable
from .gather import within

table = KernelTable()

Results = Sequence[tuple[tuple[int, ...], str]]
# how many parts a dimension is cut into for threads, and how many neighbours stay together in the innermost one
TILES = 8
LEAST_TILE = 16


def converted(value: Any, element_type: str) -> Any:
    """`value` in another HLO element type, if it is not of that type."""
    own = ELEMENT_TYPES[dtype_of(value)]
    if own == element_type:
        return value
    return evaluate(elementwise_expression("convert", element_type, (own,)), [value])[0]


def call_body(loops: Loops, body: ScalarExpression, operands: Sequence[Any], dtypes: Sequence[str]) -> list[Any]:
    """Values of `body` in the dtypes of the results; operands may be narrower than its parameters (rule 62)."""
    arguments = list(operands)
    for node in body.nodes:
        if node.opcode == "parameter":
            number = int(node.attributes[0])
            arguments[number] = converted(arguments[number], node.element_type)
    values = evaluate_body(loops, body, arguments)
    return [converted(value, ELEMENT_TYPES[dtype]) for value, dtype in zip(values, dtypes)]


def copy_all(loops: Loops, source: Any, target: Any, count: Any) -> None:
    """target = source, element by element, unless they are the same memory."""
    if not isinstance(count, int):
        with loops.when(loops.apart(source, target)), loops.loop(count, "element") as element:
            target[element] = source[element]
        return
    parts = TILES if count >= PARALLEL_WORK else 1
    size = -(-count // parts)
    with loops.when(loops.apart(source, target)), loops.loop(parts, "part", parallel=parts > 1) as part:
        extent = size if count % parts == 0 else tir.min(size, count - part * size)
        with loops.loop(extent, "element") as element:
            target[part * size + element] = source[part * size + element]


class Tiled:
    """A dimension cut into parts that threads may work on at the same time."""

    def __init__(self, extent: int, wanted: int, least: int = 1) -> None:
        self.extent = extent
        parts = max(1, min(wanted, extent // least))
        self.size = -(-extent // parts)
        self.parts = -(-extent // self.size)

    def bounds(self, part: Any) -> tuple[Any, Any]:
        """(first, count) of one part."""
        if self.extent % self.size == 0:
            return part * self.size, self.size
        return part * self.size, tir.min(self.size, self.extent - part * self.size)


@table.kernel("scatter", "extern")
def scatter(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """XLA operation semantics: Scatter; HloEvaluator HandleScatter; rules 58 and 60 to 62.

    Inputs are K operands, the indices with index vectors in the last dimension, and K updates; what has rank 0 is of
    shape (1,). Parameters: ``update_window_dims``, ``inserted_window_dims``, ``scatter_dims_to_operand_dims``,
    ``input_batching_dims``, and ``batch_positions``, which scatter dimension each of those goes with. The body takes K
    current values and K updates.
    """
    plan = _Scatter(spec, inputs, results)
    return extern(inputs, results, plan.generate, "hlo_scatter")


class _Scatter:
    """Loops of one scatter."""

    def __init__(self, spec: KernelSpec, inputs: Sequence[Any], results: Results) -> None:
        assert spec.body is not None
        self.body, self.numbers, self.count = spec.body, spec.parameters, len(results)
        self.dtypes = [dtype for _, dtype in results]
        self.operand = extents(results[0][0])
        scatter_sizes = extents(inputs[self.count].shape)[:-1]
        updates = extents(inputs[self.count + 1].shape)
        self.window_dims = self.numbers["update_window_dims"]
        self.rank = len(scatter_sizes) + len(self.window_dims)
        self.sizes = updates[: self.rank]
        self.scatter_dims = [axis for axis in range(self.rank) if axis not in self.window_dims]
        dropped = (*self.numbers["inserted_window_dims"], *self.numbers["input_batching_dims"])
        # a scalar operand arrives with one dimension that no number speaks of
        self.operand_rank = len(self.window_dims) + len(dropped)
        kept = [axis for axis in range(self.operand_rank) if axis not in dropped]
        self.window_of = dict(zip(kept, self.window_dims))
        self._choose_parallel()

    def _choose_parallel(self) -> None:
        """Batches never meet, nor do different places of a window dimension that has no index of its own."""
        self.batch_dims = [self.scatter_dims[position] for position in self.numbers["batch_positions"]]
        self.tiled_dim, self.tile = None, Tiled(1, 1)
        self.parallel = worth_threads(*self.sizes, self.count)
        if not self.parallel or known_product(self.sizes[axis] for axis in self.batch_dims) >= TILES:
            return
        indexed = self.numbers["scatter_dims_to_operand_dims"]
        sizes = {dim: self.sizes[dim] for axis, dim in self.window_of.items() if axis not in indexed}
        safe = [dim for dim, size in sizes.items() if isinstance(size, int) and size > 1]
        if safe:
            innermost = safe[0] == self.rank - 1
            self.tiled_dim = safe[0]
            self.tile = Tiled(self.sizes[safe[0]], TILES, LEAST_TILE if innermost else 1)

    def generate(self, loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        """Copy the operands, then apply the updates."""
        for source, target in zip(ins, outs):
            copy_all(loops, source, target, math.prod(self.operand))
        indices, updates = ins[self.count], ins[self.count + 1 :]
        units = math.prod(self.sizes[axis] for axis in self.batch_dims) * self.tile.parts
        with loops.loop(units, "unit", parallel=self.parallel and several(units)) as unit:
            part, flat = tir.indexmod(unit, self.tile.parts), tir.indexdiv(unit, self.tile.parts)
            place: dict[int, Any] = {}
            for axis in reversed(self.batch_dims):
                place[axis] = tir.indexmod(flat, self.sizes[axis])
                flat = tir.indexdiv(flat, self.sizes[axis])
            self._over_scatter(loops, place, part, indices, updates, outs)

    def _over_scatter(
        self, loops: Loops, place: dict[int, Any], part: Any, indices: Any, updates: list[Any], outs: list[Any]
    ) -> None:
        remaining = [axis for axis in self.scatter_dims if axis not in place]
        if remaining:
            with loops.loop(self.sizes[remaining[0]], "index") as position:
                place = {**place, remaining[0]: position}
                self._over_scatter(loops, place, part, indices, updates, outs)
            return
        vector = [place[axis] for axis in self.scatter_dims]
        mapped = self.numbers["scatter_dims_to_operand_dims"]
        starts = loops.values([indices[[*vector, number]] for number in range(len(mapped))], "start")
        inside = []
        for axis, start in zip(mapped, starts):
            size = self.sizes[self.window_of[axis]] if axis in self.window_of else 1
            inside += within(start, difference(self.operand[axis], size))
        origin: dict[int, Any] = {
            axis: tir.Cast("int32" if isinstance(self.operand[axis], int) else "int64", start)
            for axis, start in zip(mapped, starts)
        }
        for axis, position in zip(self.numbers["input_batching_dims"], self.numbers["batch_positions"]):
            origin[axis] = vector[position]
        if not inside:
            self._over_window(loops, place, part, origin, updates, outs)
            return
        # the whole window or nothing (rule 60)
        with loops.when(tir.all(*inside)):
            self._over_window(loops, place, part, origin, updates, outs)

    def _over_window(
        self,
        loops: Loops,
        place: dict[int, Any],
        part: Any,
        origin: dict[int, Any],
        updates: list[Any],
        outs: list[Any],
    ) -> None:
        remaining = [axis for axis in self.window_dims if axis not in place]
        if remaining:
            axis = remaining[0]
            begin, extent = self.tile.bounds(part) if axis == self.tiled_dim else (0, self.sizes[axis])
            with loops.loop(extent, "window") as position:
                place = {**place, axis: begin + position}
                self._over_window(loops, place, part, origin, updates, outs)
            return
        source = [place[axis] for axis in range(self.rank)] or [0]
        target = [self._target(axis, place, origin) for axis in range(self.operand_rank)] or [0]
        current = [out[target] for out in outs]
        values = call_body(loops, self.body, [*current, *(update[source] for update in updates)], self.dtypes)
        for out, value in zip(outs, values):
            out[target] = value

    def _target(self, axis: int, place: dict[int, Any], origin: dict[int, Any]) -> Any:
        start = origin.get(axis, 0)
        return start + place[self.window_of[axis]] if axis in self.window_of else start


@table.kernel("select_and_scatter", "extern")
def select_and_scatter(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """XLA operation semantics: SelectAndScatter; HloEvaluator HandleSelectAndScatter; rule 69.

    Inputs are the operand and the source, of rank one at least, and an init value of shape (1,). Parameters:
    ``window``, a list per dimension of [size, stride, low, window dilation, base dilation], and ``select``, the select
    body. The body is the scatter body on (current, source): the order of XLA's SelectAndScatterExpander, which every
    backend uses; HloEvaluator has it the other way round.
    """
    plan = _SelectAndScatter(spec, inputs, results)
    return extern(inputs, results, plan.generate, "hlo_select_and_scatter")


class _SelectAndScatter:
    """Loops of one select-and-scatter."""

    def __init__(self, spec: KernelSpec, inputs: Sequence[Any], results: Results) -> None:
        assert spec.body is not None
        self.body, self.dtype = spec.body, results[0][1]
        self.select = ScalarExpression.from_json(spec.parameters["select"])
        self.window = [tuple(row) for row in spec.parameters["window"]]
        self.operand, self.source = extents(inputs[0].shape), extents(inputs[1].shape)
        self.rank = len(self.operand)
        known = all(isinstance(size, int) for size in (*self.operand, *self.source))
        self.index_type = "int32" if known else "int64"
        # sources along these never reach the same element
        trivial = [row == (1, 1, 0, 1, 1) for row in self.window]
        self.outer = list(range(len(list(itertools.takewhile(bool, trivial)))))
        self.parallel = worth_threads(*self.source, *(size for size, *_ in self.window))
        batches = known_product(self.source[axis] for axis in self.outer)
        split = self.parallel and batches < TILES and trivial[-1] and self.rank - 1 not in self.outer
        split = split and isinstance(self.source[-1], int)
        self.tiled_dim = self.rank - 1 if split else None
        self.tile = Tiled(self.source[-1], TILES, LEAST_TILE) if split else Tiled(1, 1)

    def generate(self, loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        """Fill with init, then one source element after the other."""
        (operand, source, init), (out,) = ins, outs
        (start,) = loops.values([init[0]], "init")
        with loops.loop(math.prod(self.operand), "element") as element:
            out[element] = start
        units = math.prod(self.source[axis] for axis in self.outer) * self.tile.parts
        with loops.loop(units, "unit", parallel=self.parallel and several(units)) as unit:
            part, flat = tir.indexmod(unit, self.tile.parts), tir.indexdiv(unit, self.tile.parts)
            place: list[Any] = []
            for axis in reversed(self.outer):
                place.insert(0, tir.indexmod(flat, self.source[axis]))
                flat = tir.indexdiv(flat, self.source[axis])
            chosen = loops.scratch(self.rank, self.index_type, "chosen")
            found = loops.scratch(1, "int32", "found")
            best = loops.scratch(1, dtype_of(operand), "best")
            self._over_source(loops, place, part, (operand, source, out), (chosen, found, best))

    def _over_source(
        self, loops: Loops, place: list[Any], part: Any, arrays: tuple[Any, ...], state: tuple[Any, ...]
    ) -> None:
        axis = len(place)
        if axis < self.rank:
            begin, extent = self.tile.bounds(part) if axis == self.tiled_dim else (0, self.source[axis])
            with loops.loop(extent, "source") as position:
                self._over_source(loops, [*place, begin + position], part, arrays, state)
            return
        _, source, out = arrays
        chosen, found, _ = state
        found[0] = 0
        self._over_window(loops, place, [], arrays[0], state)
        with loops.when(found[0] != 0):
            target = loops.values([chosen[axis] for axis in range(self.rank)], "target")
            (value,) = call_body(loops, self.body, [out[target], source[place]], [self.dtype])
            out[target] = value

    def _over_window(
        self, loops: Loops, place: list[Any], position: list[Any], operand: Any, state: tuple[Any, ...]
    ) -> None:
        axis = len(position)
        if axis < self.rank:
            size, stride, low, step, hole = self.window[axis]
            with loops.loop(size, "tap") as tap:
                at, valid = window_source(place[axis], tap, stride, low, step, hole, self.operand[axis])
                with loops.when(valid):
                    self._over_window(loops, place, [*position, at], operand, state)
            return
        chosen, found, best = state
        (candidate,) = loops.values([operand[position]], "candidate")

        def take() -> None:
            found[0] = 1
            best[0] = candidate
            for number, at in enumerate(position):
                chosen[number] = at if dtype_of(at) == self.index_type else tir.Cast(self.index_type, at)

        with loops.when(found[0] == 0):
            take()
        with loops.otherwise():
            # the current one stays unless the select body says otherwise
            (stays,) = call_body(loops, self.select, [best[0], candidate], ["bool"])
            with loops.when(tir.Not(stays)):
                take()
