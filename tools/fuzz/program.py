"""A random program: values and how large they can be, from which steps make more values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

from tools.fuzz.kinds import (
    INTEGERS,
    LIMITS,
    MAX_ELEMENTS,
    NAMES,
    SIZE_WEIGHTS,
    SIZES,
    TYPE_WEIGHTS,
    TYPES,
    greatest,
    is_complex,
    is_unsigned,
)
from tvm_hlo_frontend.hlo.ir.attributes import DimensionsAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.module import HloComputation, HloInstruction, HloModule
from tvm_hlo_frontend.hlo.ir.shape import Shape, array_shape, element_type_of

# what is known of the numbers of a value: integers whose size is bounded; any floats; floats of one rounded operation,
# which is the same everywhere but whose zeros may have either sign; results of functions, within a tolerance
WHOLE, WILD, MADE, LOOSE = range(4)


@dataclass(frozen=True)
class Tolerance:
    """How far a value may be from XLA's: in units of its last place, or relative to it and its array."""

    ulps: float = 0.0
    rtol: float = 0.0

    def __or__(self, other: Tolerance) -> Tolerance:
        return Tolerance(max(self.ulps, other.ulps), max(self.rtol, other.rtol))


EXACT = Tolerance()


@dataclass(frozen=True, eq=False)
class Value:
    """An array.

    Attributes
    ----------
    instruction : HloInstruction
    bound : int
        Of whole floats, which none is larger than. What integers of a type that wraps may reach does not matter.
    stage : int
        `WHOLE`, `WILD`, `MADE` or `LOOSE`.
    tolerance : Tolerance
    """

    instruction: HloInstruction
    bound: int
    stage: int = WHOLE
    tolerance: Tolerance = EXACT

    @property
    def shape(self) -> Shape:
        """Of the array."""
        return self.instruction.shape

    @property
    def kind(self) -> str:
        """Its element type."""
        return self.shape.element_type

    @property
    def sizes(self) -> tuple[int, ...]:
        """Its dimensions."""
        return self.shape.sizes

    @property
    def count(self) -> int:
        """How many elements it has."""
        return math.prod(self.sizes)


def anything(value: Value) -> bool:
    """Accepts every value."""
    return True


