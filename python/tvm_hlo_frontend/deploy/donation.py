"""Arguments that a call may overwrite."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Union

import numpy as np

from ..backends.arguments import aligned_empty, is_aligned
from ..backends.base import InPlace
from ..backends.signature import Parameter
from ..errors import SignatureError

Donated = Union[int, str, Sequence[Union[int, str]]]


def given_away(
    inputs: Sequence[Parameter],
    in_place: Sequence[InPlace],
    given: Sequence[Any],
    arrays: Sequence[np.ndarray],
    donate: Donated,
) -> list[np.ndarray]:
    """`arrays` as a call takes them that overwrites those `in_place`: the caller's own where it may, else copies.

    Parameters
    ----------
    inputs : sequence of Parameter
    in_place : sequence of InPlace
    given : sequence of array_like
        What the caller has given.
    arrays : sequence of numpy.ndarray
        The same as main takes it.
    donate : int, str or sequence of them

    Raises
    ------
    SignatureError
        If there is no such input, or arrays that are donated share memory.
    """
    donated = positions(inputs, donate)
    overwritten = [each.argument for each in in_place]
    unusable = [inputs[number].name for number in donated if number not in overwritten]
    if unusable:
        warnings.warn(f"no result can be computed in the memory of donated inputs: {', '.join(unusable)}", stacklevel=3)
    result = list(arrays)
    for number in overwritten:
        own = number in donated and is_writable(given[number], arrays[number])
        result[number] = arrays[number] if own else aligned_copy(arrays[number])
    check_apart(inputs, {number: result[number] for number in overwritten})
    return result


def positions(inputs: Sequence[Parameter], donate: Donated) -> list[int]:
    """Positions of inputs that are named or counted."""
    numbers = {parameter.name: number for number, parameter in enumerate(inputs)}
    wanted = [donate] if isinstance(donate, (int, str)) else list(donate)
    wrong = [each for each in wanted if each not in numbers and each not in range(len(inputs))]
    if wrong:
        named = ", ".join(f"{number} {name}" for name, number in numbers.items())
        raise SignatureError(f"donate names {wrong}, but the inputs are {named}")
    return [numbers[each] if isinstance(each, str) else each for each in wanted]


def is_writable(given: Any, array: np.ndarray) -> bool:
    """Whether `array` may be overwritten in place of what the caller has given."""
    return array.flags.writeable and is_aligned(array) and array.ctypes.data == np.asarray(given).ctypes.data


def aligned_copy(array: np.ndarray) -> np.ndarray:
    """A copy in memory that may be donated."""
    copy = aligned_empty(array.shape, array.dtype)
    np.copyto(copy, array, casting="no")
    return copy


def check_apart(inputs: Sequence[Parameter], arrays: dict[int, np.ndarray]) -> None:
    """SignatureError if two arrays that are overwritten share memory."""
    numbers = list(arrays)
    for place, first in enumerate(numbers):
        for second in numbers[:place]:
            if np.may_share_memory(arrays[first], arrays[second]):
                names = f"{inputs[second].name} and {inputs[first].name}"
                raise SignatureError(f"the donated inputs {names} share memory, so they cannot both be overwritten")
