"""How much a module computes: estimates of floating-point operations from shapes and attributes alone.

Conventions are those of XLA's HloCostAnalysis: a multiply-accumulate counts 2; an element-wise instruction counts 1 per
element of its result, whatever its element type; elements of exponentials, logarithms, roots and the like are counted
apart, as transcendentals; moving data is free.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .ir.attributes import (
    ConvolutionAttributes,
    DotAttributes,
    FftAttributes,
    RaggedDotAttributes,
    SortAttributes,
    Window,
    WindowAttributes,
)
from .ir.module import HloComputation, HloInstruction, HloModule
from .ir.shape import Shape, Symbol
from .opcodes import ROWS

TRANSCENDENTAL: frozenset[str] = frozenset(info.name for info in ROWS if info.cost == "transcendental")
# what they compute is not said by shapes, or not worth a formula
UNCOUNTED: frozenset[str] = frozenset(info.name for info in ROWS if info.cost == "unknown")
_ONE_FLOP = frozenset(info.name for info in ROWS if info.cost == "flop")
# what they cost follows from sizes
_SIZED = frozenset(info.name for info in ROWS if info.cost in ("flop", "transcendental", "formula", "evaluations"))
_RUN_ONCE = frozenset(info.name for info in ROWS if info.cost == "callees") - {"while", "conditional"}

Trips = Callable[[HloInstruction], "int | None"]


@dataclass(frozen=True)
class Cost:
    """Numbers of operations.

    Attributes
    ----------
    flops : int
        Additions, multiplications, comparisons and the like.
    transcendentals : int
    """

    flops: int = 0
    transcendentals: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.transcendentals + other.transcendentals)

    def times(self, count: int) -> Cost:
        """The cost of `count` repetitions."""
        return Cost(self.flops * count, self.transcendentals * count)


@dataclass
class ModuleCost:
    """What the instructions of a computation cost, with all that it calls.

    Attributes
    ----------
    by_opcode : dict of str to Cost
        Bodies of loops, calls, fusions and branches under their own instructions' opcodes; those of reductions, sorts
        and scatters under the caller's.
    uncounted : dict of str to int
        Instructions, by opcode, whose cost or sizes are unknown and not in `by_opcode`.
    loops_counted_once : int
        Loops with an unknown number of trips.
    """

    by_opcode: dict[str, Cost] = field(default_factory=dict)
    uncounted: dict[str, int] = field(default_factory=dict)
    loops_counted_once: int = 0

    @property
    def total(self) -> Cost:
        """Costs of all opcodes together."""
        return sum(self.by_opcode.values(), Cost())

    def add(self, opcode: str, cost: Cost) -> None:
        """Count `cost` under `opcode`."""
        if cost != Cost():
            self.by_opcode[opcode] = self.by_opcode.get(opcode, Cost()) + cost

    def include(self, other: ModuleCost, count: int = 1) -> None:
        """Count `other`, run `count` times."""
        for opcode, cost in other.by_opcode.items():
            self.add(opcode, cost.times(count))
        for opcode, number in other.uncounted.items():
            self.uncounted[opcode] = self.uncounted.get(opcode, 0) + number
        self.loops_counted_once += other.loops_counted_once


def module_cost(module: HloModule, trips: Trips = lambda loop: None) -> ModuleCost:
    """Cost of one run of a module.

    Parameters
    ----------
    module : HloModule
        Verified.
    trips : callable
        Number of trips of a ``while``, None if unknown; such a loop counts once. Of a conditional's branches the most
        expensive one counts.

    Returns
    -------
    ModuleCost
    """
    done: dict[HloComputation, ModuleCost] = {}
    for computation in module.computations:
        cost = ModuleCost()
        for instruction in computation.instructions:
            _include_instruction(cost, instruction, done, trips)
        done[computation] = cost
    return done[module.entry]


def _include_instruction(
    cost: ModuleCost, instruction: HloInstruction, done: Mapping[HloComputation, ModuleCost], trips: Trips
) -> None:
    called = [done[computation] for computation in instruction.called_computations]
    if instruction.opcode == "while":
        count = trips(instruction)
        cost.loops_counted_once += count is None
        for computation in called:
            cost.include(computation, 1 if count is None else count)
    elif instruction.opcode == "conditional":
        cost.include(max(called, key=lambda branch: branch.total.flops + branch.total.transcendentals))
    elif instruction.opcode in _RUN_ONCE:
        for computation in called:
            cost.include(computation)
    elif instruction.opcode in UNCOUNTED or (instruction.opcode in _SIZED and _is_open(instruction)):
        cost.uncounted[instruction.opcode] = cost.uncounted.get(instruction.opcode, 0) + 1
    else:
        cost.add(instruction.opcode, instruction_cost(instruction, [computation.total for computation in called]))


def _is_open(instruction: HloInstruction) -> bool:
    """Whether a dimension of an instruction or of its operands has neither a number nor a bound."""
    shapes = (array for each in (instruction, *instruction.operands) for array in each.shape.arrays())
    return any(isinstance(size, Symbol) and size.bound is None for shape in shapes for size in shape.dimensions)


def instruction_cost(instruction: HloInstruction, bodies: list[Cost]) -> Cost:
    """Cost of one instruction.

    Parameters
    ----------
    instruction : HloInstruction
        Neither control flow nor one of `UNCOUNTED`; of sizes that are numbers or have a bound.
    bodies : list of Cost
        Cost of one evaluation of each called computation.
    """
    opcode = instruction.opcode
    if opcode in TRANSCENDENTAL:
        return Cost(0, elements(instruction.shape))
    if opcode in _ONE_FLOP:
        return Cost(elements(instruction.shape))
    formula = _FORMULAS.get(opcode)
    if formula is not None:
        return Cost(formula(instruction))
    evaluations = _EVALUATIONS.get(opcode)
    if evaluations is None:
        return Cost()
    return sum((body.times(count) for body, count in zip(bodies, evaluations(instruction))), Cost())


def elements(shape: Shape) -> int:
    """Number of elements of an array, of the first array of a tuple; a dynamic dimension counts as its bound."""
    while shape.is_tuple:
        if not shape.tuple_shapes:
            return 0
        shape = shape.tuple_shapes[0]
    return math.prod(size if isinstance(size, int) else size.bound or 1 for size in shape.dimensions)


def dot_flops(instruction: HloInstruction) -> int:
    """dot, ragged-dot: 2 · elements of the result · size of the contracting dimensions."""
    attributes = instruction.attributes
    assert isinstance(attributes, (DotAttributes, RaggedDotAttributes))
    lhs = instruction.operands[0].shape
    contracted = [lhs.dimensions[axis] for axis in attributes.dimension_numbers.lhs_contracting]
    return 2 * elements(instruction.shape) * elements(Shape(lhs.element_type, tuple(contracted)))


def convolution_flops(instruction: HloInstruction) -> int:
    """convolution: 2 · batch · output features · input features per group · Π over the spatial dimensions of the number
    of (output element, window element) pairs that meet an input element and no padding or hole."""
    attributes = instruction.attributes_as(ConvolutionAttributes)
    numbers, window = attributes.dimension_numbers, attributes.window
    image, kernel = (operand.shape for operand in instruction.operands)
    batch = instruction.shape.dimensions[numbers.output_batch]
    features = instruction.shape.dimensions[numbers.output_feature]
    per_group = kernel.dimensions[numbers.kernel_input_feature]
    sizes = [image.dimensions[axis] for axis in numbers.input_spatial]
    results = [instruction.shape.dimensions[axis] for axis in numbers.output_spatial]
    known = Shape(image.element_type, (batch, features, per_group))
    return 2 * elements(known) * math.prod(valid_positions(window, sizes, results))


def valid_positions(window: Window, sizes: list[Any], results: list[Any]) -> list[int]:
    """For each spatial dimension, how many pairs of an output and a window element meet an input element.

    Parameters
    ----------
    window : Window
    sizes, results : list of int
        Sizes of the input's and the output's spatial dimensions.
    """
    counts = []
    for dimension, size, result in zip(window.dimensions, sizes, results):
        if not (isinstance(size, int) and isinstance(result, int)):
            counts.append(dimension.size)
            continue
        starts = np.arange(result, dtype=np.int64)[:, None] * dimension.stride - dimension.padding_low
        positions = starts + np.arange(dimension.size, dtype=np.int64) * dimension.window_dilation
        index, hole = np.divmod(positions, dimension.base_dilation)
        counts.append(int(np.count_nonzero((hole == 0) & (index >= 0) & (index < size))))
    return counts


def fft_flops(instruction: HloInstruction) -> int:
    """fft: 5 · n · log2(n) per complex transform of n elements, half as much per real one."""
    attributes = instruction.attributes_as(FftAttributes)
    points = math.prod(attributes.length)
    real = attributes.type in ("RFFT", "IRFFT")
    lines = instruction.operands[0] if attributes.type == "RFFT" else instruction
    total = elements(lines.shape)
    return int(total * 5 * math.log2(max(points, 1)) / (2 if real else 1))


def cholesky_flops(instruction: HloInstruction) -> int:
    """cholesky: n³ / 3 per matrix."""
    return elements(instruction.shape) * _last(instruction.shape) // 3


def triangular_solve_flops(instruction: HloInstruction) -> int:
    """triangular-solve: n² per right-hand side."""
    return elements(instruction.shape) * _last(instruction.operands[0].shape)


def _last(shape: Shape) -> int:
    return elements(Shape(shape.element_type, shape.dimensions[-1:]))


def _reductions(instruction: HloInstruction) -> list[int]:
    """reduce: elements that go in less elements that come out."""
    return [max(0, elements(instruction.operands[0].shape) - elements(instruction.shape))]


def _window_reductions(instruction: HloInstruction) -> list[int]:
    """reduce-window: one less than the window has elements, per element of the result."""
    return [elements(instruction.shape) * (_window_size(instruction) - 1)]


def _selections(instruction: HloInstruction) -> list[int]:
    """select-and-scatter: (select, scatter); one less than the window's elements and one, per element of the source."""
    sources = elements(instruction.operands[1].shape)
    return [sources * (_window_size(instruction) - 1), sources]


