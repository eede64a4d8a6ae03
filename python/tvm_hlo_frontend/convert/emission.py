"""What became of an instruction, seen where its converter speaks to the dialect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..backends.base import Dialect
from ..backends.values import Token, Value

NATIVE, COMPOSITION, KERNEL, IDENTITY = "native", "composition", "kernel", "identity"
# what `how` of a converter says besides is true of every instruction that it converts
OBSERVED = frozenset({NATIVE, COMPOSITION, KERNEL, IDENTITY})
MOVEMENT = frozenset({"reshape", "transpose", "broadcast_to", "slice", "concatenate", "reverse", "take"})
ARITHMETIC = frozenset({"map", "cast", "dense", "convolution", "reduce"})
CONTROL = frozenset({"conditional", "call", "while_loop"})
# attribute that counts the calls of a method
COUNTERS = dict.fromkeys(MOVEMENT, "moved") | dict.fromkeys(ARITHMETIC, "computed") | dict.fromkeys(CONTROL, "branched")


class ObservedDialect:
    """A dialect that counts what it is asked for. The methods are those of `Dialect`.

    Attributes
    ----------
    moved, computed, branched : int
        Operators that move elements, operators that compute, and operators of control flow, since `start`.
    kernels : int
        Kernels since then, with those that the dialect takes for an operator.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.restore((0, 0, 0, 0))

    def start(self) -> tuple[int, int, int, int]:
        """Count from zero; returns the counts until now."""
        before = self.moved, self.computed, self.branched, self._dialect.kernels_emitted
        self.restore((0, 0, 0, 0))
        return before

    def restore(self, counts: tuple[int, int, int, int]) -> None:
        """Go on with earlier counts."""
        self.moved, self.computed, self.branched, self._dialect.kernels_emitted = counts

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._dialect, name)
        counter = COUNTERS.get(name)
        if counter is not None:
            attribute = self._counting(attribute, counter)
        if callable(attribute):
            self.__dict__[name] = attribute
        return attribute

    def _counting(self, method: Callable[..., Any], counter: str) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            kernels = self._dialect.kernels_emitted
            result = method(*arguments, **options)
            if self._dialect.kernels_emitted != kernels or result is None:
                return result
            if all(result is not argument for argument in arguments):
                setattr(self, counter, getattr(self, counter) + 1)
            return result

        return counted

    def outcome(self, declared: str, value: Value, operands: Sequence[Value]) -> str:
        """What became of an instruction: a key of `support.MEANING`, or what its converter says of itself.

        Parameters
        ----------
        declared : str
            `how` of the converter, which holds for what is no operator and no kernel, for instance constants.
        value : Value
            What the converter made of `operands`.
        """
        if declared not in OBSERVED:
            return declared
        if self.branched:
            return NATIVE
        if self._dialect.kernels_emitted:
            return KERNEL
        if self.computed or self.moved:
            return NATIVE if (self.computed or self.moved) == 1 else COMPOSITION
        given = {id(leaf) for operand in operands for leaf in leaves(operand)}
        return IDENTITY if all(id(leaf) in given for leaf in leaves(value)) else declared


def leaves(value: Value) -> list[Any]:
    """Tensors and tokens of a value; all tokens are the same."""
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in leaves(part)]
    return [] if isinstance(value, Token) else [value]
