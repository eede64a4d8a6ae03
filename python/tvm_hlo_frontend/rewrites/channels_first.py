"""Convolutions in channels-first form, and what stands between them too, so that no transposes remain in a network.

A value may have a twin: the same elements with permuted dimensions, which is what the rewritten program computes. The
value itself is then a transpose of its twin, and disappears unless something asks for it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..analysis.convolution_layouts import fills_vectors, numbers_channels_first, numbers_channels_last
from ..hlo.ir.attributes import (
    Attributes,
    BatchNormAttributes,
    ConstantAttributes,
    ConvolutionAttributes,
    ConvolutionDimensionNumbers,
    DimensionsAttributes,
    PadAttributes,
    SliceAttributes,
    Window,
    WindowAttributes,
)
from ..hlo.ir.builder import RewriteBuilder, transform
from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.ir.shape import Shape, array_shape
from ..hlo.ir.sizes import Size
from ..hlo.opcodes import ELEMENTWISE
from .capabilities import Capabilities

Permutation = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Twin:
    """`value` with its dimensions permuted: dimension i of it is dimension permutation[i] of the value."""

    value: HloInstruction
    permutation: Permutation


@dataclass
class _Rewriter:
    """State of the pass: twins by the value they stand for, and permuted values made so far; whether convolutions that
    fill vectors with output channels have them last."""

    prefers_last: bool = False

    twins: dict[HloInstruction, Twin] = field(default_factory=dict)
    made: dict[tuple[HloInstruction, Permutation], HloInstruction] = field(default_factory=dict)

    def __call__(
        self, builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        rule = _RULES.get(instruction.opcode)
        if rule is None or not instruction.shape.is_array or not _has_sizes(instruction.shape):
            return None
        return rule(self, builder, instruction, operands)

    def permuted(self, builder: RewriteBuilder, value: HloInstruction, permutation: Permutation) -> HloInstruction:
        """`value` with permuted dimensions: its twin, a permuted definition where that is free, else a transpose."""
        twin = self.twins.get(value)
        if twin is not None:
            # value = transpose(twin), so both permutations become one
            permutation = tuple(twin.permutation.index(axis) for axis in permutation)
            value = twin.value
        if permutation == tuple(range(value.shape.rank)):
            return value
        found = self.made.get((value, permutation))
        if found is None:
            make = _DEFINITIONS.get(value.opcode, _transpose)
            found = self.made[value, permutation] = make(builder, value, permutation)
        return found

    def result(self, builder: RewriteBuilder, twin: HloInstruction, permutation: Permutation) -> HloInstruction:
        """The value of which `twin` is the twin."""
        inverse = _inverse(permutation)
        if inverse == permutation == tuple(range(len(permutation))):
            return twin
        value = _transpose(builder, twin, inverse)
        self.twins[value] = Twin(twin, permutation)
        return value

    def wanted(self, convolution: HloInstruction) -> ConvolutionDimensionNumbers:
        """The layouts that a convolution gets."""
        layout = numbers_channels_last if self.prefers_last and fills_vectors(convolution) else numbers_channels_first
        return layout(convolution.shape.rank)

    def permutation_of(self, operands: Sequence[HloInstruction]) -> Permutation | None:
        """Permutation of the first operand that has a twin."""
        return next((self.twins[operand].permutation for operand in operands if operand in self.twins), None)


def convolutions_channels_first(module: HloModule, capabilities: Capabilities) -> HloModule:
    """Convolutions with other layouts than [N, C, spatial] * [O, I, spatial] get these, with transposes around them;
    the permuted form is carried through element-wise, windowed and movement opcodes, so that transposes cancel.

    Parameters
    ----------
    module : HloModule
        Without calls and fusions where transposes are to cancel across them.
    capabilities : Capabilities

    Returns
    -------
    HloModule
        The same function, of the same parameters and results.
    """
    rewriter = _Rewriter(capabilities.channels_last)
    if not any(_needs_rewriting(rewriter, instruction) for instruction in module.instructions):
        return module
    return transform(module, rewriter)


def _has_sizes(shape: Shape) -> bool:
    """Whether every dimension is a number, or computed from unknown ones."""
    return all(isinstance(size, (int, Size)) for size in shape.dimensions)


def _needs_rewriting(rewriter: _Rewriter, instruction: HloInstruction) -> bool:
    attributes = instruction.attributes
    return isinstance(attributes, ConvolutionAttributes) and attributes.dimension_numbers != rewriter.wanted(
        instruction
    )


def _inverse(permutation: Permutation) -> Permutation:
    return tuple(permutation.index(axis) for axis in range(len(permutation)))


def _permuted_shape(shape: Shape, permutation: Permutation) -> Shape:
    return array_shape(shape.element_type, [shape.dimensions[axis] for axis in permutation])


# values that are made permuted: (builder, value, permutation) -> permuted value


def _transpose(builder: RewriteBuilder, value: HloInstruction, permutation: Permutation) -> HloInstruction:
    """A transpose, or a reshape if only dimensions of size 1 change places."""
    shape = _permuted_shape(value.shape, permutation)
    moved = [axis for axis in permutation if value.shape.dimensions[axis] != 1]
    if moved == sorted(moved):
        return builder.add("reshape", [value], shape, metadata=value.metadata)
    return builder.add("transpose", [value], shape, DimensionsAttributes(permutation), metadata=value.metadata)


def _permuted_broadcast(builder: RewriteBuilder, value: HloInstruction, permutation: Permutation) -> HloInstruction:
    (operand,) = value.operands
    dimensions = tuple(permutation.index(axis) for axis in value.attributes_as(DimensionsAttributes).dimensions)
    order = tuple(sorted(range(len(dimensions)), key=lambda i: dimensions[i]))
    if order != tuple(range(len(dimensions))):
        operand = _transpose(builder, operand, order)
    attributes = DimensionsAttributes(tuple(sorted(dimensions)))
    shape = _permuted_shape(value.shape, permutation)
    return builder.add("broadcast", [operand], shape, attributes, metadata=value.metadata)


def _permuted_constant(builder: RewriteBuilder, value: HloInstruction, permutation: Permutation) -> HloInstruction:
    literal = value.attributes_as(ConstantAttributes).literal
    assert not isinstance(literal, tuple)
    attributes = ConstantAttributes(literal.transpose(permutation).copy())
    return builder.add("constant", (), _permuted_shape(value.shape, permutation), attributes, metadata=value.metadata)


def _permuted_iota(builder: RewriteBuilder, value: HloInstruction, permutation: Permutation) -> HloInstruction:
    dimensions = value.attributes_as(DimensionsAttributes).dimensions
    attributes = DimensionsAttributes(tuple(permutation.index(axis) for axis in dimensions))
    return builder.add("iota", (), _permuted_shape(value.shape, permutation), attributes, metadata=value.metadata)


def _permuted_transpose(builder: RewriteBuilder, value: HloInstruction, permutation: Permutation) -> HloInstruction:
    dimensions = value.attributes_as(DimensionsAttributes).dimensions
    composed = tuple(dimensions[axis] for axis in permutation)
    (operand,) = value.operands
    return operand if composed == tuple(range(len(composed))) else _transpose(builder, operand, composed)


_DEFINITIONS: dict[str, Callable[[RewriteBuilder, HloInstruction, Permutation], HloInstruction]] = {
    "broadcast": _permuted_broadcast,
    "constant": _permuted_constant,
    "iota": _permuted_iota,
    "transpose": _permuted_transpose,
}


# rules: (rewriter, builder, old instruction, new operands) -> replacement, or None for a plain copy

Rule = Callable[[_Rewriter, RewriteBuilder, HloInstruction, "tuple[HloInstruction, ...]"], "HloInstruction | None"]


def _convolution(
    rewriter: _Rewriter, builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    attributes = old.attributes_as(ConvolutionAttributes)
    numbers, wanted = attributes.dimension_numbers, rewriter.wanted(old)
    if numbers == wanted:
        return None
    data, kernel, output = (
        tuple(was[now.index(axis)] for axis in range(old.shape.rank))
        for was, now in zip(_positions(numbers), _positions(wanted))
    )
    parts = [rewriter.permuted(builder, x, order) for x, order in zip(operands, (data, kernel))]
    changed = dataclasses.replace(attributes, dimension_numbers=wanted)
    return rewriter.result(builder, _like(builder, old, parts, changed, output), output)


def _positions(numbers: ConvolutionDimensionNumbers) -> tuple[Permutation, Permutation, Permutation]:
    """Dimensions of the data, the kernel and the result, each in the order in which channels-first ones are."""
    return (
        (numbers.input_batch, numbers.input_feature, *numbers.input_spatial),
        (numbers.kernel_output_feature, numbers.kernel_input_feature, *numbers.kernel_spatial),
        (numbers.output_batch, numbers.output_feature, *numbers.output_spatial),
    )


def _like(
    builder: RewriteBuilder,
    old: HloInstruction,
    operands: Sequence[HloInstruction],
    attributes: Attributes,
    permutation: Permutation,
) -> HloInstruction:
    """`old` with other operands and attributes, its shape permuted."""
    called = [builder.rewritten(computation) for computation in old.called_computations]
    shape = _permuted_shape(old.shape, permutation)
    return builder.add(old.opcode, operands, shape, attributes, called, name=old.name, metadata=old.metadata)


def _same_dimensions(
    rewriter: _Rewriter, builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """Opcodes whose operands have the dimensions of the result, or are scalars or vectors along a named dimension."""
    rank = old.shape.rank
    full = [operand for operand in operands if operand.shape.rank == rank > 1]
    permutation = rewriter.permutation_of(full)
    if permutation is None:
        return None
    attributes = _permuted_attributes(old.attributes, permutation)
    if attributes is None:
        return None
    parts = [rewriter.permuted(builder, x, permutation) if x in full else x for x in operands]
    return rewriter.result(builder, _like(builder, old, parts, attributes, permutation), permutation)


def _permuted_attributes(attributes: Attributes, permutation: Permutation) -> Attributes | None:
    """Attributes of the same operation on permuted dimensions; None if the order of the dimensions matters to it."""

    def pick(values: Sequence[int]) -> tuple[int, ...]:
        return tuple(values[axis] for axis in permutation)

    match attributes:
        case DimensionsAttributes(dimensions):
            return DimensionsAttributes(tuple(sorted(permutation.index(axis) for axis in dimensions)))
        case PadAttributes(low, high, interior):
            return PadAttributes(pick(low), pick(high), pick(interior))
        case SliceAttributes(starts, limits, strides):
            return SliceAttributes(pick(starts), pick(limits), pick(strides))
        case BatchNormAttributes(epsilon, feature_index):
            return BatchNormAttributes(epsilon, permutation.index(feature_index))
        case WindowAttributes(window):
            real = [axis for axis in permutation if window.dimensions[axis].size != 1]
            # elements of a window are visited in order: ties and folds depend on it
            if real != sorted(real):
                return None
            return WindowAttributes(Window(tuple(window.dimensions[axis] for axis in permutation)))
    return attributes


def _reduce(
    rewriter: _Rewriter, builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """Reduce of one operand; its result has the twin's remaining dimensions."""
    value, initial = operands
    permutation = rewriter.permutation_of([value])
    if permutation is None:
        return None
    dropped = old.attributes_as(DimensionsAttributes).dimensions
    attributes = DimensionsAttributes(tuple(sorted(permutation.index(axis) for axis in dropped)))
    kept = [axis for axis in range(len(permutation)) if axis not in dropped]
    remaining = tuple(kept.index(axis) for axis in permutation if axis not in dropped)
    twin = _like(builder, old, [rewriter.permuted(builder, value, permutation), initial], attributes, remaining)
    return rewriter.result(builder, twin, remaining)


def _transposed(
    rewriter: _Rewriter, builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    (value,) = operands
    if value not in rewriter.twins:
        return None
    return rewriter.permuted(builder, value, old.attributes_as(DimensionsAttributes).dimensions)


# what stands between convolutions; of all that moves elements only that which is as cheap with channels first
_RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _same_dimensions),
    **dict.fromkeys(("pad", "concatenate", "slice", "reverse", "copy", "batch-norm-inference"), _same_dimensions),
    **dict.fromkeys(("reduce-window", "select-and-scatter"), _same_dimensions),
    "convolution": _convolution,
    "reduce": _reduce,
    "transpose": _transposed,
}