@dataclass
class Program:
    """What has been made so far.

    Attributes
    ----------
    rng : numpy.random.Generator
    builder : ComputationBuilder
    values : list of Value
    arguments : list of numpy.ndarray
        Of the parameters, in order.
    outer : Program or None
        The program in which this is a body: what it makes anew are constants.
    computations : int
        How many computations have been made, for their names.
    """

    rng: np.random.Generator
    builder: ComputationBuilder = field(default_factory=lambda: ComputationBuilder("main"))
    values: list[Value] = field(default_factory=list)
    arguments: list[np.ndarray] = field(default_factory=list)
    outer: Program | None = None
    computations: int = 0

    # choices
    def pick(self, options: Sequence[Any], weights: Sequence[float] | None = None) -> Any:
        """One of several."""
        shares = None if weights is None else np.asarray(weights, float) / sum(weights)
        return options[int(self.rng.choice(len(options), p=shares))]

    def chance(self, share: float) -> bool:
        """True as often as that."""
        return bool(self.rng.random() < share)

    def whole(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def size(self) -> int:
        """A dimension."""
        return int(self.pick(SIZES, SIZE_WEIGHTS))

    def sizes(self, rank: int | None = None) -> tuple[int, ...]:
        """Dimensions of an array that is not too large."""
        if rank is None:
            rank = self.whole(0, 4) if self.chance(0.95) else self.whole(5, 7)
        while True:
            found = tuple(self.size() if rank < 5 else self.whole(1, 3) for _ in range(rank))
            if np.prod(found, dtype=float) <= MAX_ELEMENTS:
                return found

    def kind(self) -> str:
        """An element type."""
        return str(self.pick(TYPES, TYPE_WEIGHTS))

    def value(
        self, accepts: Callable[[Value], bool] = anything, stage: int = WHOLE, with_complex: bool = False
    ) -> Value | None:
        """One of the values up to a stage that are accepted, late ones more often; None if there is none."""
        found = [
            value
            for value in self.values
            if value.stage <= stage and (with_complex or not is_complex(value.kind)) and accepts(value)
        ]
        if not found:
            return None
        return found[min(len(found) - 1, int(len(found) * self.rng.power(2)))]

    def moved(self, accepts: Callable[[Value], bool] = anything) -> Value | None:
        """One of all values, for steps that leave numbers as they are."""
        return self.value(accepts, LOOSE, with_complex=True)

    # leaves
    def random_array(self, kind: str, sizes: tuple[int, ...], bound: int) -> np.ndarray:
        """Integers up to `bound`."""
        bound = min(bound, greatest(kind))
        low = 0 if kind == "pred" or is_unsigned(kind) else -bound
        array = self.rng.integers(low, bound + 1, sizes)
        if is_complex(kind):
            array = array + 1j * self.rng.integers(low, bound + 1, sizes)
        return np.asarray(array).astype(array_shape(kind).numpy_dtype)

    def leaf(self, kind: str, sizes: tuple[int, ...], bound: int = 0) -> Value:
        """A new parameter or constant."""
        bound = 1 if kind == "pred" else min(greatest(kind), bound or int(self.pick((1, 3, 9, 100))))
        array = self.random_array(kind, sizes, bound)
        return self.constant(array, bound) if self.chance(0.35) else self.argument(array, bound)

    def constant(self, array: np.ndarray, bound: int, stage: int = WHOLE) -> Value:
        """A new constant."""
        made = self.builder.constant(array, element_type_of(array.dtype))
        return self.keep(Value(made, bound, stage))

    def argument(self, array: np.ndarray, bound: int, stage: int = WHOLE) -> Value:
        """A new parameter that is this array; in a body, a constant."""
        if self.outer is not None:
            return self.constant(array, bound, stage)
        shape = array_shape(element_type_of(array.dtype), array.shape)
        made = self.builder.parameter(len(self.arguments), shape, self.name())
        self.arguments.append(array)
        return self.keep(Value(made, bound, stage))

    def like(self, kind: str, sizes: tuple[int, ...]) -> Value:
        """A value of this type and these dimensions: one that is there, or a new one."""
        found = self.value(lambda value: value.kind == kind and value.sizes == sizes, with_complex=True)
        if found is not None and self.chance(0.7):
            return found
        if sizes and self.chance(0.4):  # a number, or a line along one dimension
            axes = tuple(axis for axis in range(len(sizes)) if self.chance(0.3))
            part = self.leaf(kind, tuple(sizes[axis] for axis in axes))
            return self.add("broadcast", [part], part.bound, DimensionsAttributes(axes), array_shape(kind, sizes))
        return self.leaf(kind, sizes)

    # results
    def keep(self, value: Value) -> Value:
        """Remember a value."""
        self.values.append(value)
        return value

    def name(self) -> str | None:
        """Sometimes a name that means something to C, TVM or a framework."""
        return str(self.pick(NAMES)) if self.chance(0.1) else None

    def add(
        self,
        opcode: str,
        operands: Sequence[Value],
        bound: int = 0,
        attributes: Any = None,
        shape: Shape | None = None,
        called: Sequence[HloComputation] = (),
        stage: int | None = None,
        tolerance: Tolerance | None = None,
    ) -> Value:
        """A new instruction with a result up to `bound`; no surer than its operands, unless a stage is given."""
        instructions = [each.instruction for each in operands]
        made = self.builder.add(opcode, instructions, shape, attributes, called, name=self.name())
        return self.keep(
            Value(
                made,
                bound,
                max((each.stage for each in operands), default=WHOLE) if stage is None else stage,
                combined(operands) if tolerance is None else tolerance,
            )
        )

    def fits(self, kind: str, bound: int) -> bool:
        """Whether numbers up to `bound` are exact in a type; integers wrap alike everywhere."""
        return bound <= LIMITS.get(kind, bound)

    # computations
    def fresh(self, name: str) -> ComputationBuilder:
        """A builder of another computation."""
        outermost = self
        while outermost.outer is not None:
            outermost = outermost.outer
        outermost.computations += 1
        return ComputationBuilder(f"{name}_{outermost.computations}")

    def body(self, name: str) -> Program:
        """A program for a computation that this one calls."""
        return Program(self.rng, self.fresh(name), outer=self)

    def binary(self, opcode: str, kind: str) -> HloComputation:
        """A computation of two numbers."""
        builder = self.fresh(opcode)
        x, y = (builder.parameter(number, array_shape(kind)) for number in range(2))
        return builder.build(builder.add(opcode, [x, y]))


def combined(values: Sequence[Value]) -> Tolerance:
    """The tolerance of what takes its numbers from all of these."""
    found = EXACT
    for value in values:
        found |= value.tolerance
    return found


def depends_on_parameters(instruction: HloInstruction) -> bool:
    """Whether XLA cannot compute it in advance."""
    pending, seen = [instruction], set()
    while pending:
        current = pending.pop()
        if current.opcode == "parameter":
            return True
        pending += [operand for operand in current.operands if operand not in seen]
        seen.update(current.operands)
    return False


def lowest_and_highest(kind: str) -> tuple[Any, Any]:
    """Of a type's numbers."""
    dtype = array_shape(kind).numpy_dtype
    limits = ml_dtypes.iinfo(dtype) if kind in INTEGERS else ml_dtypes.finfo(dtype)
    return limits.min, limits.max


Step = Callable[[Program], Any]


def random_program(seed: int, steps: int, table: Sequence[tuple[float, Step]]) -> Program:
    """A program of so many steps.

    Parameters
    ----------
    seed : int
    steps : int
    table : sequence of (weight, step)
        A step adds a value to a program, or nothing where it finds no operands.
    """
    program = Program(np.random.default_rng(seed))
    steps *= 4 if program.chance(0.03) else 1
    for _ in range(program.whole(1, 3)):
        program.leaf(program.kind(), program.sizes())
    walk(program, steps, table)
    return program


def walk(program: Program, steps: int, table: Sequence[tuple[float, Step]]) -> None:
    """Take random steps."""
    weights, functions = zip(*table)
    for _ in range(steps):
        program.pick(functions, weights)(program)


def finished(program: Program, roots: Sequence[HloInstruction]) -> HloModule:
    """The module that computes `roots`."""
    builder = program.builder
    return module("random", builder.build(builder.add("tuple", list(roots))))


def results_of(program: Program) -> list[HloInstruction]:
    """What nothing uses, the latest first, as many as a program has results."""
    made = [value.instruction for value in program.values]
    used = {operand for instruction in made for operand in instruction.operands}
    ends = [instruction for instruction in made if instruction not in used and instruction.opcode != "parameter"]
    return ends[::-1][:6] or [made[-1]]


def with_layout(program: Program, value: Value) -> Value:
    """The value, said to lie in memory in another order, which changes nothing."""
    order = tuple(int(axis) for axis in program.rng.permutation(len(value.sizes)))
    shape = dataclasses.replace(value.shape, minor_to_major=order)
    return program.add("copy", [value], value.bound, None, shape)
