"""(opcode, kind of its last operand) -> the function that writes it in TIR."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....errors import RegistryError

ScalarFunction = Callable[..., Any]
KINDS = ("pred", "integer", "float")

SCALAR_FUNCTIONS: dict[tuple[str, str], ScalarFunction] = {}


def operand_kind(dtype: str) -> str:
    """pred, integer or float."""
    if dtype == "bool":
        return "pred"
    return "float" if dtype.startswith("float") else "integer"


def scalar(*opcodes: str, kinds: tuple[str, ...] = KINDS) -> Callable[[ScalarFunction], ScalarFunction]:
    """Decorator: registers ``function(scope, node, *operands)`` for opcodes on operands of some kinds."""

    def decorate(function: ScalarFunction) -> ScalarFunction:
        for key in [(opcode, kind) for opcode in opcodes for kind in kinds]:
            if key in SCALAR_FUNCTIONS:
                raise RegistryError(f"scalar function {key} is registered twice")
            SCALAR_FUNCTIONS[key] = function
        return function

    return decorate
