"""Complex tensors as pairs of real ones.

Inside the module a complex array is a tuple of its components, so tuples, loops and branches carry them as they are.
Entry parameters and results are arrays of real numbers with a last dimension of 2 (``hlo/ir/storage.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...hlo.ir.attributes import CompareAttributes, ConstantAttributes, Literal, TupleIndexAttributes
from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloComputation, HloInstruction, HloModule
from ...hlo.ir.shape import Shape
from ...hlo.opcodes import MOVES_ELEMENTS, MOVES_VALUES
from ..boundary import contains, transform_with_stored_boundary
from ..capabilities import Capabilities
from ..emit import Emitter, plain
from .arithmetic import magnitude
from .bodies import Leaf, flat_body, is_separable
from .contractions import contracted
from .functions import BINARY, UNARY
from .order import compare, maximum, minimum
from .pair import COMPLEX_TYPES, COMPONENT, Pair, component_shape, components, is_complex, paired_shape

# the same on both components
MOVEMENT = MOVES_ELEMENTS | {"select"}
# carry values without looking at them, so that a tuple of components serves as well
STRUCTURE = MOVES_VALUES

# for the support table: opcodes that never reach a converter
UNPAIRED = {
    "complex": "the pair of its operands, as all complex numbers are pairs of real ones",
    "imag": "the second of the pair",
    "real": "the first of the pair",
}


def split_complex(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` without complex numbers.

    Parameters
    ----------
    module : HloModule
    capabilities : Capabilities

    Returns
    -------
    HloModule
        Complex entry parameters and results in their stored form. What cannot be rewritten stays as it is, between
        complex, real and imag instructions.
    """
    missing = COMPLEX_TYPES - capabilities.element_types
    if not any(contains(instruction.shape, missing) for instruction in module.instructions):
        return module
    return transform_with_stored_boundary(module, COMPLEX_TYPES, _expand, _pack, _replacement)


def _replacement(
    builder: RewriteBuilder, emit: Emitter, old: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    if old.opcode == "get-tuple-element":
        return emit.element(operands[0], old.attributes_as(TupleIndexAttributes).index)
    if not any(contains(value.shape, COMPLEX_TYPES) for value in (old, *old.operands)):
        # real and imag of real numbers are allowed too
        real = {"real": _real, "imag": _imag}.get(old.opcode)
        return None if real is None else real(emit, old, operands)
    called = [builder.rewritten(computation) for computation in old.called_computations]
    if old.opcode in STRUCTURE or _is_identity_call(old):
        return _structure(emit, old, operands, called)
    rule = _RULES.get(old.opcode)
    result: Pair | HloInstruction | None = None
    if old.opcode in _BODY_RULES:
        result = _BODY_RULES[old.opcode](emit, old, operands, called[0])
    elif rule is not None:
        result = rule(emit, old, operands)
    if result is None:
        result = _unchanged(emit, old, operands, called)
    return emit.tuple(result) if isinstance(result, Pair) else result


def _expand(emit: Emitter, stored: HloInstruction, shape: Shape) -> HloInstruction:
    parts = (emit.slice(stored, shape.rank, index, index + 1) for index in (0, 1))
    return emit.tuple([emit.reshape(part, shape.dimensions) for part in parts])


def _pack(emit: Emitter, value: HloInstruction, shape: Shape) -> HloInstruction:
    parts = [emit.reshape(part, (*shape.dimensions, 1)) for part in components(emit, value)]
    return emit.concatenate(parts, shape.rank)


def _operands(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> list[Pair | HloInstruction]:
    """New operands, complex ones as pairs."""
    return [components(emit, new) if is_complex(operand.shape) else new for operand, new in zip(old.operands, operands)]


def _is_identity_call(old: HloInstruction) -> bool:
    """A custom-call that may hand over its only operand, as sharding annotations do."""
    return old.opcode == "custom-call" and [operand.shape for operand in old.operands] == [old.shape]


def _structure(
    emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction], called: Sequence[HloComputation]
) -> HloInstruction:
    return emit.builder.add(
        old.opcode, operands, paired_shape(old.shape), old.attributes, called, name=old.name, metadata=old.metadata
    )


def _unchanged(
    emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction], called: Sequence[HloComputation]
) -> HloInstruction:
    """The instruction on complex numbers: a converter may know it, else the report names it."""
    del called  # bodies keep their complex parameters
    inputs = [
        emit("complex", *components(emit, new)) if is_complex(operand.shape) else new
        for operand, new in zip(old.operands, operands)
    ]
    value = emit.builder.add(
        old.opcode, inputs, old.shape, old.attributes, old.called_computations, name=old.name, metadata=old.metadata
    )
    return _split_value(emit, value)


