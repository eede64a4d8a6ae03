"""Instructions on constants become constants. TVM folds them too, but compiles a module for each."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.constant_values import computed, constant_value
from ..hlo.ir.builder import RewriteBuilder, transform
from ..hlo.ir.module import HloInstruction, HloModule
from .capabilities import Capabilities

# elements of a result; larger ones would make the module large
MAX_ELEMENTS = 1024


def fold_constants(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` without small instructions whose operands are known."""

    def fold(
        builder: RewriteBuilder, instruction: HloInstruction, operands: Sequence[HloInstruction]
    ) -> HloInstruction | None:
        return None if instruction.opcode in capabilities.replaced else folded(builder, instruction, operands)

    return transform(module, fold)


def folded(
    builder: RewriteBuilder, instruction: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction | None:
    """The constant that an instruction is, whose operands have become `operands`; None if it is none or a large one."""
    shape = instruction.shape
    if not operands or not shape.is_array or not shape.is_static or shape.element_count > MAX_ELEMENTS:
        return None
    if instruction.opcode == "broadcast" and shape.element_count > operands[0].shape.element_count:
        return None  # converters and TVM's passes know what to do with few elements
    values = [value for value in map(constant_value, operands) if value is not None]
    if len(values) < len(operands):
        return None
    result = computed(instruction, values)
    return None if result is None else builder.constant(result, shape.element_type)
