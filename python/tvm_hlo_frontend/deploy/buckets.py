"""Few builds for many sizes: arrays are padded to the next of some sizes, and results cut."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..analysis.padding import reason_against_padding
from ..backends.signature import Signature
from ..errors import SignatureError
from ..hlo.ir.open_module import OpenModule, SizeCheck
from ..hlo.ir.shape import Dimension
from ..hlo.ir.size_numbers import holds, number_of
from ..rewrites.size_walk import origin
from ..rewrites.substitute_sizes import unknown_sizes
from .open_sizes import OpenSizes, size_of_text


@dataclass(frozen=True)
class Buckets:
    """To which sizes arrays are padded.

    Attributes
    ----------
    sizes : mapping of str to tuple of int
        Numbers in ascending order, by unknown size. A greater one than the last stays as it is.
    inputs : tuple of tuple of Dimension
        Dimensions of the inputs.
    results : object
        Dimensions of a result, or a list of such objects where it is a tuple.
    checks : tuple of SizeCheck
        What must hold of padded sizes too.
    """

    sizes: Mapping[str, tuple[int, ...]]
    inputs: tuple[tuple[Dimension, ...], ...]
    results: Any
    checks: tuple[SizeCheck, ...]

    def of(self, numbers: Mapping[str, int]) -> dict[str, int]:
        """The sizes to which arrays of these sizes are padded: themselves where checks do not hold of others."""
        padded = {
            name: next((size for size in self.sizes.get(name, ()) if size >= number), number)
            for name, number in numbers.items()
        }
        return padded if all(holds(check, padded) for check in self.checks) else dict(numbers)

    def filled_up(self, arrays: Sequence[np.ndarray], numbers: Mapping[str, int]) -> list[np.ndarray]:
        """Arrays with zeros behind them, up to these sizes."""
        return [_filled_up(array, _shape(each, numbers)) for array, each in zip(arrays, self.inputs)]

    def without_padding(self, results: Any, numbers: Mapping[str, int]) -> Any:
        """Results without what padding has added to them."""
        return _without_padding(results, self.results, numbers)


def buckets_of(
    buckets: Mapping[str, Sequence[int]], signature: Signature, sizes: OpenSizes, opened: OpenModule | None
) -> Buckets:
    """What is asked for, if the program is indifferent to it.

    Parameters
    ----------
    buckets : mapping of str to sequence of int
    signature : Signature
    sizes : OpenSizes
    opened : OpenModule or None
        The program; None where that has been asked before.

    Raises
    ------
    SignatureError
        If no size has such a name, numbers are not positive and ascending, or padding may change results.
    """
    if signature.cuts:
        raise SignatureError("buckets are for results whose sizes the arguments tell, not data")
    found = {name: _ascending(name, numbers) for name, numbers in buckets.items()}
    for name in found:
        if name not in sizes.names:
            there = ", ".join(sizes.names) or "none"
            raise SignatureError(f"buckets name {name}; the unknown sizes are {there}")
        if name in sizes.values:
            raise SignatureError(f"buckets of {name}: the program reads it as a value")
        if opened is not None and name in unknown_sizes(opened):
            _refuse_unless_indifferent(opened, name)
    return Buckets(found, sizes.dimensions, _dimensions(signature.result), tuple(sizes.checks))


def _refuse_unless_indifferent(opened: OpenModule, name: str) -> None:
    against = reason_against_padding(opened.module, name)
    if against is not None:
        instruction, reason = against
        raise SignatureError(
            f"buckets of {name}: padding may change results, as {instruction.opcode} {origin(instruction)} {reason}"
        )


def _ascending(name: str, numbers: Sequence[int]) -> tuple[int, ...]:
    try:
        found = tuple(map(operator.index, numbers))
    except TypeError:
        raise SignatureError(f"the buckets of {name} are {numbers!r}, not numbers") from None
    if not found or found[0] < 1 or list(found) != sorted(set(found)):
        raise SignatureError(f"the buckets of {name} are {list(found)}, not positive numbers in ascending order")
    return found


def _dimensions(tree: Any) -> Any:
    """Dimensions of a result tree."""
    if isinstance(tree, dict):
        return [_dimensions(part) for part in tree["tuple"]]
    return tuple(size_of_text(size) for size in tree[1])


def _shape(dimensions: Sequence[Dimension], numbers: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(number_of(size, numbers) for size in dimensions)


def _filled_up(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if array.shape == shape:
        return array
    made = np.zeros(shape, array.dtype)
    made[tuple(map(slice, array.shape))] = array
    return made


def _without_padding(results: Any, dimensions: Any, numbers: Mapping[str, int]) -> Any:
    if isinstance(dimensions, list):
        return tuple(_without_padding(*pair, numbers) for pair in zip(results, dimensions))
    shape = _shape(dimensions, numbers)
    # of its own, so that what padding has added is not kept alive
    return results if results.shape == shape else results[tuple(map(slice, shape))].copy()
