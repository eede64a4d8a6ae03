"""How many operands and called computations each opcode has, and which attributes."""

from __future__ import annotations

from ..opcodes import ROWS, least_and_greatest

# opcode -> least and greatest number of operands
OPERAND_COUNTS: dict[str, tuple[int, int]] = {info.name: least_and_greatest(info.operands) for info in ROWS}
# opcode -> least and greatest number of called computations
CALLED_COUNTS: dict[str, tuple[int, int]] = {info.name: least_and_greatest(info.called) for info in ROWS}
# opcode -> type of its attributes
ATTRIBUTE_TYPES: dict[str, type] = {info.name: info.attributes for info in ROWS}
