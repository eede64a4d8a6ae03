"""Values of an array program: where their elements are, or how they are computed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from ...tensor_ir.compat import dtype_of, tir
from ...tensor_ir.loops import Loops
from ...tensor_ir.tiles import for_vectors
from .. import plans
from ..dtypes import TVM_DTYPES

Index = Sequence[Any]
# operations that are worth waking other threads for, which takes some microseconds
PARALLEL_WORK = 1 << 20


@dataclass(frozen=True)
class Memory:
    """Elements in row-major order, from the element `first` of an array on; truth values may be stored as bytes."""

    array: Any
    number: int
    first: Any = 0

    def load(self, place: Any, element_type: str) -> Any:
        """The element at `place`."""
        value = self.array[self.first + place]
        if element_type == "pred" and dtype_of(value) != "bool":
            return tir.NE(value, tir.const(0, "int8"))
        return value

    def store(self, place: Any, value: Any) -> None:
        """Set the element at `place`."""
        stored = value if dtype_of(value) == self.array.dtype else value.astype(self.array.dtype)
        self.array[self.first + place] = stored


@dataclass(frozen=True)
class Value:
    """An array.

    Attributes
    ----------
    element_type : str
    dimensions : tuple of int
    at : callable
        ``at(index)``: the element at an index, one number per dimension.
    flat : callable or None
        ``flat(place)``: the element at a place in row-major order, where that is as cheap.
    reads : frozenset of int
        Numbers of the memories that an element is computed from, at the time of asking.
    moved : frozenset of int
        Those of them that are read at another place than the element's own.
    cost : int
        Operations per element; 0 if it is only loaded.
    memory : Memory or None
        What it is the whole content of, if nobody else may change that.
    """

    element_type: str
    dimensions: tuple[int, ...]
    at: Callable[[Index], Any]
    flat: Callable[[Any], Any] | None = None
    reads: frozenset[int] = frozenset()
    moved: frozenset[int] = frozenset()
    cost: int = 0
    memory: Memory | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.dimensions)

    def scalar(self) -> Any:
        """The element of an array of no dimensions."""
        return self.at(())


@dataclass(frozen=True)
class Places:
    """A value by subscripts; to be set where it has memory."""

    value: Value

    @property
    def dtype(self) -> str:
        """TVM dtype of the elements."""
        return TVM_DTYPES[self.value.element_type]

    def __getitem__(self, index: Index) -> Any:
        return self.value.at(index)

    def __setitem__(self, index: Index, x: Any) -> None:
        assert self.value.memory is not None
        self.value.memory.store(ravel(index, self.value.dimensions), x)


def number(element_type: str, expression: Any) -> Value:
    """A scalar that an expression is."""
    return Value(element_type, (), lambda _: expression, lambda _: expression)


class Storage:
    """Makes memory and fills it, with the statements of one kernel.

    Parameters
    ----------
    loops : Loops
    several_threads : bool
        Whether large arrays may be filled by several threads, so not within what one of several does.
    recomputed : int
        Operations per element that are rather done again than stored.
    """

    def __init__(self, loops: Loops, several_threads: bool = True, recomputed: int = 0) -> None:
        self.loops, self.recomputed, self._several_threads = loops, recomputed, several_threads
        self._numbers = itertools.count()

    def memory(self, array: Any, first: Any = 0) -> Memory:
        """`array`, from an element on, under a number of its own."""
        return Memory(array, next(self._numbers), first)

    def new(self, size: int, element_type: str) -> Memory:
        """Memory of the whole kernel."""
        dtype = TVM_DTYPES[element_type]
        return self.memory(self.loops.workspace(size, "int8" if dtype == "bool" else dtype))

    def whole(self, memory: Memory, element_type: str, dimensions: tuple[int, ...], owned: bool = True) -> Value:
        """All of a memory; if it is `owned` the program may change it."""

        def flat(place: Any) -> Any:
            return memory.load(place, element_type)

        reads = frozenset({memory.number})
        return Value(
            element_type,
            dimensions,
            lambda index: flat(ravel(index, dimensions)),
            flat,
            reads,
            memory=memory if owned else None,
        )

    def scalar(self, element_type: str, expression: Any) -> Value:
        """A number, computed now."""
        return number(element_type, self.loops.in_memory(expression))

    def stored(self, value: Value) -> Value:
        """The value, computed now and in memory of its own."""
        if not value.dimensions:
            return self.scalar(value.element_type, value.scalar())
        memory = self.new(value.size, value.element_type)
        self.fill(memory, value)
        return self.whole(memory, value.element_type, value.dimensions)

    def loaded(self, value: Value) -> Value:
        """The value such that an element costs no more than a load."""
        return self.stored(value) if value.cost else value

    def fill(self, memory: Memory, value: Value) -> None:
        """Store all elements."""
        if value.flat is not None:
            if value.size == 1:
                memory.store(0, value.flat(0))
            elif self._several_threads:
                parallel = value.size * max(1, value.cost) >= PARALLEL_WORK
                with self.loops.loop(value.size, "place", parallel) as place:
                    memory.store(place, value.flat(place))
            else:
                self._fill_vectors(memory, value)
            return
        for index in self.tasks(value.dimensions, value.size * max(1, value.cost)):
            memory.store(ravel(index, value.dimensions), value.at(index))

    def _fill_vectors(self, memory: Memory, value: Value) -> None:
        """Store vector after vector, the last one over a part of the one before."""
        assert value.flat is not None
        lanes = 1 if value.element_type == "pred" else plans.lanes_of(TVM_DTYPES[value.element_type])
        if value.size < lanes or memory.number in value.reads:
            lanes = 1
        flat = value.flat

        def store(start: Any) -> None:
            with self.loops.vector(lanes) as lane:
                memory.store(start + lane, flat(start + lane))

        for_vectors(self.loops, value.size, lanes, store)

    def indices(self, dimensions: Sequence[int]) -> Iterator[list[Any]]:
        """One index for all statements in the body of a `for`: loops over the dimensions."""
        with ExitStack() as stack:
            yield [
                stack.enter_context(self.loops.loop(size, "index")) if size > 1 else tir.const(0, "int32")
                for size in dimensions
            ]

    def tasks(self, dimensions: Sequence[int], work: int) -> Iterator[list[Any]]:
        """As `indices`, by several threads if all of it is so much work; what they write may not depend on others."""
        count = math.prod(dimensions)
        if work < PARALLEL_WORK or count == 1 or not self._several_threads:
            yield from self.indices(dimensions)
            return
        with self.loops.loop(count, "task", parallel=True) as task:
            yield unravel(task, dimensions)


def without_memory(value: Value) -> Value:
    """The value for a program that may not change its memory."""
    return replace(value, memory=None)


def ravel(index: Index, dimensions: Sequence[int]) -> Any:
    """Place of an index in row-major order."""
    place: Any = 0
    for position, size in zip(index, dimensions):
        place = place * size + position
    return place


def unravel(place: Any, dimensions: Sequence[int]) -> list[Any]:
    """Index of a place in row-major order."""
    index: list[Any] = []
    for size in reversed(dimensions):
        index.append(tir.indexmod(place, size) if size > 1 else tir.const(0, "int32"))
        place = tir.indexdiv(place, size) if size > 1 else place
    return index[::-1]