def _window_size(instruction: HloInstruction) -> int:
    return math.prod(dimension.size for dimension in instruction.attributes_as(WindowAttributes).window.dimensions)


def _updates(instruction: HloInstruction) -> list[int]:
    """scatter: elements of the updates."""
    return [elements(instruction.operands[-1].shape)]


def _comparisons(instruction: HloInstruction) -> list[int]:
    """sort: ceil(log2(n)) per element, for n elements along the sorted dimension."""
    shape = instruction.operands[0].shape
    axis = instruction.attributes_as(SortAttributes).dimension
    length = elements(Shape(shape.element_type, (shape.dimensions[axis],)))
    return [elements(shape) * math.ceil(math.log2(max(length, 1)))]


_FORMULAS: dict[str, Callable[[HloInstruction], int]] = {
    "dot": dot_flops,
    "ragged-dot": dot_flops,
    "convolution": convolution_flops,
    "fft": fft_flops,
    "cholesky": cholesky_flops,
    "triangular-solve": triangular_solve_flops,
}
# how often each called computation is evaluated
_EVALUATIONS: dict[str, Callable[[HloInstruction], list[int]]] = {
    "map": lambda instruction: [elements(instruction.shape)],
    "reduce": _reductions,
    "reduce-window": _window_reductions,
    "select-and-scatter": _selections,
    "scatter": _updates,
    "sort": _comparisons,
}
