"""Numbers of sizes whose unknown sizes are known, without sympy: what calls and substitutions compute."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from .open_module import SizeCheck
from .shape import Dimension
from .size_text import Arithmetic, evaluated
from .sizes import Size

_RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def number_of(size: Dimension, numbers: Mapping[str, int]) -> int:
    """The number that `size` is, given those of unknown sizes.

    Raises
    ------
    KeyError
        If one of them is missing.
    ZeroDivisionError
        If the size divides by 0.
    ValueError
        If nothing is known of the size, or its text is none.
    """
    if isinstance(size, int):
        return size
    if not isinstance(size, Size):
        raise ValueError(f"nothing is known of the size {size.name}")
    return int(evaluated(size.name, _arithmetic(numbers)))


def holds(check: SizeCheck, numbers: Mapping[str, int]) -> bool:
    """Whether a check holds for these numbers; errors as for `number_of`."""
    return _RELATIONS[check.relation](number_of(check.left, numbers), number_of(check.right, numbers))


def _arithmetic(numbers: Mapping[str, int]) -> Arithmetic:
    return Arithmetic(
        name=numbers.__getitem__,
        number=int,
        floor_divide=operator.floordiv,
        modulo=operator.mod,
        calls={"max": max, "min": min},
    )
