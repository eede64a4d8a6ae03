"""A random program: values and how large they can be, from which steps make more values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tvm_hlo_frontend.hlo.ir.attributes import DimensionsAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.module import HloComputation, HloInstruction, HloModule
from tvm_hlo_frontend.hlo.ir.shape import Shape, array_shape, element_type_of

# integers up to here are numbers of the type, and so are their sums and products
LIMITS = {"f32": 2**23, "f64": 2**50}
INTEGERS = ("s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64")
TYPES = ("f32", "s32", "pred", "f64", "s8", "u8", "s64", "u32", "s16")
TYPE_WEIGHTS = (10, 5, 2, 1, 2, 2, 1, 1, 1)
SIZES = (1, 2, 3, 4, 5, 7, 8, 16, 17, 33, 0)
SIZE_WEIGHTS = (4, 6, 6, 6, 4, 3, 4, 3, 2, 1, 0.3)
MAX_ELEMENTS = 4096


@dataclass(frozen=True, eq=False)
class Value:
    """An array of integers, of any type, none larger than `bound`.

    Attributes
    ----------
    instruction : HloInstruction
    bound : int
        What integers of a type that wraps may reach does not matter.
    """

    instruction: HloInstruction
    bound: int

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
    rounded : dict
        Results that are no integers, which nothing else uses, to the tolerance with which they are compared.
    computations : int
        How many computations have been made, for their names.
    """

    rng: np.random.Generator
    builder: ComputationBuilder = field(default_factory=lambda: ComputationBuilder("main"))
    values: list[Value] = field(default_factory=list)
    arguments: list[np.ndarray] = field(default_factory=list)
    rounded: dict[HloInstruction, float] = field(default_factory=dict)
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
        rank = self.whole(0, 4) if rank is None else rank
        while True:
            found = tuple(self.size() for _ in range(rank))
            if np.prod(found, dtype=float) <= MAX_ELEMENTS:
                return found

    def kind(self) -> str:
        """An element type."""
        return str(self.pick(TYPES, TYPE_WEIGHTS))

    def value(self, accepts: Callable[[Value], bool] = lambda value: True) -> Value | None:
        """One of the values that are accepted, late ones more often; None if there is none."""
        found = [value for value in self.values if accepts(value)]
        if not found:
            return None
        return found[min(len(found) - 1, int(len(found) * self.rng.power(2)))]

    # leaves
    def random_array(self, kind: str, sizes: tuple[int, ...], bound: int) -> np.ndarray:
        """Integers up to `bound`."""
        low = 0 if kind == "pred" or kind.startswith("u") else -bound
        array = self.rng.integers(low, bound + 1, sizes)
        return array.astype(array_shape(kind).numpy_dtype)

    def leaf(self, kind: str, sizes: tuple[int, ...], bound: int = 0) -> Value:
        """A new parameter or constant."""
        bound = 1 if kind == "pred" else bound or int(self.pick((1, 3, 9, 100)))
        array = self.random_array(kind, sizes, bound)
        return (
            self.keep(self.builder.constant(array, kind), bound) if self.chance(0.35) else self.argument(array, bound)
        )

    def argument(self, array: np.ndarray, bound: int) -> Value:
        """A new parameter that is this array."""
        made = self.builder.parameter(len(self.arguments), array_shape(element_type_of(array.dtype), array.shape))
        self.arguments.append(array)
        return self.keep(made, bound)

    def like(self, kind: str, sizes: tuple[int, ...]) -> Value:
        """A value of this type and these dimensions: one that is there, or a new one."""
        found = self.value(lambda value: value.kind == kind and value.sizes == sizes)
        if found is not None and self.chance(0.7):
            return found
        if sizes and self.chance(0.4):  # a number, or a line along one dimension
            axes = tuple(axis for axis in range(len(sizes)) if self.chance(0.3))
            part = self.leaf(kind, tuple(sizes[axis] for axis in axes))
            return self.add("broadcast", [part], part.bound, DimensionsAttributes(axes), array_shape(kind, sizes))
        return self.leaf(kind, sizes)

    # results
    def keep(self, instruction: HloInstruction, bound: int) -> Value:
        """Remember a value."""
        value = Value(instruction, bound)
        self.values.append(value)
        return value

    def add(
        self,
        opcode: str,
        operands: Sequence[Value],
        bound: int,
        attributes: Any = None,
        shape: Shape | None = None,
        called: Sequence[HloComputation] = (),
    ) -> Value:
        """A new instruction with a result up to `bound`."""
        made = self.builder.add(opcode, [each.instruction for each in operands], shape, attributes, called)
        return self.keep(made, bound)

    def fits(self, kind: str, bound: int) -> bool:
        """Whether numbers up to `bound` are exact in a type; integers wrap alike everywhere."""
        return bound <= LIMITS.get(kind, bound)

    def fresh(self, name: str) -> ComputationBuilder:
        """A builder of another computation."""
        self.computations += 1
        return ComputationBuilder(f"{name}_{self.computations}")

    def binary(self, opcode: str, kind: str) -> HloComputation:
        """A computation of two numbers."""
        builder = self.fresh(opcode)
        x, y = (builder.parameter(number, array_shape(kind)) for number in range(2))
        return builder.build(builder.add(opcode, [x, y]))


def random_program(seed: int, steps: int, table: Sequence[tuple[float, Callable[[Program], Any]]]) -> Program:
    """A program of so many steps.

    Parameters
    ----------
    seed : int
    steps : int
    table : sequence of (weight, step)
        A step adds a value to a program, or nothing where it finds no operands.
    """
    program = Program(np.random.default_rng(seed))
    for _ in range(program.whole(1, 3)):
        program.leaf(program.kind(), program.sizes())
    weights, functions = zip(*table)
    for _ in range(steps):
        program.pick(functions, weights)(program)
    return program


def finished(program: Program, roots: Sequence[HloInstruction]) -> HloModule:
    """The module that computes `roots`."""
    builder = program.builder
    return module("random", builder.build(builder.add("tuple", list(roots))))


def results_of(program: Program) -> list[HloInstruction]:
    """What nothing uses, the latest first, as many as a program has results."""
    made = [value.instruction for value in program.values] + list(program.rounded)
    used = {operand for instruction in made for operand in instruction.operands}
    ends = [instruction for instruction in made if instruction not in used and instruction.opcode != "parameter"]
    return ends[::-1][:6] or [made[-1]]
