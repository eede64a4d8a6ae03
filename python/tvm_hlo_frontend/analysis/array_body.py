"""The array program of a computation: what one kernel computes in place of many."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field, replace
from operator import attrgetter
from typing import Any, Union

import numpy as np

from ..hlo.ir.attributes import (
    ConstantAttributes,
    ConvolutionAttributes,
    DimensionsAttributes,
    DotAttributes,
    GatherAttributes,
    PadAttributes,
    ParameterAttributes,
    ScatterAttributes,
    SliceAttributes,
    SortAttributes,
    TopKAttributes,
    TupleIndexAttributes,
    WindowAttributes,
)
from ..hlo.ir.module import HloComputation, HloInstruction
from ..hlo.ir.shape import Shape
from ..hlo.opcodes import ELEMENTWISE
from .array_bits import recast
from .array_program import ArrayNode, ArrayProgram, scalar_node
from .array_selection import select_and_scatter
from .array_sums import wide_dot, wide_fold
from .scalar_body import node_attributes, scalar_body
from .scalar_expression import ScalarExpression, elementwise_expression

# nodes of one program with those inside it; beyond, compiling takes too long
MAX_NODES = 2000
MAX_ELEMENTS = 2**31 - 1
IDENTITIES = frozenset({"copy", "opt-barrier", "add-dependency"})
INLINED = frozenset({"call", "fusion"})
_WIDENED = {"convolution": wide_dot, "dot": wide_dot, "reduce": wide_fold, "reduce-window": wide_fold}
_WITH_BODY = frozenset({"reduce", "reduce-window", "scatter", "sort"})

# a node's index, or a tuple of them for an HLO tuple
ArrayValue = Union[int, "tuple[ArrayValue, ...]"]


class _NotAnArrayProgram(Exception):
    """Something that no array program says."""


@dataclass
class _Builder:
    """Nodes of one program, equal ones shared; arrays of constants are those of the whole kernel."""

    captured: list[np.ndarray]
    numbers: dict[ArrayNode, int] = field(default_factory=dict)

    def add(self, node: ArrayNode) -> int:
        if len(self.numbers) > MAX_NODES or math.prod(node.dimensions) > MAX_ELEMENTS:
            raise _NotAnArrayProgram
        return self.numbers.setdefault(node, len(self.numbers))


def array_programs(computations: Sequence[HloComputation]) -> tuple[list[ArrayProgram], list[np.ndarray]] | None:
    """Array programs of computations, and the constant arrays that they read; None where there is none.

    Calls and fusions are inlined, tuples resolved, equal nodes shared and dead ones dropped. Parameters are the leaves
    of the computation's parameters, in order.
    """
    captured: list[np.ndarray] = []
    try:
        return [_program(computation, captured) for computation in computations], captured
    except _NotAnArrayProgram:
        return None


def _program(computation: HloComputation, captured: list[np.ndarray]) -> ArrayProgram:
    builder = _Builder(captured)
    leaves = [leaf for parameter in computation.parameters for leaf in parameter.shape.leaves()]
    numbers = [builder.add(_node("parameter", leaf, (), (number,))) for number, leaf in enumerate(leaves)]
    arguments, first = [], 0
    for parameter in computation.parameters:
        count = len(parameter.shape.leaves())
        arguments.append(_structured(parameter.shape, numbers[first : first + count]))
        first += count
    root = _inline(builder, computation, arguments)
    return _live(ArrayProgram(tuple(builder.numbers), tuple(_flat(root))), len(leaves))


def _inline(builder: _Builder, computation: HloComputation, arguments: Sequence[ArrayValue]) -> ArrayValue:
    values: dict[HloInstruction, ArrayValue] = {}
    for instruction in computation.instructions:
        operands = [values[operand] for operand in instruction.operands]
        if isinstance(instruction.attributes, ParameterAttributes):
            values[instruction] = arguments[instruction.attributes.number]
        elif instruction.opcode in INLINED:
            values[instruction] = _inline(builder, instruction.called_computations[0], operands)
        else:
            values[instruction] = _value(builder, instruction, operands)
    return values[computation.root]


def _value(builder: _Builder, instruction: HloInstruction, operands: list[ArrayValue]) -> ArrayValue:
    attributes, opcode = instruction.attributes, instruction.opcode
    if opcode == "tuple":
        return tuple(operands)
    if isinstance(attributes, TupleIndexAttributes):
        part = operands[0]
        assert isinstance(part, tuple)
        return part[attributes.index]
    if opcode in IDENTITIES:
        return operands[0]
    if isinstance(attributes, ConstantAttributes):
        return _constant(builder, instruction, attributes.literal)
    if opcode in ("while", "conditional"):
        return _control(builder, instruction, operands)
    flat = tuple(number for operand in operands for number in _flat(operand))
    if opcode == "bitcast-convert" and not _keeps_width(instruction):
        source = instruction.operands[0].shape
        if "pred" in (source.element_type, instruction.shape.element_type) or not source.is_static:
            raise _NotAnArrayProgram
        return recast(builder.add, flat[0], source, instruction.shape)
    if opcode in ELEMENTWISE or opcode == "bitcast-convert":
        return builder.add(_node(opcode, instruction.shape, flat, node_attributes(instruction)))
    if opcode == "select-and-scatter":
        return _selected(builder, instruction, flat)
    if opcode == "map":
        return _mapped(builder, instruction, flat)
    if opcode not in _NUMBERS:
        raise _NotAnArrayProgram
    if opcode.startswith("dynamic-") and instruction.operands[-1].shape.rank:
        raise _NotAnArrayProgram  # old modules have the starts in a vector
    body = None
    if opcode == "topk":
        body = _order(instruction)
    elif opcode in _WITH_BODY:
        body = scalar_body(instruction.called_computations[0])
        if body is None or (opcode == "scatter" and len(operands) != 3):
            raise _NotAnArrayProgram
    folds = instruction.shape.is_tuple or opcode == "reduce-window"
    if folds and not instruction.operands[0].shape.rank:
        raise _NotAnArrayProgram  # the kernels of these take arrays
    if instruction.shape.is_tuple:
        return _several(
            builder, instruction.shape, ArrayNode(opcode, "", (), flat, _NUMBERS[opcode](instruction), (), body)
        )
    node = _node(opcode, instruction.shape, flat, _NUMBERS[opcode](instruction), body=body)
    if opcode in _WIDENED:
        return _WIDENED[opcode](builder.add, node, [operand.shape for operand in instruction.operands])
    return builder.add(node)


def _control(builder: _Builder, instruction: HloInstruction, operands: list[ArrayValue]) -> ArrayValue:
    """A loop or a choice."""
    called = instruction.called_computations
    if instruction.opcode == "while":
        called = (called[1], called[0])  # HLO has the body first
    programs = tuple(_program(computation, builder.captured) for computation in called)
    flat = tuple(number for operand in operands for number in _flat(operand))
    return _several(builder, instruction.shape, ArrayNode(instruction.opcode, "", (), flat, (), programs))


def _several(builder: _Builder, shape: Shape, node: ArrayNode) -> ArrayValue:
    """A node of several results, and one for each."""
    whole = builder.add(node)
    parts = [builder.add(_node("part", leaf, (whole,), (number,))) for number, leaf in enumerate(shape.leaves())]
    return _structured(shape, parts)


def _mapped(builder: _Builder, instruction: HloInstruction, operands: tuple[int, ...]) -> int:
    """A map: the operations of its body, on arrays."""
    body, sizes = scalar_body(instruction.called_computations[0]), instruction.shape.sizes
    if body is None:
        raise _NotAnArrayProgram
    numbers: list[int] = []
    for node in body.nodes:
        if node.opcode == "parameter":
            numbers.append(operands[int(node.attributes[0])])
        elif node.opcode == "constant":
            scalar = builder.add(ArrayNode("scalar", node.element_type, (), (), node.attributes))
            spread = ArrayNode("broadcast", node.element_type, sizes, (scalar,))
            numbers.append(builder.add(spread) if sizes else scalar)
        else:
            given = tuple(numbers[operand] for operand in node.operands)
            numbers.append(builder.add(ArrayNode(node.opcode, node.element_type, sizes, given, node.attributes)))
    return numbers[body.results[0]]


def _selected(builder: _Builder, instruction: HloInstruction, operands: tuple[int, ...]) -> int:
    """A select-and-scatter."""
    select, combine = (scalar_body(computation) for computation in instruction.called_computations)
    shapes = (instruction.operands[0].shape, instruction.operands[1].shape)
    if select is None or combine is None or not instruction.shape.rank:
        raise _NotAnArrayProgram
    return select_and_scatter(builder.add, operands, shapes, _windows(instruction)[0], (select, combine))


def _constant(builder: _Builder, instruction: HloInstruction, literal: Any) -> int:
    shape = instruction.shape
    if isinstance(literal, tuple) or not shape.is_array:
        raise _NotAnArrayProgram
    array = np.asarray(literal)
    flat = array.reshape(-1)
    if flat.size and flat.tobytes() == flat[:1].tobytes() * flat.size:
        scalar = builder.add(scalar_node(flat[0], shape.element_type))
        return builder.add(_node("broadcast", shape, (scalar,), ())) if shape.rank else scalar
    builder.captured.append(array)
    return builder.add(_node("captured", shape, (), (len(builder.captured) - 1,)))


def _node(opcode: str, shape: Shape, operands: tuple[int, ...], attributes: tuple[Any, ...], **rest: Any) -> ArrayNode:
    if not shape.is_array or not shape.is_static or 0 in shape.sizes:
        raise _NotAnArrayProgram
    return ArrayNode(opcode, shape.element_type, shape.sizes, operands, attributes, **rest)


def _structured(shape: Shape, numbers: Sequence[int]) -> ArrayValue:
    left = iter(numbers)

    def build(part: Shape) -> ArrayValue:
        return tuple(build(inner) for inner in part.tuple_shapes) if part.is_tuple else next(left)

    return build(shape)


def _flat(value: ArrayValue) -> list[int]:
    return [number for part in value for number in _flat(part)] if isinstance(value, tuple) else [value]


def _live(program: ArrayProgram, parameters: int) -> ArrayProgram:
    """The program without what no result needs; parameters stay."""
    needed = set(range(parameters)) | set(program.results)
    for index in reversed(range(len(program.nodes))):
        if index in needed:
            needed.update(program.nodes[index].operands)
    kept = sorted(needed)
    place = {old: new for new, old in enumerate(kept)}
    nodes = []
    for old in kept:
        node = program.nodes[old]
        operands = tuple(place[operand] for operand in node.operands)
        nodes.append(replace(node, operands=operands))
    return ArrayProgram(tuple(nodes), tuple(place[result] for result in program.results))


def _keeps_width(instruction: HloInstruction) -> bool:
    return instruction.shape.bits == instruction.operands[0].shape.bits


def _no_numbers(instruction: HloInstruction) -> tuple[Any, ...]:
    return ()


def _dimensions(instruction: HloInstruction) -> tuple[Any, ...]:
    return tuple(instruction.attributes_as(DimensionsAttributes).dimensions)


def _dot(instruction: HloInstruction) -> tuple[Any, ...]:
    numbers = instruction.attributes_as(DotAttributes).dimension_numbers
    contracting = tuple(zip(numbers.lhs_contracting, numbers.rhs_contracting))
    return contracting, tuple(zip(numbers.lhs_batch, numbers.rhs_batch))


def _convolution(instruction: HloInstruction) -> tuple[Any, ...]:
    attributes = instruction.attributes_as(ConvolutionAttributes)
    windows = tuple(astuple(window) for window in attributes.window.dimensions)
    numbers = astuple(attributes.dimension_numbers)
    return windows, numbers, attributes.feature_group_count, attributes.batch_group_count


def _numbers_of(kind: type, names: str) -> Callable[[HloInstruction], tuple[Any, ...]]:
    """Fields of attributes of one class."""
    return lambda instruction: attrgetter(*names.split())(instruction.attributes_as(kind))


def _windows(instruction: HloInstruction) -> tuple[Any, ...]:
    windows = instruction.attributes_as(WindowAttributes).window.dimensions
    taps = [(w.size, w.stride, w.padding_low, w.padding_high, w.window_dilation, w.base_dilation) for w in windows]
    return tuple(taps), instruction.shape.arrays()[0].sizes


def _sorted_dimension(instruction: HloInstruction) -> tuple[Any, ...]:
    return (instruction.attributes_as(SortAttributes).dimension,)


def _first_ones(instruction: HloInstruction) -> tuple[Any, ...]:
    return (instruction.attributes_as(TopKAttributes).k,)


def _order(instruction: HloInstruction) -> ScalarExpression:
    """The comparator of a topk."""
    shape = instruction.operands[0].shape
    order = {"float": "TOTALORDER", "signed": "SIGNED"}.get(shape.kind, "UNSIGNED")
    direction = "GT" if instruction.attributes_as(TopKAttributes).largest else "LT"
    return elementwise_expression("compare", "pred", (shape.element_type,) * 2, (direction, order))


# attributes of a node by opcode
_NUMBERS: dict[str, Callable[[HloInstruction], tuple[Any, ...]]] = {
    "broadcast": _dimensions,
    "concatenate": _dimensions,
    "convolution": _convolution,
    "dot": _dot,
    "dynamic-slice": _no_numbers,
    "dynamic-update-slice": _no_numbers,
    "gather": _numbers_of(
        GatherAttributes,
        "offset_dims collapsed_slice_dims start_index_map index_vector_dim slice_sizes operand_batching_dims "
        "start_indices_batching_dims",
    ),
    "iota": _dimensions,
    "pad": _numbers_of(PadAttributes, "low interior"),
    "reduce": _dimensions,
    "reduce-window": _windows,
    "reshape": _no_numbers,
    "reverse": _dimensions,
    "scatter": _numbers_of(
        ScatterAttributes,
        "update_window_dims inserted_window_dims scatter_dims_to_operand_dims index_vector_dim input_batching_dims "
        "scatter_indices_batching_dims",
    ),
    "slice": _numbers_of(SliceAttributes, "starts strides"),
    "sort": _sorted_dimension,
    "topk": _first_ones,
    "transpose": _dimensions,
}
