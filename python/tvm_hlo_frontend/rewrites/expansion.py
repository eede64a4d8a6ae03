"""Instructions in terms of others, by tables of rules for single opcodes, in one traversal of a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import StaticSizeError
from ..hlo.ir.attributes import CustomCallAttributes
from ..hlo.ir.builder import RewriteBuilder, transform
from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.opcodes import CUSTOM_CALL_PREFIX
from .capabilities import Capabilities

# (builder, instruction as it was, its new operands) -> what takes its place, or None if it stays
Rule = Callable[[RewriteBuilder, HloInstruction, "tuple[HloInstruction, ...]"], "HloInstruction | None"]


def every(instruction: HloInstruction) -> bool:
    """All instructions of an opcode."""
    return True


def is_static(instruction: HloInstruction) -> bool:
    """Those of static shape."""
    return instruction.shape.is_static


def has_known_matrices(instruction: HloInstruction) -> bool:
    """Those of static shape, and those of matrices of known sizes in batches of unknown ones."""
    if instruction.shape.is_static:
        return True
    most = max((operand.shape for operand in instruction.operands), key=lambda shape: shape.rank, default=None)
    return most is not None and all(isinstance(size, int) for size in most.dimensions[-2:])


@dataclass(frozen=True)
class Expansion:
    """What is made of the instructions of one opcode, or of the custom-calls to one target.

    Attributes
    ----------
    rule : callable
        ``rule(builder, instruction, operands)`` makes with `builder` what takes the place of `instruction`, whose
        operands are `operands` now. It returns that, or None if the instruction stays, as it then does with them.
        What a rule looks up in operands it looks up in the new ones; layouts are those of the old.
    takes : callable
        Which of the instructions the rule is for, as far as they themselves tell.
    summary : str
        For the support table, what the opcode becomes, if it never reaches a converter.
    """

    rule: Rule
    takes: Callable[[HloInstruction], bool] = every
    summary: str = ""


# by opcode, by ``custom-call:`` and a target, or by ``custom-call`` for targets that have no entry of their own
Expansions = Mapping[str, Expansion]


def assembled(*tables: Expansions) -> Expansions:
    """All of `tables` as one; ValueError if two of them have the same key."""
    whole: dict[str, Expansion] = {}
    for table in tables:
        doubles = sorted(whole.keys() & table.keys())
        if doubles:
            raise ValueError(f"two expansions of {', '.join(doubles)}")
        whole.update(table)
    return whole


def expanding(expansions: Expansions) -> Callable[[HloModule, Capabilities], HloModule]:
    """`expand` with a table, as a rewrite."""
    return lambda module, capabilities: expand(module, capabilities, expansions)


def expand(module: HloModule, capabilities: Capabilities, expansions: Expansions) -> HloModule:
    """`module` after the rules of a table, in one traversal, callees and operands first.

    What a rule adds is expanded in turn where another rule takes it. It ends: no rule is asked about what it adds
    itself, nor about what the rules that it led to add, so rules nest as deep as there are rules, at most.

    Parameters
    ----------
    module : HloModule
    capabilities : Capabilities
        Custom-calls to its targets stay.
    expansions : mapping of str to Expansion

    Returns
    -------
    HloModule
        `module` itself if no rule takes one of its instructions.
    """

    def find(instruction: HloInstruction) -> Expansion | None:
        return found(expansions, capabilities.targets, instruction)

    if not any(find(instruction) is not None for instruction in module.instructions):
        return module
    return transform(module, _replacement, partial(_ExpandingBuilder, find))


def found(expansions: Expansions, converted: frozenset[str], instruction: HloInstruction) -> Expansion | None:
    """The expansion that takes an instruction, if there is one; never of custom-calls to a target in `converted`."""
    expansion = expansions.get(instruction.opcode)
    if instruction.opcode == "custom-call":
        target = instruction.attributes_as(CustomCallAttributes).target
        if target in converted:
            return None
        expansion = expansions.get(CUSTOM_CALL_PREFIX + target, expansion)
    return expansion if expansion is not None and expansion.takes(instruction) else None


class _ExpandingBuilder(RewriteBuilder):
    """Expands what rules add."""

    def __init__(self, find: Callable[[HloInstruction], Expansion | None], *state: Any) -> None:
        super().__init__(*state)
        self._find = find
        self._at_work: list[Rule] = []

    def expanded(self, instruction: HloInstruction, operands: tuple[HloInstruction, ...]) -> HloInstruction | None:
        """What the rule makes of an instruction; None if it stays, as where the rule needs a size that is not known."""
        expansion = self._find(instruction)
        if expansion is None or expansion.rule in self._at_work:
            return None
        self._at_work.append(expansion.rule)
        try:
            return expansion.rule(self, instruction, operands)
        except StaticSizeError:
            return None
        finally:
            self._at_work.pop()

    def add(self, opcode: str, operands: Sequence[HloInstruction], *rest: Any, **options: Any) -> HloInstruction:
        """What stands for a new instruction: itself, or what a rule makes of it, which leaves it to nobody's use."""
        made = super().add(opcode, operands, *rest, **options)
        self._names.release(made.name)  # as in `transform`
        value = self.expanded(made, made.operands)
        self._names.take(made.name)
        return made if value is None else value


def _replacement(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    assert isinstance(builder, _ExpandingBuilder)
    return builder.expanded(instruction, operands)
