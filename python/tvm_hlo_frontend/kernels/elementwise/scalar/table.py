"""(opcode, kind of its last operand) -> the function that writes it in TIR."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....errors import RegistryError

ScalarFunction = Callable[..., Any]
KINDS = ("pred", "integer", "float")


def operand_kind(dtype: str) -> str:
    """pred, integer or float."""
    if dtype == "bool":
        return "pred"
    return "float" if dtype.startswith("float") else "integer"


class ScalarTable:
    """Scalar functions by opcode and kind of the last operand, as one module declares them."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], ScalarFunction] = {}

    @staticmethod
    def of(*tables: ScalarTable) -> ScalarTable:
        """All of `tables` as one; RegistryError if two of them have the same key."""
        whole = ScalarTable()
        for table in tables:
            for key, function in table.entries.items():
                whole.add(key, function)
        return whole

    def add(self, key: tuple[str, str], function: ScalarFunction) -> None:
        """RegistryError if the table has a function for `key`."""
        if key in self.entries:
            raise RegistryError(f"scalar function {key} is declared twice")
        self.entries[key] = function

    def scalar(self, *opcodes: str, kinds: tuple[str, ...] = KINDS) -> Callable[[ScalarFunction], ScalarFunction]:
        """Decorator: ``function(scope, node, *operands)`` is that of opcodes on operands of some kinds."""

        def decorate(function: ScalarFunction) -> ScalarFunction:
            for key in [(opcode, kind) for opcode in opcodes for kind in kinds]:
                self.add(key, function)
            return function

        return decorate
