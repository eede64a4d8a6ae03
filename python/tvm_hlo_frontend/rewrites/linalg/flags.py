"""Options of LAPACK custom-calls: attributes of the typed FFI, or leading scalar operands of the older interface."""

from __future__ import annotations

from collections.abc import Sequence

from ...hlo.ir.attributes import ConstantAttributes, CustomCallAttributes
from ...hlo.ir.module import HloInstruction


def ffi_attributes(instruction: HloInstruction) -> dict[str, int]:
    """Integer attributes of the MLIR dictionary in backend_config, ``{uplo = 76 : ui8}`` (ASCII codes)."""
    options = instruction.attributes_as(CustomCallAttributes).options
    return {name: value for name, value in options.items() if isinstance(value, int)}


def leading_scalars(operands: Sequence[HloInstruction]) -> list[int | None]:
    """Values of the scalar s32 and u8 operands in front of the matrices; None where one is no constant."""
    values: list[int | None] = []
    for operand in operands:
        if operand.shape.element_type not in ("s32", "u8") or operand.shape.rank:
            break
        attributes = operand.attributes
        if isinstance(attributes, ConstantAttributes) and not isinstance(attributes.literal, tuple):
            values.append(int(attributes.literal))
        else:
            values.append(None)
    return values
