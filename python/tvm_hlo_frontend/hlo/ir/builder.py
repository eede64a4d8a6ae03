"""How HLO is made: computations one instruction at a time, modules from computations, modules from modules.

>>> builder = ComputationBuilder("main")
>>> x = builder.parameter(0, array_shape("f32", (4,)))
>>> two = builder.add("broadcast", [builder.constant(2.0, "f32")], x.shape, DimensionsAttributes(()))
>>> hlo = module("twice", builder.build(builder.add("multiply", [x, two])))
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..opcodes import SIDE_EFFECTS
from ..shape_inference import infer_shape
from .attributes import Attributes, ConstantAttributes, CustomCallAttributes, NoAttributes, ParameterAttributes
from .module import NO_METADATA, Alias, HloComputation, HloInstruction, HloModule, Metadata
from .names import Names
from .ordering import dependency_order
from .shape import BY_NAME, Shape, array_shape, element_type_of


class ComputationBuilder:
    """Makes one computation.

    Parameters
    ----------
    name : str
        Name of the computation.
    names : Names, optional
        Names of instructions taken so far, shared between the builders of one module.
    """

    def __init__(self, name: str, names: Names | None = None) -> None:
        self.name = name
        self._names = Names() if names is None else names
        self._instructions: dict[HloInstruction, None] = {}

    def parameter(self, number: int, shape: Shape, name: str | None = None) -> HloInstruction:
        """Parameter `number` of the computation."""
        return self.add("parameter", (), shape, ParameterAttributes(number), name=name)

    def constant(self, value: Any, element_type: str | None = None, name: str | None = None) -> HloInstruction:
        """Constant of an array or a scalar.

        Parameters
        ----------
        value : array_like
        element_type : str, optional
            By default that of ``numpy.asarray(value)``.
        name : str, optional
        """
        array = np.asarray(value)
        if element_type is None:
            element_type = element_type_of(array.dtype)
        array = array.astype(BY_NAME[element_type].numpy_dtype)
        return self.add("constant", (), array_shape(element_type, array.shape), ConstantAttributes(array), name=name)

    def add(
        self,
        opcode: str,
        operands: Sequence[HloInstruction],
        shape: Shape | None = None,
        attributes: Attributes | None = None,
        called_computations: Sequence[HloComputation] = (),
        *,
        name: str | None = None,
        metadata: Metadata = NO_METADATA,
    ) -> HloInstruction:
        """Add an instruction.

        Parameters
        ----------
        opcode : str
        operands : sequence of HloInstruction
            Instructions of this builder.
        shape : Shape, optional
            By default inferred; needed for opcodes whose shape does not follow (reshape, broadcast, iota, rng …).
        attributes : Attributes, optional
        called_computations : sequence of HloComputation
        name : str, optional
            By default made from the opcode; a name that is taken gets a number.
        metadata : Metadata

        Raises
        ------
        ValueError
            If the shape is needed, or an operand belongs to another computation.
        HloVerificationError
            If the shape is inferred and operands or attributes do not fit.
        """
        attributes = NoAttributes() if attributes is None else attributes
        for operand in operands:
            if operand not in self._instructions:
                raise ValueError(f"{operand.name} is not an instruction of computation {self.name}")
        if shape is None:
            shape = infer_shape(opcode, [operand.shape for operand in operands], attributes, called_computations)
            if shape is None:
                raise ValueError(f"the shape of {opcode} does not follow from its operands; give it")
        return self._append(
            HloInstruction(
                self._names.take(name or opcode),
                opcode,
                shape,
                tuple(operands),
                attributes,
                tuple(called_computations),
                metadata,
            )
        )

    def copy(
        self,
        instruction: HloInstruction,
        operands: Sequence[HloInstruction],
        called_computations: Sequence[HloComputation] | None = None,
    ) -> HloInstruction:
        """Add a copy of `instruction`, under its own name, with other operands (and called computations); itself if
        these are its own."""
        return self._append(_with(instruction, instruction.name, operands, called_computations))

    def copy_renamed(self, instruction: HloInstruction, operands: Sequence[HloInstruction]) -> HloInstruction:
        """`copy` under a new name, for instructions that are there more than once."""
        return self._append(_with(instruction, self._names.take_for_copy(instruction.name), operands))

    def _append(self, instruction: HloInstruction) -> HloInstruction:
        self._instructions[instruction] = None
        return instruction

    def build(self, root: HloInstruction) -> HloComputation:
        """The computation with the result `root`; without instructions that neither it nor a side effect needs."""
        if root not in self._instructions:
            raise ValueError(f"{root.name} is not an instruction of computation {self.name}")
        return HloComputation(self.name, tuple(live_instructions(self._instructions, root)), root)


def _with(
    instruction: HloInstruction,
    name: str,
    operands: Sequence[HloInstruction],
    called_computations: Sequence[HloComputation] | None = None,
) -> HloInstruction:
    """`instruction` with these; itself if it has them. What stays is one object in the modules before and after."""
    operands = tuple(operands)
    called = instruction.called_computations if called_computations is None else tuple(called_computations)
    if operands == instruction.operands and called == instruction.called_computations and name == instruction.name:
        return instruction
    return HloInstruction(
        name, instruction.opcode, instruction.shape, operands, instruction.attributes, called, instruction.metadata
    )


def has_side_effect(instruction: HloInstruction) -> bool:
    """Whether it may not be dropped although nothing uses it."""
    pending, seen = [instruction], set()
    while pending:
        current = pending.pop()
        if current.opcode in SIDE_EFFECTS:
            return True
        if isinstance(current.attributes, CustomCallAttributes) and current.attributes.has_side_effect:
            return True
        for callee in current.called_computations:
            if callee not in seen:
                seen.add(callee)
                pending.extend(callee.instructions)
    return False


def live_instructions(instructions: Iterable[HloInstruction], root: HloInstruction) -> list[HloInstruction]:
    """Of `instructions` (operands first) those that `root` or a side effect needs, and all parameters."""
    ordered = list(instructions)
    live = {root}
    for instruction in reversed(ordered):
        if instruction in live or instruction.opcode == "parameter" or has_side_effect(instruction):
            live.add(instruction)
            live.update(instruction.operands)
    return [instruction for instruction in ordered if instruction in live]


def callees_of(computation: HloComputation) -> list[HloComputation]:
    """Computations that it calls, each once, in order."""
    return list(dict.fromkeys(callee for i in computation.instructions for callee in i.called_computations))


def module(name: str, entry: HloComputation, aliases: Sequence[Alias] = ()) -> HloModule:
    """Module of `entry` and everything it calls, callee-first; names that repeat get a number.

    Parameters
    ----------
    name : str
    entry : HloComputation
    aliases : sequence of Alias

    Returns
    -------
    HloModule
    """
    result = HloModule(name, tuple(dependency_order([entry], callees_of)), entry, tuple(aliases))
    instruction_names = [instruction.name for instruction in result.instructions]
    computation_names = [computation.name for computation in result.computations]
    if len(set(instruction_names)) == len(instruction_names) and len(set(computation_names)) == len(computation_names):
        return result
    return _with_unique_names(result)


def _with_unique_names(old: HloModule) -> HloModule:
    instruction_names, computation_names = Names(), Names()
    done: dict[HloComputation, HloComputation] = {}
    for computation in old.computations:
        new: dict[HloInstruction, HloInstruction] = {}
        for instruction in computation.instructions:
            new[instruction] = _with(
                instruction,
                instruction_names.take_for_copy(instruction.name),
                [new[operand] for operand in instruction.operands],
                [done[callee] for callee in instruction.called_computations],
            )
        name = computation_names.take_for_copy(computation.name)
        done[computation] = HloComputation(name, tuple(new.values()), new[computation.root])
    return HloModule(old.name, tuple(done.values()), done[old.entry], old.aliases)


class RewriteBuilder(ComputationBuilder):
    """Builder of the new version of a computation, handed to the callbacks of `transform`."""

    def __init__(self, name: str, names: Names, done: dict[HloComputation, HloComputation]) -> None:
        super().__init__(name, names)
        self._done = done

    def rewritten(self, computation: HloComputation) -> HloComputation:
        """New version of a computation that the old module calls; itself if it is new already."""
        return self._done.get(computation, computation)

    def inline(self, computation: HloComputation, arguments: Sequence[HloInstruction]) -> HloInstruction:
        """Copy the body of the new version of `computation` here, under new names; returns the copy of its root."""
        new: dict[HloInstruction, HloInstruction] = {}
        for instruction in self.rewritten(computation).instructions:
            if isinstance(instruction.attributes, ParameterAttributes):
                new[instruction] = arguments[instruction.attributes.number]
                continue
            new[instruction] = self.copy_renamed(instruction, [new[operand] for operand in instruction.operands])
        return new[self.rewritten(computation).root]


RewriteInstruction = Callable[[RewriteBuilder, HloInstruction, tuple[HloInstruction, ...]], "HloInstruction | None"]


def transform(
    old: HloModule,
    rewrite_instruction: RewriteInstruction,
    builder_of: Callable[[str, Names, dict[HloComputation, HloComputation]], RewriteBuilder] = RewriteBuilder,
) -> HloModule:
    """New module from an old one, instruction by instruction.

    Parameters
    ----------
    old : HloModule
    rewrite_instruction : callable
        Called as ``rewrite_instruction(builder, instruction, operands)`` for every live instruction of every
        computation, once, callees first: `instruction` is the old one, `operands` what became of its operands.
        It returns what takes the instruction's place (made with `builder`, or one of `operands`), or None for a
        copy with the new operands and the rewritten called computations. ``builder.rewritten(computation)`` is the
        new version of a called computation.
    builder_of : callable
        Makes the builders, from what `RewriteBuilder` is made from.

    Returns
    -------
    HloModule
        Without instructions and computations that nothing needs any more; names and metadata are kept.
    """
    names = Names(instruction.name for instruction in old.instructions)
    done: dict[HloComputation, HloComputation] = {}
    for computation in old.computations:
        builder = builder_of(computation.name, names, done)
        new: dict[HloInstruction, HloInstruction] = {}
        for instruction in live_instructions(computation.instructions, computation.root):
            operands = tuple(new[operand] for operand in instruction.operands)
            names.release(instruction.name)  # the replacement may take it over
            replacement = rewrite_instruction(builder, instruction, operands)
            names.take(instruction.name)
            if replacement is None:
                called = [done[callee] for callee in instruction.called_computations]
                replacement = builder.copy(instruction, operands, called)
            new[instruction] = replacement
        made = builder.build(new[computation.root])
        same = made.instructions == computation.instructions and made.root is computation.root
        done[computation] = computation if same else made
    return module(old.name, done[old.entry], old.aliases)


def clone(instruction: HloInstruction, **changes: Any) -> HloInstruction:
    """Copy of `instruction` with other fields (not part of any computation)."""
    return dataclasses.replace(instruction, **changes)


def replace_operands(instruction: HloInstruction, operands: Sequence[HloInstruction]) -> HloInstruction:
    """Copy of `instruction` with other operands (not part of any computation)."""
    return _with(instruction, instruction.name, operands)
