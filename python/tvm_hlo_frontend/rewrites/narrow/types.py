"""Tensors of narrow element types in wider ones, rounded after every operation that can leave the type.

bf16, f8 and f4 are carried as f32 with values that the type has, 1, 2 and 4 bit integers as s8 and u8. Parameters and
results of the entry computation, and large constants, stay narrow (``hlo/ir/storage.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...hlo.ir.attributes import ConstantAttributes, Literal
from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloComputation, HloInstruction, HloModule
from ...hlo.ir.shape import Shape, array_shape
from ...hlo.ir.storage import STORAGE
from ...hlo.opcodes import MOVES_ELEMENTS, MOVES_VALUES
from ..boundary import contains, transform_with_stored_boundary
from ..capabilities import Capabilities
from ..emit import Emitter
from . import integers
from .bitcasts import bitcast_convert
from .bodies import plain_body, plain_opcode
from .floats import (
    FORMATS,
    NARROW_FLOATS,
    POWERS_OF_TWO,
    after_arithmetic,
    carried_values,
    converted,
    from_bits,
    positive_nan,
    to_bits,
)
from .integers import NARROW_INTEGERS, wrapped

NARROW_TYPES = NARROW_FLOATS | NARROW_INTEGERS
# larger constants stay in their stored form and are expanded where they are used
LARGE_CONSTANT_ELEMENTS = 64

# results of these are elements of their operands, or constants; collectives on one device too
_MOVEMENT = (
    MOVES_ELEMENTS
    | MOVES_VALUES
    | frozenset(
        """
        after-all all-gather all-to-all bitcast clamp collective-broadcast collective-permute constant custom-call map
        maximum minimum scatter scan select select-and-scatter sort topk
        """.split()
    )
)
# opcodes whose results have the element type if their operands have it; the bodies of some round for themselves
CLOSED_FOR_FLOATS = frozenset({*_MOVEMENT, "abs", "negate", "ceil", "floor", "round-nearest-afz", "round-nearest-even"})
CLOSED_FOR_INTEGERS = frozenset({*_MOVEMENT, "and", "or", "xor", "remainder", "sign"})
# f8 without a negative zero, or without a zero: even a change of sign may leave the type
IRREGULAR_FLOATS = frozenset(name for name in NARROW_FLOATS if name.endswith("fnuz")) | {POWERS_OF_TWO}


def carrier(element_type: str) -> str:
    """Element type that carries the values of a narrow one."""
    return "f32" if element_type in NARROW_FLOATS else STORAGE[element_type]


def widen_narrow_types(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` without narrow element types that the dialect does not carry.

    Parameters
    ----------
    module : HloModule
    capabilities : Capabilities
        Of its element types those not in `NARROW_TYPES` play no part.

    Returns
    -------
    HloModule
        Narrow entry parameters and results in their stored form.

    Notes
    -----
    Results equal XLA's without excess precision (``xla_allow_excess_precision=False``), except that a reduce or
    reduce-window whose body is a plain sum or product rounds once, at its end.
    """
    narrow = NARROW_TYPES - capabilities.element_types
    if not any(contains(instruction.shape, narrow) for instruction in module.instructions):
        return module
    return transform_with_stored_boundary(module, narrow, _expand, _pack, _Rewriter(narrow).replacement)


