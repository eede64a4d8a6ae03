"""batch-norm-inference, -training and -grad in terms of element-wise opcodes and sums (XLA operation semantics:
BatchNormInference, BatchNormTraining, BatchNormGrad)."""

from __future__ import annotations

from collections.abc import Callable

from ...hlo.ir.attributes import BatchNormAttributes, DimensionsAttributes
from ...hlo.ir.builder import ComputationBuilder, RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import array_shape
from ..emit import Emitter
from ..expansion import Expansion, Rule


class _BatchNorm:
    """Arithmetic on a tensor and on vectors of its features.

    Scale and offset are folded per feature, so that one multiply and one add remain on the big tensor.
    """

    def __init__(self, builder: RewriteBuilder, instruction: HloInstruction, operand: HloInstruction) -> None:
        attributes = instruction.attributes_as(BatchNormAttributes)
        self.emit = Emitter(builder, instruction.metadata)
        self.shape = operand.shape
        self.feature, self.epsilon = attributes.feature_index, attributes.epsilon
        self.reduced = tuple(axis for axis in range(operand.shape.rank) if axis != self.feature)
        self.count = operand.shape.element_count // max(operand.shape.sizes[self.feature], 1)

    def along(self, vector: HloInstruction) -> HloInstruction:
        """A vector of features at every position."""
        return self.emit.along(vector, self.shape, (self.feature,))

    def total(self, x: HloInstruction) -> HloInstruction:
        """Sum over everything but the features."""
        kind = array_shape(x.shape.element_type)
        body = ComputationBuilder("batch_norm_sum")
        add = body.build(body.add("add", [body.parameter(0, kind), body.parameter(1, kind)]))
        zero = self.emit.builder.constant(0, x.shape.element_type)
        return self.emit("reduce", x, zero, attributes=DimensionsAttributes(self.reduced), called=[add])

    def inverse_deviation(self, variance: HloInstruction) -> HloInstruction:
        return self.emit("rsqrt", self.emit("add", variance, self.epsilon))

    def normalized(
        self,
        x: HloInstruction,
        scale: HloInstruction,
        offset: HloInstruction,
        mean: HloInstruction,
        variance: HloInstruction,
    ) -> HloInstruction:
        """(x - mean) / sqrt(variance + epsilon) * scale + offset; centred first, as folding the mean into the offset
        would cancel where the mean is large."""
        factor = self.emit("multiply", self.inverse_deviation(variance), scale)
        centred = self.emit("subtract", x, self.along(mean))
        return self.emit("add", self.emit("multiply", centred, self.along(factor)), self.along(offset))


def _inference(norm: _BatchNorm, *operands: HloInstruction) -> HloInstruction:
    """Rule 76, with given mean and variance."""
    return norm.normalized(*operands)


def _training(norm: _BatchNorm, x: HloInstruction, scale: HloInstruction, offset: HloInstruction) -> HloInstruction:
    """Rule 76: the result, the mean and the biased variance of the batch."""
    mean = norm.emit("divide", norm.total(x), norm.count)
    centred = norm.emit("subtract", x, norm.along(mean))
    variance = norm.emit("divide", norm.total(norm.emit("multiply", centred, centred)), norm.count)
    return norm.emit.tuple([norm.normalized(x, scale, offset, mean, variance), mean, variance])


def _gradient(
    norm: _BatchNorm,
    x: HloInstruction,
    scale: HloInstruction,
    mean: HloInstruction,
    variance: HloInstruction,
    grad_output: HloInstruction,
) -> HloInstruction:
    """Rule 76: gradients of operand, scale and offset."""
    emit = norm.emit
    inverse = norm.inverse_deviation(variance)
    centred = emit("subtract", x, norm.along(mean))
    grad_offset = norm.total(grad_output)
    projected = norm.total(emit("multiply", grad_output, centred))
    correction = emit("divide", emit("multiply", projected, emit("multiply", inverse, inverse)), norm.count)
    inner = emit("subtract", grad_output, norm.along(emit("divide", grad_offset, norm.count)))
    inner = emit("subtract", inner, emit("multiply", centred, norm.along(correction)))
    grad_operand = emit("multiply", inner, norm.along(emit("multiply", scale, inverse)))
    return emit.tuple([grad_operand, emit("multiply", projected, inverse), grad_offset])


def _rule(formula: Callable[..., HloInstruction]) -> Rule:
    return lambda builder, old, operands: formula(_BatchNorm(builder, old, operands[0]), *operands)


EXPANSIONS = {
    "batch-norm-inference": Expansion(
        _rule(_inference), summary="multiply, add and subtract along the feature dimension"
    ),
    "batch-norm-training": Expansion(
        _rule(_training), summary="mean and biased variance by sums, then as for inference"
    ),
    "batch-norm-grad": Expansion(_rule(_gradient), summary="its formula, with sums over everything but the features"),
}
