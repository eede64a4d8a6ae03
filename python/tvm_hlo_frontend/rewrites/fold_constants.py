"""Instructions on constants become constants. TVM folds them too, but compiles a module for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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

    found = any(_known(instruction, instruction.operands) is not None for instruction in module.instructions)
    return transform(module, fold) if found else module


def folded(
    builder: RewriteBuilder, instruction: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction | None:
    """The constant that an instruction is, whose operands have become `operands`; None if it is none or a large one."""
    values = _known(instruction, operands)
    result = None if values is None else computed(instruction, values)
    return None if result is None else builder.constant(result, instruction.shape.element_type)


def _known(instruction: HloInstruction, operands: Sequence[HloInstruction]) -> list[np.ndarray] | None:
    """Values of the operands of an instruction that could be a constant, if all of them are known."""
    shape = instruction.shape
    if not operands or not shape.is_array or not shape.is_static or shape.element_count > MAX_ELEMENTS:
        return None
    if instruction.opcode == "broadcast" and shape.element_count > operands[0].shape.element_count:
        return None  # converters and TVM's passes know what to do with few elements
    values = [value for value in map(constant_value, operands) if value is not None]
    return values if len(values) == len(operands) else None
