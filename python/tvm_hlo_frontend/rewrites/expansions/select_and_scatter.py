"""select-and-scatter of complex numbers as a reduce-window that finds positions and a scatter (rule 69)."""

from __future__ import annotations

from typing import Any

from ...hlo.ir.attributes import DimensionsAttributes, ScatterAttributes
from ...hlo.ir.builder import ComputationBuilder, RewriteBuilder
from ...hlo.ir.module import HloComputation, HloInstruction
from ...hlo.ir.shape import Shape, array_shape, tuple_shape
from ..complex.bodies import inline
from ..complex.pair import is_complex
from ..emit import Emitter
from ..expansion import Expansion

POINTS = ScatterAttributes((), (0,), (0,), 1)


def _is_complex(instruction: HloInstruction) -> bool:
    """Whether it is of complex numbers; the kernel takes one number per element."""
    return is_complex(instruction.shape) and instruction.shape.is_static


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    emit, (x, source, init) = Emitter(builder, instruction.metadata), operands
    select, combine = (builder.rewritten(computation) for computation in instruction.called_computations)
    count = x.shape.element_count
    kind = "s32" if count < 1 << 31 else "s64"
    places = emit("iota", shape=array_shape(kind, (count,)), attributes=DimensionsAttributes((0,)))
    places = emit.reshape(places, x.shape.dimensions)
    element, place = array_shape(x.shape.element_type), array_shape(kind)
    found = emit(
        "reduce-window",
        x,
        places,
        emit.full(0, element),
        emit.full(-1, place),
        shape=tuple_shape(*(array_shape(part.element_type, source.shape.dimensions) for part in (element, place))),
        attributes=instruction.attributes,
        called=[_choice(select, element, place)],
    )
    # a window without elements has chosen the place -1, which the scatter leaves out
    chosen = emit.reshape(emit.element(found, 1), (source.shape.element_count, 1))
    updates = emit.reshape(source, (source.shape.element_count,))
    filled = emit.along(init, array_shape(element.element_type, (count,)), ())
    scattered = emit("scatter", filled, chosen, updates, attributes=POINTS, called=[combine])
    return emit.reshape(scattered, x.shape.dimensions)


def _choice(select: HloComputation, element: Shape, place: Shape) -> HloComputation:
    """(value, place) of the accumulator while `select` holds for it and a candidate, else of the candidate."""
    builder = ComputationBuilder(f"{select.name}_choice")
    emit = Emitter(builder)
    value, at, candidate, there = (
        builder.parameter(number, shape) for number, shape in enumerate((element, place, element, place))
    )
    keep: Any = inline(emit, select, [value, candidate])
    keep = emit("and", keep, emit.compare("GE", at, 0))
    return builder.build(emit.tuple([emit.select(keep, value, candidate), emit.select(keep, at, there)]))


EXPANSIONS = {"select-and-scatter": Expansion(_expand, _is_complex)}
