"""What every rule of shape inference shares: the question, the table of rules, and the usual checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn, TypeGuard

from ...errors import HloVerificationError
from ..ir.attributes import Attributes, AttributeType, of_class
from ..ir.module import HloComputation
from ..ir.shape import Dimension, Shape, Symbol, array_shape, tuple_shape
from ..ir.sizes import Integer, Size, definite_sizes, may_be_at_most
from ..tables import DeclaredTable


@dataclass(frozen=True)
class Query:
    """What is known of an instruction whose shape is asked for.

    Attributes
    ----------
    opcode : str
    operands : tuple of Shape
        With the bounds of bounded dynamic dimensions as sizes; never with unbounded ones but those that are a `Size`.
    attributes : Attributes
        Of the type that belongs to the opcode. What counts elements (sizes, limits, padding) may be a `Size` as well.
    called : tuple of HloComputation
    declared : Shape or None
        The instruction's own shape when it is verified, None when it is inferred.
    """

    opcode: str
    operands: tuple[Shape, ...]
    attributes: Attributes
    called: tuple[HloComputation, ...]
    declared: Shape | None


Rule = Callable[[Query], "Shape | None"]


class RuleTable(DeclaredTable[str, Rule]):
    """Rules by opcode, as one module declares them."""

    def _taken(self, key: str, known: Rule) -> str:
        return f"there are two rules for the shape of {key}"

    def infers(self, *opcodes: str) -> Callable[[Rule], Rule]:
        """Decorator: the rule of `opcodes`, which returns the inferred shape, or None where it does not follow."""

        def declare(rule: Rule) -> Rule:
            self.add(rule, *opcodes)
            return rule

        return declare


def fail(message: str) -> NoReturn:
    """The instruction contradicts itself."""
    raise HloVerificationError(message)


def expect(condition: object, message: str) -> None:
    """Fail with `message` unless `condition`."""
    if not condition:
        raise HloVerificationError(message)


def attributes_as(query: Query, kind: type[AttributeType]) -> AttributeType:
    """The attributes, known to be of class `kind`."""
    return of_class(query.attributes, kind)


def bounded(shape: Shape) -> Shape:
    """`shape` with the bounds of bounded dynamic dimensions as their sizes; layout dropped."""
    if shape.is_static and shape.minor_to_major is None and not shape.is_tuple:
        return shape
    return shape.map_arrays(_bounded_array)


def _bounded_array(shape: Shape) -> Shape:
    if shape.minor_to_major is None and all(type(size) is int for size in shape.dimensions):
        return shape
    return replace(shape, dimensions=tuple(map(largest, shape.dimensions)), minor_to_major=None)


def largest(size: Dimension) -> Dimension:
    """The bound of a dimension that has one, else the dimension."""
    return size.bound if isinstance(size, Symbol) and size.bound is not None else size


def is_symbol(size: Dimension) -> TypeGuard[Symbol]:
    """Whether of a dimension nothing is known but its name or a bound."""
    return isinstance(size, Symbol) and not isinstance(size, Size)


def has_symbols(shape: Shape) -> bool:
    """Whether of a dimension nothing is known but its name or a bound."""
    return not shape.is_static and any(is_symbol(size) for array in shape.arrays() for size in array.dimensions)


def has_unbounded(shape: Shape) -> bool:
    """Whether of a dimension nothing is known but its name."""
    return not shape.is_static and any(
        is_symbol(size) and size.bound is None for array in shape.arrays() for size in array.dimensions
    )


def _may_equal(a: Dimension, b: Dimension) -> bool:
    a, b = largest(a), largest(b)
    return a == b or is_symbol(a) or is_symbol(b)


def compatible(a: Shape, b: Shape) -> bool:
    """Equal up to layout and up to what is only known at run time."""
    if a.is_tuple or b.is_tuple:
        return (
            a.element_type == b.element_type
            and len(a.tuple_shapes) == len(b.tuple_shapes)
            and all(compatible(x, y) for x, y in zip(a.tuple_shapes, b.tuple_shapes))
        )
    return a.element_type == b.element_type and same_dimensions(a, b)


def same_dimensions(a: Shape, b: Shape) -> bool:
    """Equal dimensions up to what is only known at run time."""
    if a.dimensions == b.dimensions:
        return True
    return len(a.dimensions) == len(b.dimensions) and all(map(_may_equal, a.dimensions, b.dimensions))


def in_order(*sizes: Integer) -> bool:
    """Whether each size may be at most the next."""
    return all(map(may_be_at_most, sizes, sizes[1:]))


def fits_within(sizes: Sequence[Integer], shape: Shape) -> bool:
    """Whether there is a size for every dimension, from 0 to the dimension's own."""
    return len(sizes) == shape.rank and all(map(in_order, [0] * shape.rank, sizes, definite_sizes(shape)))