@dataclass(frozen=True)
class _Rewriter:
    narrow: frozenset[str]

    def replacement(
        self, builder: RewriteBuilder, emit: Emitter, old: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        touched = any(contains(value.shape, self.narrow) for value in (old, *old.operands))
        if not touched:
            return None
        rule = _RULES.get(old.opcode)
        found = rule(self, emit, old, operands) if rule is not None else None
        if found is not None:
            return found
        return self.rounded(emit, old, self.carried(builder, old, operands))

    def carried(
        self, builder: RewriteBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
    ) -> HloInstruction:
        """`old` on the carriers."""
        called = [builder.rewritten(computation) for computation in old.called_computations]
        shape = self.carried_shape(old.shape)
        return builder.add(old.opcode, operands, shape, old.attributes, called, name=old.name, metadata=old.metadata)

    def carried_shape(self, shape: Shape) -> Shape:
        return shape.map_arrays(self._carried_array)

    def _carried_array(self, shape: Shape) -> Shape:
        if shape.element_type not in self.narrow:
            return shape
        return Shape(carrier(shape.element_type), shape.dimensions, shape.minor_to_major)

    def rounded(self, emit: Emitter, old: HloInstruction, value: HloInstruction) -> HloInstruction:
        """`value` in the type of `old`, if its opcode can leave it."""
        element_type = old.shape.element_type
        if element_type not in self.narrow:
            return value
        if element_type in NARROW_INTEGERS:
            return value if old.opcode in CLOSED_FOR_INTEGERS else wrapped(emit, value, element_type)
        closed = old.opcode in CLOSED_FOR_FLOATS
        if closed and (old.opcode in _MOVEMENT or element_type not in IRREGULAR_FLOATS):
            return value
        return after_arithmetic(emit, value, element_type)


def _expand(emit: Emitter, stored: HloInstruction, shape: Shape) -> HloInstruction:
    if shape.element_type in NARROW_INTEGERS:
        return stored
    return from_bits(emit, stored, shape.element_type)


def _pack(emit: Emitter, value: HloInstruction, shape: Shape) -> HloInstruction:
    if shape.element_type in NARROW_INTEGERS:
        return value
    return to_bits(emit, value, shape.element_type)


# rules: (rewriter, emitter, old instruction, new operands) -> replacement, or None for the general treatment

Rule = Callable[[_Rewriter, Emitter, HloInstruction, "tuple[HloInstruction, ...]"], "HloInstruction | None"]


def _constant(
    rewriter: _Rewriter, emit: Emitter, old: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    literal, name = old.attributes_as(ConstantAttributes).literal, old.shape.element_type
    if isinstance(literal, np.ndarray) and name in NARROW_FLOATS and literal.size > LARGE_CONSTANT_ELEMENTS:
        stored = STORAGE[name]
        bits = np.ascontiguousarray(literal).view(array_shape(stored).numpy_dtype)
        return from_bits(emit, emit.builder.constant(bits, stored, name=old.name), name)
    shape = rewriter.carried_shape(old.shape)
    attributes = ConstantAttributes(_carried_literal(literal, old.shape, shape))
    return emit.builder.add("constant", (), shape, attributes, name=old.name, metadata=old.metadata)


def _carried_literal(literal: Literal, old: Shape, new: Shape) -> Literal:
    if isinstance(literal, tuple):
        shapes = zip(literal, old.tuple_shapes, new.tuple_shapes)
        return tuple(_carried_literal(part, before, after) for part, before, after in shapes)
    is_float = old.element_type in NARROW_FLOATS and old.element_type != new.element_type
    return carried_values(literal, old.element_type) if is_float else literal.astype(new.numpy_dtype)


def _parameter(
    rewriter: _Rewriter, emit: Emitter, old: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction:
    shape = rewriter.carried_shape(old.shape)
    return emit.builder.add("parameter", (), shape, old.attributes, name=old.name, metadata=old.metadata)


def _convert(
    rewriter: _Rewriter, emit: Emitter, old: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction:
    (x,) = operands
    source, target = old.operands[0].shape.element_type, old.shape.element_type
    if source == target:
        return x
    if source in FORMATS and not FORMATS[source].negative_zero:
        x = positive_nan(emit, x)
    if target in NARROW_FLOATS & rewriter.narrow:
        # an f64 must not be rounded twice on its way to 8 bits; XLA:CPU does so for bf16
        through = "f64" if source == "f64" and target != "bf16" else "f32"
        wide = emit.convert(x, through)
        exact = source in NARROW_FLOATS and target == "bf16"
        return wide if exact else converted(emit, wide, target)
    if target in NARROW_INTEGERS & rewriter.narrow:
        if x.shape.kind == "float":
            return integers.saturated(emit, x, target)
        return wrapped(emit, emit.convert(x, carrier(target)), target)
    return emit.convert(x, target)


def _reduce_precision(
    rewriter: _Rewriter, emit: Emitter, old: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """Formats of 8 bits and less have their subnormal numbers in f16, where XLA computes: there they are no others."""
    if old.shape.element_type not in FORMATS:
        return None
    half = emit("reduce-precision", emit.convert(operands[0], "f16"), attributes=old.attributes)
    return after_arithmetic(emit, emit.convert(half, "f32"), old.shape.element_type)


def _power(
    rewriter: _Rewriter, emit: Emitter, old: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """XLA computes 8 bits in f16, and converting to it makes NaN quiet: pow(1, NaN) is 1 for quiet ones alone."""
    element_type = old.shape.element_type
    if element_type not in FORMATS:
        return None
    quiet = [positive_nan(emit, operand) for operand in operands]
    return rewriter.rounded(emit, old, emit("power", *quiet))


def _bitcast_convert(
    rewriter: _Rewriter, emit: Emitter, old: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction:
    source = old.operands[0].shape.element_type
    return operands[0] if source == old.shape.element_type else bitcast_convert(emit, operands[0], source, old.shape)


def _reduction(
    rewriter: _Rewriter, emit: Emitter, old: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """A plain body stays one opcode on the carriers, which patterns recognise; the result is rounded once."""
    (body,), element_type = old.called_computations, old.shape.element_type
    opcode = plain_opcode(body, element_type)
    if opcode is None or element_type not in rewriter.narrow:
        return None  # accumulators of another type than the elements
    new_body = plain_body(body.name, opcode, carrier(element_type))
    value = _with_body(rewriter, emit, old, operands, new_body)
    return value if opcode in ("maximum", "minimum") else rewriter.rounded(emit, old, value)


def _with_body(
    rewriter: _Rewriter, emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction], body: HloComputation
) -> HloInstruction:
    shape = rewriter.carried_shape(old.shape)
    return emit.builder.add(old.opcode, operands, shape, old.attributes, [body], name=old.name, metadata=old.metadata)


def _on_integers(rule: Callable[..., HloInstruction]) -> Rule:
    """Rule for the narrow integers only."""

    def apply(
        rewriter: _Rewriter, emit: Emitter, old: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        element_type = old.shape.element_type
        return rule(emit, *operands, element_type) if element_type in NARROW_INTEGERS else None

    return apply


_RULES: dict[str, Rule] = {
    "bitcast-convert": _bitcast_convert,
    "constant": _constant,
    "convert": _convert,
    "count-leading-zeros": _on_integers(integers.leading_zeros),
    "mulhi": _on_integers(integers.high_product),
    "parameter": _parameter,
    "popcnt": _on_integers(integers.population_count),
    "power": _power,
    "reduce": _reduction,
    "reduce-precision": _reduce_precision,
    "reduce-window": _reduction,
    "shift-right-arithmetic": _on_integers(integers.shift_right_arithmetic),
    "shift-right-logical": _on_integers(integers.shift_right_logical),
}
