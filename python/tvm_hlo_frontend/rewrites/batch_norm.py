"""batch-norm-inference in terms of element-wise opcodes (XLA operation semantics: BatchNormInference)."""

from __future__ import annotations

from typing import Any

from ..hlo.attributes import DimensionsAttributes
from ..hlo.builder import RewriteBuilder, transform
from ..hlo.module import HloInstruction, HloModule
from .capabilities import Capabilities


def expand_batch_norm(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` without batch-norm-inference; scale and offset are folded per feature, so one multiply and one add
    remain on the big tensor."""
    if not any(instruction.opcode == "batch-norm-inference" for instruction in module.instructions):
        return module
    return transform(module, _expand)


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset, along feature_index (rule 76)."""
    if instruction.opcode != "batch-norm-inference":
        return None
    operand, scale, offset, mean, variance = operands
    attributes: Any = instruction.attributes
    metadata = instruction.metadata

    def add(opcode: str, *inputs: HloInstruction) -> HloInstruction:
        return builder.add(opcode, inputs, metadata=metadata)

    def along_features(vector: HloInstruction) -> HloInstruction:
        return builder.add(
            "broadcast", [vector], operand.shape, DimensionsAttributes((attributes.feature_index,)), metadata=metadata
        )

    constant = builder.constant(attributes.epsilon, operand.shape.element_type)
    epsilon = builder.add("broadcast", [constant], variance.shape, DimensionsAttributes(()), metadata=metadata)
    factor = add("multiply", add("rsqrt", add("add", variance, epsilon)), scale)
    # centred first: x * factor + (offset - mean * factor) would cancel where the mean is large
    centred = add("subtract", operand, along_features(mean))
    return add("add", add("multiply", centred, along_features(factor)), along_features(offset))
