"""Shapes that follow from opcode, operands and attributes, by XLA's rules; one module per family of opcodes."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import HloVerificationError
from ..ir.attributes import Attributes, NoAttributes, of_class
from ..ir.module import HloComputation
from ..ir.shape import Shape, Symbol
from ..opcodes import ELEMENTWISE
from . import collectives, contractions, control, elementwise, indexing, movement, reductions, tensors
from .rules import Query, RuleTable, bounded, compatible, has_symbols, has_unbounded
from .signatures import ATTRIBUTE_TYPES, CALLED_COUNTS, OPERAND_COUNTS

__all__ = ["check_shape", "infer_shape"]
RULES = RuleTable.of(
    collectives.table,
    contractions.table,
    control.table,
    elementwise.table,
    indexing.table,
    movement.table,
    reductions.table,
    tensors.table,
).entries


def infer_shape(
    opcode: str,
    operands: Sequence[Shape],
    attributes: Attributes | None = None,
    called_computations: Sequence[HloComputation] = (),
    declared: Shape | None = None,
) -> Shape | None:
    """Shape of an instruction.

    Parameters
    ----------
    opcode : str
    operands : sequence of Shape
    attributes : Attributes, optional
    called_computations : sequence of HloComputation
    declared : Shape, optional
        Tells what operands do not: the element type of a convert or a product, new dimensions of a broadcast.

    Returns
    -------
    Shape or None
        None where the shape does not follow: constants, parameters, iota, reshape, convert, custom calls …, and
        dimensions of which nothing is known but a name or a bound in anything but elementwise opcodes.

    Raises
    ------
    HloVerificationError
        If operands, attributes or called computations do not fit the opcode.
    """
    attributes = NoAttributes() if attributes is None else attributes
    result = _apply(opcode, tuple(operands), attributes, tuple(called_computations), declared)
    if result is None or all(operand.is_static or not has_symbols(operand) for operand in operands):
        return result
    return _restore_symbols(result, operands) if opcode in ELEMENTWISE else None


def check_shape(
    opcode: str,
    operands: Sequence[Shape],
    attributes: Attributes,
    called_computations: Sequence[HloComputation],
    declared: Shape,
) -> None:
    """Check that an instruction may have the shape `declared`.

    Raises
    ------
    HloVerificationError
        If it may not; the message says what was expected.
    """
    result = _apply(opcode, tuple(operands), attributes, tuple(called_computations), declared)
    if result is not None and not compatible(result, declared):
        raise HloVerificationError(f"expected shape {result}, found {declared}")


def _apply(
    opcode: str,
    operands: tuple[Shape, ...],
    attributes: Attributes,
    called: tuple[HloComputation, ...],
    declared: Shape | None,
) -> Shape | None:
    if opcode not in OPERAND_COUNTS:
        raise HloVerificationError(f"unknown opcode {opcode!r}")
    _check_count(len(operands), OPERAND_COUNTS[opcode], "operands")
    _check_count(len(called), CALLED_COUNTS[opcode], "called computations")
    of_class(attributes, ATTRIBUTE_TYPES[opcode])
    rule = RULES.get(opcode)
    if rule is None:
        return None
    if any(has_unbounded(shape) for shape in operands) and opcode not in ELEMENTWISE:
        return None
    limits = None if declared is None else bounded(declared)
    return rule(Query(opcode, tuple(bounded(shape) for shape in operands), attributes, called, limits))


def _check_count(found: int, expected: tuple[int, int], what: str) -> None:
    if expected[0] <= found <= expected[1]:
        return
    least, greatest = expected
    wanted = str(least) if least == greatest else f"at least {least}" if found < least else f"at most {greatest}"
    raise HloVerificationError(f"expected {wanted} {what}, found {found}")


def _restore_symbols(result: Shape, operands: Sequence[Shape]) -> Shape:
    """Put back the symbols that `bounded` took away from an elementwise result."""
    dimensions = list(result.dimensions)
    for operand in operands:
        if operand.rank == len(dimensions):
            for axis, size in enumerate(operand.dimensions):
                if isinstance(size, Symbol) and not isinstance(dimensions[axis], Symbol):
                    dimensions[axis] = size
    return Shape(result.element_type, tuple(dimensions))
