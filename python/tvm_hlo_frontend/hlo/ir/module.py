"""HloModule, HloComputation and HloInstruction: XLA's intermediate language as frozen dataclasses.

Instructions refer to their operands, computations to their instructions in dependency order (operands first), so
every pass is one forward loop. Equality and hash are by identity, as in XLA.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .attributes import Attributes, AttributeType, NoAttributes, ParameterAttributes, of_class
from .shape import Shape


@dataclass(frozen=True)
class Metadata:
    """Where an instruction came from (OpMetadata of xla_data.proto)."""

    op_type: str = ""
    op_name: str = ""
    source_file: str = ""
    source_line: int = 0

    def __str__(self) -> str:
        place = f"{self.source_file}:{self.source_line}" if self.source_file else ""
        return " ".join(part for part in (self.op_name, place) if part)


NO_METADATA = Metadata()


@dataclass(frozen=True, eq=False, repr=False)
class HloInstruction:
    """One instruction.

    Attributes
    ----------
    name : str
        Unique within the module.
    opcode : str
        XLA's opcode string, for instance ``"log-plus-one"``.
    shape : Shape
        Shape of the result.
    operands : tuple of HloInstruction
    attributes : Attributes
        The opcode's own fields, see ``hlo/ir/attributes.py``.
    called_computations : tuple of HloComputation
        Order as in the proto: ``while`` has (body, condition), ``select-and-scatter`` (select, scatter).
    metadata : Metadata
    """

    name: str
    opcode: str
    shape: Shape
    operands: tuple[HloInstruction, ...] = ()
    attributes: Attributes = field(default_factory=NoAttributes)
    called_computations: tuple[HloComputation, ...] = ()
    metadata: Metadata = NO_METADATA

    def attributes_as(self, kind: type[AttributeType]) -> AttributeType:
        """The attributes, of the class that belongs to the opcode.

        Parameters
        ----------
        kind : type
            That class, for instance ``DotAttributes``.

        Raises
        ------
        HloVerificationError
            If they are of another class, as in no module that `verify` accepts.
        """
        return of_class(self.attributes, kind, self.name)

    def __repr__(self) -> str:
        operands = ", ".join(operand.name for operand in self.operands)
        return f"{self.name} = {self.shape} {self.opcode}({operands})"


@dataclass(frozen=True, eq=False, repr=False)
class HloComputation:
    """A computation: instructions in dependency order and the root among them."""

    name: str
    instructions: tuple[HloInstruction, ...]
    root: HloInstruction

    @property
    def parameters(self) -> tuple[HloInstruction, ...]:
        """Parameters ordered by parameter number."""
        found = [i for i in self.instructions if i.opcode == "parameter"]
        return tuple(sorted(found, key=lambda i: i.attributes_as(ParameterAttributes).number))

    def __repr__(self) -> str:
        return f"HloComputation({self.name}, {len(self.instructions)} instructions)"


@dataclass(frozen=True)
class Alias:
    """A result that may take the memory of an argument (an entry of ``input_output_alias``).

    Attributes
    ----------
    result : tuple of int
        Index of the array in the shape of the entry's root.
    parameter : int
        Number of the entry parameter.
    index : tuple of int
        Index of the array in the parameter's shape.
    """

    result: tuple[int, ...]
    parameter: int
    index: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class HloModule:
    """A module: its computations callee-first, the entry among them; and which results may overwrite arguments."""

    name: str
    computations: tuple[HloComputation, ...]
    entry: HloComputation
    aliases: tuple[Alias, ...] = ()

    @property
    def instructions(self) -> Iterator[HloInstruction]:
        """All instructions of all computations."""
        for computation in self.computations:
            yield from computation.instructions

    def __repr__(self) -> str:
        return f"HloModule({self.name}, {len(self.computations)} computations)"
