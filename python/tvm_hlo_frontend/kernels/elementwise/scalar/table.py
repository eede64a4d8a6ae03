"""(opcode, kind of its last operand) -> the function that writes it in TIR."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....hlo.tables import DeclaredTable

ScalarFunction = Callable[..., Any]
KINDS = ("pred", "integer", "float")


def operand_kind(dtype: str) -> str:
    """pred, integer or float."""
    if dtype == "bool":
        return "pred"
    return "float" if dtype.startswith("float") else "integer"


class ScalarTable(DeclaredTable[tuple[str, str], ScalarFunction]):
    """Scalar functions by opcode and kind of the last operand, as one module declares them."""

    def _taken(self, key: tuple[str, str], known: ScalarFunction) -> str:
        return f"scalar function {key} is declared twice"

    def scalar(self, *opcodes: str, kinds: tuple[str, ...] = KINDS) -> Callable[[ScalarFunction], ScalarFunction]:
        """Decorator: ``function(scope, node, *operands)`` is that of opcodes on operands of some kinds."""

        def decorate(function: ScalarFunction) -> ScalarFunction:
            self.add(function, *((opcode, kind) for opcode in opcodes for kind in kinds))
            return function

        return decorate