def _split_value(emit: Emitter, value: HloInstruction) -> HloInstruction:
    if value.shape.is_tuple:
        parts = (emit.element(value, index) for index in range(len(value.shape.tuple_shapes)))
        return emit.tuple([_split_value(emit, part) for part in parts])
    return emit.tuple([emit("real", value), emit("imag", value)]) if is_complex(value.shape) else value


# rules: (emitter, old instruction, new operands) -> replacement, or None where there is none

Rule = Callable[[Emitter, HloInstruction, Sequence[HloInstruction]], "Pair | HloInstruction | None"]


def _movement(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> Pair:
    def part(index: int) -> HloInstruction:
        inputs = [x[index] if isinstance(x, Pair) else x for x in _operands(emit, old, operands)]
        return emit(old.opcode, *inputs, shape=component_shape(old.shape), attributes=old.attributes)

    return Pair(part(0), part(1))


def _unary(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> Pair:
    return UNARY[old.opcode](emit, components(emit, operands[0]))


def _binary(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> Pair:
    first, second = (components(emit, operand) for operand in operands)
    return BINARY[old.opcode](emit, first, second)


def _bitcast_convert(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> HloInstruction | None:
    """Complex numbers are only ever reinterpreted as themselves."""
    return operands[0] if old.shape.element_type == old.operands[0].shape.element_type else None


def _abs(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> HloInstruction:
    return magnitude(emit, components(emit, operands[0]))


def _size(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> HloInstruction:
    """get-dimension-size: both components have it."""
    return emit(old.opcode, components(emit, operands[0]).re, shape=old.shape, attributes=old.attributes)


def _real(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> HloInstruction:
    return components(emit, operands[0]).re if is_complex(old.operands[0].shape) else operands[0]


def _imag(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> HloInstruction:
    if is_complex(old.operands[0].shape):
        return components(emit, operands[0]).im
    return emit.full(0, plain(old.shape))


def _complex(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> Pair:
    return Pair(*operands)


def _compare(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> HloInstruction:
    first, second = (components(emit, operand) for operand in operands)
    return compare(emit, old.attributes_as(CompareAttributes).direction, first, second)


def _clamp(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> Pair:
    """min(max(low, value), high), in the order of `minimum` and `maximum`; limits may be scalars."""

    def filled(operand: HloInstruction) -> Pair:
        z = components(emit, operand)
        return z if z.re.shape.dimensions else Pair(*(emit.along(part, old.shape, ()) for part in z))

    low, value, high = (filled(operand) if old.shape.dimensions else components(emit, operand) for operand in operands)
    return minimum(emit, maximum(emit, low, value), high)


def _constant(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> HloInstruction:
    return _split_literal(emit, old, old.attributes_as(ConstantAttributes).literal, old.shape)


def _split_literal(emit: Emitter, old: HloInstruction, literal: Literal, shape: Shape) -> HloInstruction:
    if isinstance(literal, tuple):
        return emit.tuple([_split_literal(emit, old, *part) for part in zip(literal, shape.tuple_shapes)])
    if not is_complex(shape):
        return emit.builder.constant(literal, shape.element_type, name=old.name)
    parts = (np.asarray(part, order="C") for part in (literal.real, literal.imag))
    return emit.tuple([emit.builder.constant(part, COMPONENT[shape.element_type], name=old.name) for part in parts])


def _iota(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> Pair:
    shape = plain(component_shape(old.shape))
    return Pair(emit("iota", shape=shape, attributes=old.attributes), emit.full(0, shape))


def _convert(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> Pair | HloInstruction:
    """To a real type the imaginary part is dropped, from one it is 0 (rule 31)."""
    (x,), target = _operands(emit, old, operands), old.shape.element_type
    if is_complex(old.shape):
        kind = COMPONENT[target]
        if isinstance(x, Pair):
            return Pair(emit.convert(x.re, kind), emit.convert(x.im, kind))
        real = emit.convert(x, kind)
        return Pair(real, emit.full(0, plain(real.shape)))
    assert isinstance(x, Pair)
    if target != "pred":
        return emit.convert(x.re, target)
    return emit("or", emit.compare("NE", x.re, 0), emit.compare("NE", x.im, 0))


def _contraction(
    emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]
) -> Pair | HloInstruction | None:
    if not is_complex(old.shape):
        return None
    shape = component_shape(old.shape)
    x, y = _operands(emit, old, operands)[:2]

    def contract(x: HloInstruction, y: HloInstruction) -> HloInstruction:
        # behind them, ragged-dot has its group sizes
        return emit(old.opcode, x, y, *operands[2:], shape=shape, attributes=old.attributes)

    if not (isinstance(x, Pair) or isinstance(y, Pair)):
        real = contract(x, y)
        return Pair(real, emit.full(0, plain(shape)))
    return contracted(emit, x, y, contract)


def _collective(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> HloInstruction:
    return _each_component(emit, old, operands, [])


def _each_component(
    emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction], called: Sequence[HloComputation]
) -> HloInstruction:
    """A collective of its own for every component of every operand: they have nothing to do with each other."""

    def one(x: HloInstruction, shape: Shape) -> HloInstruction:
        return emit.builder.add(
            old.opcode, [x], plain(shape), old.attributes, called, name=old.name, metadata=old.metadata
        )

    values = [
        emit.tuple([one(part, component_shape(shape)) for part in components(emit, x)])
        if is_complex(shape)
        else one(x, shape)
        for x, shape in zip(operands, old.shape.parts)
    ]
    return emit.tuple(values) if old.shape.is_tuple else values[0]


def _all_to_all(emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]) -> Pair | HloInstruction:
    """Without a dimension there is an operand and a result per device."""
    if not old.shape.is_tuple:
        return _movement(emit, old, operands)
    shape = Shape("tuple", tuple_shapes=tuple(component_shape(part) for part in old.shape.tuple_shapes))
    pairs = [components(emit, operand) for operand in operands]
    parts = [
        emit(old.opcode, *(pair[index] for pair in pairs), shape=shape, attributes=old.attributes) for index in (0, 1)
    ]
    return emit.tuple([emit.tuple([emit.element(part, i) for part in parts]) for i in range(len(pairs))])


_RULES: dict[str, Rule] = {
    **dict.fromkeys(MOVEMENT, _movement),
    **dict.fromkeys(("all-gather", "collective-broadcast", "collective-permute"), _collective),
    **dict.fromkeys(UNARY, _unary),
    **dict.fromkeys(BINARY, _binary),
    "abs": _abs,
    "get-dimension-size": _size,
    "all-to-all": _all_to_all,
    "bitcast-convert": _bitcast_convert,
    "clamp": _clamp,
    "compare": _compare,
    "complex": _complex,
    "constant": _constant,
    "convert": _convert,
    "convolution": _contraction,
    "dot": _contraction,
    "imag": _imag,
    "iota": _iota,
    "ragged-dot": _contraction,
    "real": _real,
}


# rules of opcodes with bodies: (emitter, old instruction, new operands, rewritten body) -> replacement

BodyRule = Callable[[Emitter, HloInstruction, Sequence[HloInstruction], HloComputation], HloInstruction]


def _leaves(number: int, shape: Shape) -> list[Leaf]:
    return [(number, 0), (number, 1)] if is_complex(shape) else [(number, None)]


def _flat(emit: Emitter, shapes: Sequence[Shape], values: Sequence[HloInstruction]) -> list[HloInstruction]:
    return [
        part
        for shape, value in zip(shapes, values)
        for part in (components(emit, value) if is_complex(shape) else (value,))
    ]


def _gathered(emit: Emitter, shapes: Sequence[Shape], parts: list[HloInstruction]) -> HloInstruction:
    """A value of `shapes`, complex ones as tuples, from flat parts."""
    values = [emit.tuple([parts.pop(0), parts.pop(0)]) if is_complex(shape) else parts.pop(0) for shape in shapes]
    return values[0] if len(values) == 1 else emit.tuple(values)


def _variadic(
    emit: Emitter,
    old: HloInstruction,
    operands: Sequence[HloInstruction],
    called: Sequence[HloComputation],
) -> HloInstruction:
    """`old` on flat operands with a flat body, gathered again."""
    shapes = [operand.shape for operand in old.operands]
    flat = _flat(emit, shapes, operands)
    results = old.shape.parts
    count = sum(2 if is_complex(shape) else 1 for shape in results)
    parts = [part for shape in results for part in ([component_shape(shape)] * 2 if is_complex(shape) else [shape])]
    shape = parts[0] if count == 1 else Shape("tuple", tuple_shapes=tuple(parts))
    value = emit(old.opcode, *flat, shape=shape, attributes=old.attributes, called=called)
    leaves = [value] if count == 1 else [emit.element(value, index) for index in range(count)]
    return _gathered(emit, results, leaves)


def _parameter_shapes(old: HloInstruction) -> list[Shape]:
    return [parameter.shape for parameter in old.called_computations[0].parameters]


def _folding(
    emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction], body: HloComputation
) -> HloInstruction:
    """reduce, reduce-window, scatter: a body that never mixes the components, as a sum, becomes two."""
    shapes = _parameter_shapes(old)
    order = [leaf for number, shape in enumerate(shapes) for leaf in _leaves(number, shape)]
    flat = flat_body(body, shapes, order)
    if len(shapes) != 2 or not is_separable(flat):
        return _variadic(emit, old, operands, [flat])
    inputs = _operands(emit, old, operands)

    def part(index: int) -> HloInstruction:
        own = flat_body(body, shapes, [(0, index), (1, index)], [index])
        chosen = [x[index] if isinstance(x, Pair) else x for x in inputs]
        return emit(old.opcode, *chosen, shape=component_shape(old.shape), attributes=old.attributes, called=[own])

    return emit.tuple([part(0), part(1)])


def _sort(
    emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction], body: HloComputation
) -> HloInstruction:
    """Comparators take left and right of each operand in turn (rule 71)."""
    shapes = _parameter_shapes(old)
    order: list[Leaf] = []
    for number in range(0, len(shapes), 2):
        for left, right in zip(_leaves(number, shapes[number]), _leaves(number + 1, shapes[number + 1])):
            order += [left, right]
    return _variadic(emit, old, operands, [flat_body(body, shapes, order)])


def _map(
    emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction], body: HloComputation
) -> HloInstruction:
    """One map for each component of the result."""
    shapes = _parameter_shapes(old)
    order = [leaf for number, shape in enumerate(shapes) for leaf in _leaves(number, shape)]
    flat = _flat(emit, [operand.shape for operand in old.operands], operands)
    result = component_shape(old.shape) if is_complex(old.shape) else old.shape

    def part(index: int) -> HloInstruction:
        own = flat_body(body, shapes, order, [index])
        return emit("map", *flat, shape=result, attributes=old.attributes, called=[own])

    return emit.tuple([part(0), part(1)]) if is_complex(old.shape) else part(0)


def _reducing_collective(
    emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction], body: HloComputation
) -> HloInstruction:
    """On one device there is nothing to reduce; several are refused whatever the body."""
    own = flat_body(body, _parameter_shapes(old), [(0, 0), (1, 0)], [0])
    return _each_component(emit, old, operands, [own])


_BODY_RULES: dict[str, BodyRule] = {
    "all-reduce": _reducing_collective,
    "map": _map,
    "reduce": _folding,
    "reduce-scatter": _reducing_collective,
    "reduce-window": _folding,
    "scatter": _folding,
    "sort": _sort,
}