def may_divide(divisor: Integer, size: Integer) -> bool:
    """Whether a size may be a multiple of another."""
    remainder = size % divisor
    return isinstance(remainder, Size) or remainder == 0


def expect_arrays(query: Query, operands: Sequence[Shape] | None = None) -> None:
    """All operands (or those given) are arrays."""
    for index, operand in enumerate(query.operands if operands is None else operands):
        expect(operand.is_array, f"expected an array as operand {index}, found {operand}")


def expect_axes(axes: Sequence[int], rank: int, what: str) -> None:
    """`axes` are different dimensions of an array of `rank` dimensions."""
    expect(len(set(axes)) == len(axes), f"expected different dimensions in {what}, found {list(axes)}")
    for axis in axes:
        expect(0 <= axis < rank, f"expected {what} below rank {rank}, found {list(axes)}")


def expect_kind(shape: Shape, kinds: Sequence[str], what: str) -> None:
    """The element type is of one of `kinds`, see ``ElementType.kind``."""
    expect(shape.is_array and shape.kind in kinds, f"expected {what} of type {' or '.join(kinds)}, found {shape}")


def expect_index(shape: Shape, what: str) -> None:
    """An array of integers."""
    expect_kind(shape, ("signed", "unsigned"), what)


def expect_same(shapes: Sequence[Shape], what: str) -> None:
    """All of the same element type and dimensions."""
    for shape in shapes[1:]:
        expect(compatible(shapes[0], shape), f"expected {what} of equal shapes, found {_list(shapes)}")


def expect_signature(
    computation: HloComputation, parameters: Sequence[Shape], result: Shape | None, role: str = "called computation"
) -> None:
    """A called computation takes `parameters` and returns `result` (anything if None)."""
    found = [bounded(parameter.shape) for parameter in computation.parameters]
    wanted = f"expected {role} {computation.name} to take {_list(parameters)}"
    expect(len(found) == len(parameters), f"{wanted}, it takes {_list(found)}")
    for mine, theirs in zip(parameters, found):
        expect(compatible(mine, theirs), f"{wanted}, it takes {_list(found)}")
    if result is not None:
        root = bounded(computation.root.shape)
        expect(compatible(root, result), f"expected {role} {computation.name} to return {result}, found {root}")


def scalar(shape: Shape) -> Shape:
    """Scalar of the same element type."""
    return array_shape(shape.element_type)


def one_or_tuple(shapes: Sequence[Shape]) -> Shape:
    """What variadic opcodes return: the shape itself for one, a tuple for several."""
    return shapes[0] if len(shapes) == 1 else tuple_shape(*shapes)


def listed(sizes: Iterable[Dimension]) -> str:
    """Sizes in ascending order, first the numbers."""
    return str(sorted(sizes, key=lambda size: (0, size, "") if isinstance(size, int) else (1, 0, size.name)))


def _list(shapes: Sequence[Shape]) -> str:
    return "(" + ", ".join(str(shape) for shape in shapes) + ")"
