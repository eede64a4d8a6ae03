"""What converters hand around: typed values over a dialect's expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Union

from ..hlo.ir.shape import Dimension, Shape


@dataclass(frozen=True, eq=False)
class Tensor:
    """An expression of a dialect together with what HLO says of it.

    Attributes
    ----------
    expr : object
        Expression of the dialect.
    element_type : str
        HLO element type.
    dimensions : tuple of int or Symbol
        Dimensions of `expr`. Where they are 1 and the instruction's are not, or where it is a scalar and the
        instruction's value is not, a broadcast is pending.
    """

    expr: Any
    element_type: str
    dimensions: tuple[Dimension, ...]

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.dimensions)

    @cached_property
    def shape(self) -> Shape:
        """HLO's shape of it."""
        return Shape(self.element_type, self.dimensions)


@dataclass(frozen=True)
class Token:
    """Value of token type: orders side effects, holds nothing."""


# what converts a computation that is called: the results of its arguments, or the predicate of a loop
Body = Callable[[Sequence[Tensor]], Sequence[Tensor]]
Condition = Callable[[Sequence[Tensor]], Tensor]


def broadcast_dimensions(*shapes: Sequence[Dimension]) -> tuple[Dimension, ...]:
    """numpy broadcasting of dimensions, of which some may be symbols; ValueError if they do not fit."""
    rank = max(map(len, shapes))
    padded = [(*(1,) * (rank - len(dimensions)), *dimensions) for dimensions in shapes]
    result: list[Dimension] = []
    for sizes in zip(*padded):
        grown = set(sizes) - {1}
        if len(grown) > 1:
            raise ValueError(f"the dimensions {', '.join(map(str, shapes))} do not broadcast")
        result.append(grown.pop() if grown else 1)
    return tuple(result)


Value = Union[Tensor, Token, "tuple[Value, ...]"]


def is_value(value: Any) -> bool:
    """Whether something is a Value, or has lists where a Value has tuples."""
    if isinstance(value, (tuple, list)):
        return all(is_value(part) for part in value)
    return isinstance(value, (Tensor, Token))


def flatten(value: Value) -> list[Tensor]:
    """Tensors of a value, depth first; tokens are left out."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Token):
        return []
    return [tensor for part in value for tensor in flatten(part)]


def unflatten(shape: Shape, tensors: list[Tensor]) -> Value:
    """Inverse of `flatten` for a value of `shape`; takes from the front of `tensors`."""
    if shape.is_tuple:
        return tuple(unflatten(part, tensors) for part in shape.tuple_shapes)
    return tensors.pop(0) if shape.is_array else Token()
