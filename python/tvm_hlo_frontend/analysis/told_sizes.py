"""Which unknown sizes of a program its inputs tell, and how."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..hlo.ir.open_module import OpenModule, SizeCheck
from ..hlo.ir.shape import Dimension
from ..hlo.ir.sizes import Size, expression, size_of, variables


@dataclass(frozen=True)
class Step:
    """What tells one unknown size, given those that earlier steps tell.

    Attributes
    ----------
    name : str
    position : int
        Number of the input.
    axis : int or None
        Its dimension, which is ``slope * name + offset``; None if its value is the size.
    slope, offset : int or Size
    """

    name: str
    position: int
    axis: int | None
    slope: Dimension = 1
    offset: Dimension = 0

    @property
    def is_dimension(self) -> bool:
        """Whether a dimension is the size itself."""
        return self.axis is not None and self.slope == 1 and self.offset == 0


@dataclass(frozen=True)
class UnknownSizes:
    """What those who call a compiled module must know of its unknown sizes.

    Attributes
    ----------
    steps : tuple of Step
        How its inputs tell them.
    values : mapping of str to int
        As of `OpenModule`.
    checks : tuple of SizeCheck
    passed : tuple of str
        Those that the module's code needs and that are no dimension of an input.
    """

    steps: tuple[Step, ...] = ()
    values: Mapping[str, int] = field(default_factory=dict)
    checks: tuple[SizeCheck, ...] = ()
    passed: tuple[str, ...] = ()

    @property
    def told(self) -> frozenset[str]:
        """All that the inputs tell."""
        return frozenset(step.name for step in self.steps)


NO_UNKNOWN_SIZES = UnknownSizes()


def unknown_sizes_of(opened: OpenModule, used: Collection[str]) -> UnknownSizes:
    """Those of an open module, whose code needs the sizes `used`."""
    arrays = [array for parameter in opened.module.entry.parameters for array in parameter.shape.arrays()]
    steps = told_sizes([array.dimensions for array in arrays], opened.values)
    passed = tuple(step.name for step in steps if not step.is_dimension and step.name in used)
    return UnknownSizes(steps, opened.values, opened.checks, passed)


def told_sizes(dimensions: Sequence[Sequence[Dimension]], values: Mapping[str, int]) -> tuple[Step, ...]:
    """What the inputs of a program tell of its unknown sizes.

    Parameters
    ----------
    dimensions : sequence of sequence of int or Size
        Those of each input.
    values : mapping of str to int
        Numbers of inputs whose values are sizes.

    Returns
    -------
    tuple of Step
        Each follows from those before it: dimensions that are unknown sizes themselves, then values, then dimensions
        that are linear in one more.
    """
    return tuple(_steps(dimensions, values))


def _steps(dimensions: Sequence[Sequence[Dimension]], values: Mapping[str, int]) -> Iterator[Step]:
    known: set[str] = set()
    places = [(position, axis, size) for position, each in enumerate(dimensions) for axis, size in enumerate(each)]
    for position, axis, size in places:
        if isinstance(size, Size) and size.name.isidentifier() and size.name not in known:
            known.add(size.name)
            yield Step(size.name, position, axis)
    while step := next(_valued(values, known), None) or next(_linear(places, known), None):
        known.add(step.name)
        yield step


def _valued(values: Mapping[str, int], known: Collection[str]) -> Iterator[Step]:
    for name, position in values.items():
        if name not in known:
            yield Step(name, position, None)


def _linear(places: Sequence[tuple[int, int, Dimension]], known: Collection[str]) -> Iterator[Step]:
    """Steps from dimensions with one size that is not known, in which they are linear; constant factors first."""
    found = []
    for position, axis, size in places:
        unknown = variables(size) - set(known) if isinstance(size, Size) else ()
        if len(unknown) != 1:
            continue
        whole, (name,) = expression(size).expand(), unknown
        symbol = next(each for each in whole.free_symbols if each.name == name)
        slope, offset = whole.coeff(symbol, 1), whole.coeff(symbol, 0)
        is_linear = symbol not in slope.free_symbols | offset.free_symbols and slope != 0
        if is_linear and (slope * symbol + offset - whole).expand() == 0:
            found.append(Step(name, position, axis, size_of(slope), size_of(offset)))
    yield from sorted(found, key=lambda step: not isinstance(step.slope, int))
