"""TVM against XLA:CPU on the same inputs, and the first instruction whose value differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..deploy.executable import build, mod_and_params
from ..frontend import from_hlo
from ..hlo.ir.extract import alone, computing, cut, flat_parameters, needed, open_operands
from ..hlo.ir.module import HloInstruction, HloModule
from ..rewrites.capabilities import Capabilities
from ..rewrites.inline_calls import inline_calls
from .tolerance import Difference, difference
from .xla_cpu import compile_xla

Arrays = list[np.ndarray]
# lines that are drawn at once: every round converts and builds the module anew
LINES = 15


@dataclass(frozen=True)
class Comparison:
    """Results of one module on both sides, flat, in order.

    Attributes
    ----------
    tvm, xla : list of numpy.ndarray
    differences : list of Difference
        One per result.
    """

    tvm: Arrays
    xla: Arrays
    differences: list[Difference]

    @property
    def same(self) -> bool:
        """Whether every result is XLA's within the tolerance."""
        return not any(found.wrong for found in self.differences)


@dataclass(frozen=True)
class Side:
    """How modules are converted, built and compared.

    Attributes
    ----------
    options : mapping
        Keyword arguments of `from_hlo`.
    target : str, optional
        For `build`.
    rtol : float, optional
        See `tolerance.difference`.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    target: Any = None
    rtol: float | None = None


@dataclass(frozen=True)
class WrongInstruction:
    """The first instruction of the entry computation whose value differs.

    Attributes
    ----------
    instruction : HloInstruction
    path : tuple of int
        Which array of its value, as tuple indices; empty for an array.
    tvm, xla : numpy.ndarray
        That array on both sides.
    difference : Difference
    alone : Comparison or None
        The instruction by itself on XLA's operands; None if it cannot be run so. If that agrees, either small
        differences of what comes before have grown, or compiling it together with its neighbours makes the difference.
    """

    instruction: HloInstruction
    path: tuple[int, ...]
    tvm: np.ndarray
    xla: np.ndarray
    difference: Difference
    alone: Comparison | None


def compare_with_xla(module: HloModule, arrays: Sequence[Any], side: Side) -> Comparison:
    """Run a module on TVM and on XLA:CPU.

    Parameters
    ----------
    module : HloModule
        Verified.
    arrays : sequence of array_like
        One per array among the entry parameters, in order.
    side : Side

    Returns
    -------
    Comparison

    Raises
    ------
    UnsupportedHloError, SignatureError, XlaMissingError
        As `from_hlo`, `build` and `compile_xla`.
    """
    mod, params = mod_and_params(from_hlo(module, **side.options))
    executable = build(mod, params, side.target)
    return compared(flat_arrays(executable(*arrays)), run_on_xla(module, arrays), side.rtol)


def compared(got: Arrays, wanted: Arrays, rtol: float | None) -> Comparison:
    """Comparison of results that are there already."""
    return Comparison(got, wanted, [difference(ours, theirs, rtol) for ours, theirs in zip(got, wanted, strict=True)])


def run_on_xla(module: Any, arrays: Sequence[Any]) -> Arrays:
    """Results of a module on XLA:CPU, flat, every one rounded to its own type."""
    if isinstance(module, HloModule):
        module = flat_parameters(module)
    return compile_xla(module, excess_precision=False)(*arrays)


def flat_arrays(value: Any) -> Arrays:
    """Arrays of what an Executable returns, in order, without tokens."""
    if isinstance(value, tuple):
        return [array for part in value for array in flat_arrays(part)]
    return [] if value is None else [value]


def first_difference(
    module: HloModule, arrays: Sequence[Any], side: Side, tell: Callable[[str], Any] = lambda text: None
) -> WrongInstruction | None:
    """The first instruction of the entry computation, calls inlined, whose value differs.

    Lines are drawn through the entry computation, and a module that computes what crosses them is run on both sides;
    then again between the last line that nothing wrong crosses and the first one that something wrong does. What comes
    before a line that nothing wrong crosses plays no part in the difference of the results; a wrong value that is
    masked before the next line may be passed over.

    Parameters
    ----------
    module, arrays, side
        As for `compare_with_xla`.
    tell : callable
        Is told what is about to be done.

    Returns
    -------
    WrongInstruction or None
        None if no result differs.
    """
    module = inline_calls(module, Capabilities(frozenset()))
    order = needed(module.entry)
    good, bad = 0, len(order)
    found = _compare_values(module, cut(module.entry, bad), arrays, side)
    if not any(leaf.difference.wrong for leaf in found):
        return None
    right: set[HloInstruction] = set()
    while bad - good > 1:
        crossing = {position: cut(module.entry, position) for position in _between(good, bad)}
        crossed = dict.fromkeys(i for cutting in crossing.values() for i in cutting if i not in right)
        # XLA's client gives back arrays as long as their bounds
        values = [instruction for instruction in crossed if instruction.shape.is_static]
        tell(f"looking at {len(values)} of the values behind %{order[good].name}, {bad - good} instructions left")
        leaves = _compare_values(module, values, arrays, side) if values else []
        wrong = {leaf.instruction for leaf in leaves if leaf.difference.wrong}
        for position, cutting in crossing.items():
            if wrong.intersection(cutting):
                bad, found = position, [leaf for leaf in leaves if leaf.instruction in cutting]
                break
            good = position
            right.update(cutting)
    return _wrong_instruction(module, order[bad - 1], found, arrays, side)


def _between(good: int, bad: int) -> list[int]:
    """Up to `LINES` positions, evenly between two others."""
    count = min(LINES, bad - good - 1)
    return [good + (bad - good) * (i + 1) // (count + 1) for i in range(count)]


@dataclass(frozen=True)
class _Leaf:
    """One array of a value, on both sides."""

    instruction: HloInstruction
    path: tuple[int, ...]
    tvm: np.ndarray
    xla: np.ndarray
    difference: Difference


def _compare_values(
    module: HloModule, values: Sequence[HloInstruction], arrays: Sequence[Any], side: Side
) -> list[_Leaf]:
    both = compare_with_xla(computing(module, values), arrays, side)
    places = [(instruction, path) for instruction in values for path in instruction.shape.paths()]
    parts = zip(places, both.tvm, both.xla, both.differences, strict=True)
    return [_Leaf(*place, ours, theirs, found) for place, ours, theirs, found in parts]


def _wrong_instruction(
    module: HloModule, last: HloInstruction, found: Sequence[_Leaf], arrays: Sequence[Any], side: Side
) -> WrongInstruction:
    """The wrong one of the values that cross a line: `last`, the only one that was not right before, if it is wrong."""
    wrong = [leaf for leaf in found if leaf.difference.wrong]
    leaf = next((leaf for leaf in wrong if leaf.instruction is last), wrong[0])
    single = _compare_alone(module, leaf.instruction, arrays, side)
    return WrongInstruction(leaf.instruction, leaf.path, leaf.tvm, leaf.xla, leaf.difference, single)


def _compare_alone(
    module: HloModule, instruction: HloInstruction, arrays: Sequence[Any], side: Side
) -> Comparison | None:
    isolated = alone(instruction)
    if isolated is None:
        return None
    operands = open_operands(instruction)
    values = run_on_xla(computing(module, operands), arrays) if operands else []
    return compare_with_xla(isolated, values, side)
