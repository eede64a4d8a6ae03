"""How large a module may be: what a small file can ask for that no machine has is refused before anything is made."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from ..errors import HloLimitError
from .ir.attributes import FftAttributes, PadAttributes, SliceAttributes
from .ir.module import HloComputation, HloInstruction, HloModule
from .ir.shape import Shape, Symbol

# opcodes whose computations are put in place, which then nest no deeper than their callers
_IN_PLACE = frozenset({"call", "fusion"})


@dataclass(frozen=True)
class Limits:
    """Limits of a module; each may be raised, as far as memory and TVM go.

    Attributes
    ----------
    elements : int
        Elements of an array, where dimensions of 0 and of unknown size count as 1; also each number of a window, a
        padding or a slice.
    rank : int
        Dimensions of an array, of which numpy has 64 at most.
    fft_length : int
        Elements along one dimension of an fft, whose roots of unity become constants.
    instructions : int
        Instructions of the module when every called computation is counted at each of its calls.
    nesting : int
        Computations within each other, those of calls and fusions left out.
    """

    elements: int = 2**31 - 1
    rank: int = 32
    fft_length: int = 1 << 23
    instructions: int = 1_000_000
    nesting: int = 32


LIMITS = Limits()


def check_limits(module: HloModule, limits: Limits | None = LIMITS) -> HloModule:
    """`module`, if it keeps to `limits`; None is for any size.

    Raises
    ------
    HloLimitError
        Of an instruction or computation that does not: what it asks for, and which limit that is beyond.
    """
    if limits is None:
        return module
    check_shapes(module, limits)
    for instruction in module.instructions:
        _check_attributes(instruction, limits)
    _check_calls(module, limits)
    return module


def check_shapes(module: HloModule, limits: Limits | None) -> HloModule:
    """`module`, if its arrays keep to `limits`; HloLimitError as for `check_limits`."""
    if limits is None:
        return module
    seen: set[int] = set()
    for instruction in module.instructions:
        if id(instruction.shape) not in seen:
            seen.add(id(instruction.shape))
            _check_shape(instruction, limits)
    return module


def _check_shape(instruction: HloInstruction, limits: Limits) -> None:
    for array in instruction.shape.arrays():
        if array.rank > limits.rank:
            _beyond(instruction.name, f"an array of {array.rank} dimensions", "rank", limits)
        count = _elements(array)
        if count > limits.elements:
            _beyond(instruction.name, f"{array} of {count} elements", "elements", limits)


def _elements(array: Shape) -> int:
    sizes = (size.bound if isinstance(size, Symbol) else size for size in array.dimensions)
    return math.prod(size for size in sizes if size)


def _check_attributes(instruction: HloInstruction, limits: Limits) -> None:
    attributes: Any = instruction.attributes
    if isinstance(attributes, FftAttributes):
        for length in attributes.length:
            if isinstance(length, int) and length > limits.fft_length:
                _beyond(instruction.name, f"an fft of {length} elements", "fft_length", limits)
        return
    window = getattr(attributes, "window", None)
    if window is None and not isinstance(attributes, (PadAttributes, SliceAttributes)):
        return
    rows = [attributes] if window is None else window.dimensions
    for number in (number for row in rows for number in _numbers(row)):
        if abs(number) > limits.elements:
            _beyond(instruction.name, f"the number {number} of a window, a padding or a slice", "elements", limits)


def _numbers(row: Any) -> Iterator[int]:
    for field in dataclasses.fields(row):
        value = getattr(row, field.name)
        yield from (each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, int))


def _check_calls(module: HloModule, limits: Limits) -> None:
    """Computations come after those that they call, so one pass counts what they come to, however often they call."""
    weights: dict[HloComputation, int] = {}
    depths: dict[HloComputation, int] = {}
    for computation in module.computations:
        weight, depth = len(computation.instructions), 0
        for instruction in computation.instructions:
            if not instruction.called_computations:
                continue
            weight += sum(weights[callee] for callee in instruction.called_computations)
            deeper = 0 if instruction.opcode in _IN_PLACE else 1
            depth = max(depth, deeper + max(depths[callee] for callee in instruction.called_computations))
            if weight > limits.instructions:
                what = f"more than {limits.instructions} instructions where each computation counts at every call"
                _beyond(instruction.name, what, "instructions", limits)
            if depth > limits.nesting:
                _beyond(instruction.name, f"computations that nest {depth} deep", "nesting", limits)
        weights[computation], depths[computation] = weight, depth
        if weight > limits.instructions:
            _beyond(computation.name, f"{weight} instructions", "instructions", limits)


def _beyond(name: str, what: str, limit: str, limits: Limits) -> NoReturn:
    number = getattr(limits, limit)
    raise HloLimitError(
        f"{name} asks for {what}; the limit is {number} (from_hlo(…, limits=Limits({limit}=…)) raises it)"
    )
