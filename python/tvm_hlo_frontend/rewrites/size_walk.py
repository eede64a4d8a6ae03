"""What the passes on open sizes share: the walk's state, and the exception for what cannot be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..analysis.bounded_sizes import bounded_sizes
from ..analysis.equal_sizes import equal_sizes
from ..analysis.size_values import Elements, Facts, elements_of, is_small_integer
from ..hlo.ir.builder import ComputationBuilder
from ..hlo.ir.module import HloComputation, HloInstruction
from ..hlo.ir.names import Names
from ..hlo.ir.open_module import SizeCheck
from ..hlo.ir.shape import Dimension, Shape, array_shape, tuple_shape
from ..hlo.ir.sizes import Size
from ..hlo.shape_inference import infer_shape


class UnknownSize(Exception):
    """The sizes of an instruction cannot be told; the text says why."""


@dataclass
class Walk:
    """State of one walk through a module.

    Attributes
    ----------
    facts : Facts
    checks : list of SizeCheck
        What must hold of sizes, as far as the walk has come.
    refusals : list of str
        Instructions whose sizes cannot be told.
    elements : dict
        Elements of the new instructions that hold sizes; of a tuple a list of them.
    valued : set
        New instructions that depend on values of parameters. What is known of their elements takes for given that such
        a value is a size, so it is for sizes alone.
    names : Names
    """

    facts: Facts
    checks: list[SizeCheck] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    elements: dict[HloInstruction, Any] = field(default_factory=dict)
    valued: set[HloInstruction] = field(default_factory=set)
    names: Names = field(default_factory=Names)

    def builder(self, name: str) -> ComputationBuilder:
        """Builder of a new computation."""
        return ComputationBuilder(name, self.names)

    def add(
        self,
        builder: ComputationBuilder,
        old: HloInstruction,
        operands: Sequence[HloInstruction],
        shape: Shape,
        opcode: str | None = None,
        attributes: Any = None,
        called: Sequence[HloComputation] | None = None,
    ) -> HloInstruction:
        """Add what takes the place of `old`; what is not given is as there."""
        new = builder.add(
            opcode or old.opcode,
            operands,
            shape,
            old.attributes if attributes is None else attributes,
            old.called_computations if called is None else called,
            name=old.name,
            metadata=old.metadata,
        )
        if not self.valued.isdisjoint(operands):
            self.valued.add(new)
        for small, large in bounded_sizes(new):
            self.at_most(small, large, old)
        if new.opcode == "tuple":
            self.elements[new] = [self.elements.get(operand) for operand in operands]
        elif is_small_integer(new):
            known = elements_of(new, [self.elements.get(operand) for operand in operands], self.facts)
            may_be_constant = new.opcode != "constant" and new not in self.valued
            if known is not None and may_be_constant and all(type(each) in (int, bool) for each in known.flat):
                new = builder.constant(known.tolist(), new.shape.element_type)
            if known is not None:
                self.elements[new] = known
        return new

    def sizes(self, instruction: HloInstruction) -> tuple[Dimension, ...]:
        """Elements of a vector or a scalar of sizes; UnknownSize if some are not known."""
        known: Elements | None = self.elements.get(instruction)
        if known is None or not all(isinstance(size, (int, Size)) for size in known.flat):
            unknown(f"{instruction.name}, which is a size, is computed from data")
        return tuple(known.flat)

    def equal(self, a: Dimension, b: Dimension, old: HloInstruction) -> Dimension:
        """One of two sizes that `old` needs to be equal, a number rather than another."""
        if a == b:
            return a
        if isinstance(a, int) and isinstance(b, int):
            unknown(f"sizes {a} and {b} must be equal")
        self.checks.append(SizeCheck(a, "==", b, origin(old)))
        return b if isinstance(b, int) else a

    def at_most(self, small: Dimension, large: Dimension, old: HloInstruction) -> None:
        """Note that one size must be no larger than another, unless that is known."""
        difference: Any = large - small  # type: ignore[operator]
        if self.facts.sign_of(difference)[0] is not True:
            self.checks.append(SizeCheck(small, "<=", large, origin(old)))

    def equal_dimensions(
        self, a: Sequence[Dimension], b: Sequence[Dimension], old: HloInstruction
    ) -> tuple[Dimension, ...]:
        """`equal` for every dimension."""
        if len(a) != len(b):
            unknown(f"ranks {len(a)} and {len(b)} must be equal")
        return tuple(self.equal(x, y, old) for x, y in zip(a, b))

    def equal_shapes(self, a: Shape, b: Shape, old: HloInstruction) -> Shape:
        """`equal` for every dimension of arrays or tuples; the element types and what is no array are those of a."""
        if a.is_tuple:
            return tuple_shape(*(self.equal_shapes(x, y, old) for x, y in zip(a.tuple_shapes, b.tuple_shapes)))
        return array_shape(a.element_type, self.equal_dimensions(a.dimensions, b.dimensions, old)) if a.is_array else a

    def equal_operands(
        self, old: HloInstruction, opcode: str, attributes: Any, operands: Sequence[HloInstruction]
    ) -> None:
        """`equal` for the sizes of operands that an opcode needs to be."""
        for a, b in equal_sizes(opcode, attributes, [operand.shape for operand in operands]):
            self.equal(a, b, old)

    def inferred(
        self,
        builder: ComputationBuilder,
        old: HloInstruction,
        operands: Sequence[HloInstruction],
        opcode: str,
        attributes: Any,
        called: Sequence[HloComputation] = (),
    ) -> HloInstruction:
        """`add` with the shape that follows; an array must fit what `old` declares."""
        self.equal_operands(old, opcode, attributes, operands)
        shape = infer_shape(opcode, [operand.shape for operand in operands], attributes, called)
        if shape is None:
            unknown(f"nothing tells the sizes of {old.shape}")
        if shape.is_array:
            shape = self.fitted(old.shape, shape.dimensions, old)
        return self.add(builder, old, operands, shape, opcode, attributes, called)

    def fitted(self, declared: Shape, sizes: Sequence[Dimension], old: HloInstruction) -> Shape:
        """A declared array with these sizes, which must fit the numbers that it declares, for the sake of `old`."""
        if declared.rank != len(sizes):
            unknown(f"{len(sizes)} sizes for {declared}")
        pairs = zip(sizes, declared.dimensions)
        found = [self.equal(size, have, old) if isinstance(have, int) else size for size, have in pairs]
        return array_shape(declared.element_type, found)


def unknown(reason: str) -> NoReturn:
    """Raise UnknownSize."""
    raise UnknownSize(reason)


def origin(instruction: HloInstruction) -> str:
    """An instruction for messages, with the line of the user's program."""
    place = str(instruction.metadata)
    return f"{instruction.name}{f' ({place})' if place else ''}"
