"""Tensors of a program as main has them: in TensorFlow's order of dimensions, channels first, or both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...backends.program import ProgramDialect
from ...backends.values import Tensor

TO_FIRST, TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


class Values:
    """Tensors by their names in TensorFlow. Convolutions and what follows them compute channels first; one form is made
    of the other where it is asked for.

    Parameters
    ----------
    main : ProgramDialect
    constant : callable
        ``constant(tensor)``: what main has for the output of a Const.
    """

    def __init__(self, main: ProgramDialect, constant: Callable[[Any], Tensor]) -> None:
        self.main = main
        self._constant = constant
        self._last: dict[str, Tensor] = {}
        self._first: dict[str, Tensor] = {}

    def put(self, tensor: Any, value: Tensor, channels_first: bool = False) -> None:
        """A tensor has a value."""
        (self._first if channels_first else self._last)[tensor.name] = value

    def alias(self, tensor: Any, other: Any) -> None:
        """A tensor is another one."""
        self.last(other)  # a constant is made when it is asked for
        for forms in (self._last, self._first):
            if other.name in forms:
                forms[tensor.name] = forms[other.name]

    def last(self, tensor: Any) -> Tensor:
        """The value with TensorFlow's own dimensions."""
        name = tensor.name
        if name not in self._last:
            if name in self._first:
                self._last[name] = self.main.transpose(self._first[name], TO_LAST)
            else:
                self._last[name] = self._constant(tensor)
        return self._last[name]

    def first(self, tensor: Any) -> Tensor:
        """The value of a tensor of four dimensions, channels first."""
        if tensor.name not in self._first:
            self._first[tensor.name] = self.main.transpose(self.last(tensor), TO_FIRST)
        return self._first[tensor.name]

    def has_first(self, tensor: Any) -> bool:
        """Whether a tensor was computed channels first."""
        return tensor.name in self._first
