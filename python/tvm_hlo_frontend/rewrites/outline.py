"""Instructions of a computation as the body of another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..hlo.ir.builder import ComputationBuilder, clone
from ..hlo.ir.module import HloInstruction
from ..hlo.ir.shape import Shape


@dataclass(frozen=True)
class Outline:
    """A computation that is being made of `values`, by what they were; its parameters stand for `operands`."""

    body: ComputationBuilder
    values: dict[HloInstruction, HloInstruction]
    operands: list[HloInstruction]


def outlined(
    root: HloInstruction,
    kind: str,
    members: Iterable[HloInstruction],
    shape_of: Callable[[Shape], Shape],
    constant_of: Callable[[HloInstruction], HloInstruction | None],
) -> Outline:
    """The members, operands first, in a computation of their own, named by `root` and `kind`.

    Parameters
    ----------
    root : HloInstruction
    kind : str
    members : iterable of HloInstruction
    shape_of : callable
        The shape there of what has a shape here.
    constant_of : callable
        The constant there in the place of an operand that is no member; None for one that becomes a parameter.
    """
    made = Outline(ComputationBuilder(f"{root.name}_{kind}"), {}, [])
    for member in members:
        for operand in member.operands:
            if operand in made.values:
                continue
            constant = constant_of(operand)
            if constant is not None:
                made.values[operand] = made.body.copy(constant, ())
                continue
            number = len(made.operands)
            name = f"{root.name}_operand_{number}"
            made.values[operand] = made.body.parameter(number, shape_of(operand.shape), name)
            made.operands.append(operand)
        operands = [made.values[operand] for operand in member.operands]
        made.values[member] = made.body.copy(clone(member, shape=shape_of(member.shape)), operands)
    return made
