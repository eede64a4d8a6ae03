"""Does a module make sense: structure for every opcode, and shapes that follow where XLA infers them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..errors import HloVerificationError
from .ir.attributes import ParameterAttributes
from .ir.module import HloComputation, HloInstruction, HloModule
from .ir.shape import Shape
from .shape_inference import check_shape
from .text.printer import instruction_to_text

# done instructions -> what has started what they wait for (HloVerifier, VerifyAsynchronousInstructionPairs)
STARTED_BY: dict[str, tuple[str, ...]] = {
    "all-gather-done": ("all-gather-start",),
    "all-reduce-done": ("all-reduce-start",),
    "async-done": ("async-start", "async-update"),
    "async-update": ("async-start", "async-update"),
    "collective-permute-done": ("collective-permute-start",),
    "copy-done": ("copy-start",),
    "recv-done": ("recv", "get-tuple-element"),
    "send-done": ("send", "get-tuple-element"),
}
# what is started has one user, which is done or an update
STARTS = frozenset("all-reduce-start async-start async-update collective-permute-start copy-start".split())


def verify(module: HloModule) -> HloModule:
    """Check a module, so that nothing downstream need check again.

    Parameters
    ----------
    module : HloModule

    Returns
    -------
    HloModule
        `module` itself.

    Raises
    ------
    HloVerificationError
        Of the first instruction that contradicts itself: its name, what was expected, its HLO text and where it
        came from.
    """
    known = _Known()
    for computation in module.computations:
        _check_computation(computation, known)
        known.computations.add(computation)
    if module.entry not in known.computations:
        raise HloVerificationError(f"module {module.name}: its entry {module.entry.name} is not among its computations")
    _check_aliases(module)
    return module


@dataclass(frozen=True)
class _Known:
    """What has been checked: computations, names of instructions, and what of an instruction its shape follows from."""

    computations: set[HloComputation] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    shapes: set[tuple] = field(default_factory=set)


def _check_aliases(module: HloModule) -> None:
    parameters, taken = module.entry.parameters, set[tuple]()
    for alias in module.aliases:
        known = 0 <= alias.parameter < len(parameters)
        shapes = [(module.entry.root.shape, alias.result)]
        shapes += [(parameters[alias.parameter].shape, alias.index)] if known else []
        if not known or not all(_has_array(shape, index) for shape, index in shapes):
            raise HloVerificationError(f"module {module.name}: {alias} is of no result or of no parameter of its entry")
        places = {("result", alias.result), ("parameter", alias.parameter, alias.index)}
        if places & taken:
            raise HloVerificationError(
                f"module {module.name}: {alias} is of a result or of a parameter that has another"
            )
        taken |= places


def _has_array(shape: Shape, index: tuple[int, ...]) -> bool:
    for number in index:
        if not 0 <= number < len(shape.tuple_shapes):
            return False
        shape = shape.tuple_shapes[number]
    return not shape.is_tuple


def _check_computation(computation: HloComputation, known: _Known) -> None:
    seen: set[HloInstruction] = set()
    for instruction in computation.instructions:
        try:
            _check_instruction(instruction, seen, known)
        except HloVerificationError as error:
            raise _explained(error, instruction, computation) from None
        seen.add(instruction)
        known.names.add(instruction.name)
    _check_single_users(computation)
    if computation.root not in seen:
        raise HloVerificationError(
            f"computation {computation.name}: its root {computation.root.name} is not among its instructions"
        )
    for position, parameter in enumerate(computation.parameters):
        number = parameter.attributes_as(ParameterAttributes).number
        if number != position:
            raise HloVerificationError(
                f"{parameter.name}: expected parameter numbers 0, 1, … in computation {computation.name}, found "
                f"{number} at {position}"
            )


def _check_single_users(computation: HloComputation) -> None:
    """Whatever is started asynchronously is waited for once."""
    users = Counter(operand for instruction in computation.instructions for operand in set(instruction.operands))
    for instruction in computation.instructions:
        if instruction.opcode in STARTS and users[instruction] != 1:
            error = HloVerificationError(f"expected one user of {instruction.opcode}, found {users[instruction]}")
            raise _explained(error, instruction, computation)


def _check_instruction(instruction: HloInstruction, seen: set[HloInstruction], known: _Known) -> None:
    if instruction.name in known.names:
        raise HloVerificationError("its name is not unique")
    for operand in instruction.operands:
        if operand not in seen:
            raise HloVerificationError(f"operand {operand.name} does not come before it in its computation")
    wanted = STARTED_BY.get(instruction.opcode, ())
    if wanted and instruction.operands and instruction.operands[0].opcode not in wanted:
        found = instruction.operands[0].opcode
        raise HloVerificationError(f"expected an operand that is {' or '.join(wanted)}, found {found}")
    for callee in instruction.called_computations:
        if callee not in known.computations:
            raise HloVerificationError(f"computation {callee.name} does not come before it in the module")
    operands = [operand.shape for operand in instruction.operands]
    # the reader makes few shapes, which live as long as the module does
    key = (
        instruction.opcode,
        instruction.attributes,
        instruction.called_computations,
        id(instruction.shape),
        *map(id, operands),
    )
    if key not in known.shapes:
        check_shape(
            instruction.opcode, operands, instruction.attributes, instruction.called_computations, instruction.shape
        )
        known.shapes.add(key)


def _explained(
    error: HloVerificationError, instruction: HloInstruction, computation: HloComputation
) -> HloVerificationError:
    lines = [f"{instruction.name}: {error}", f"  {instruction_to_text(instruction)}", f"  in {computation.name}"]
    if str(instruction.metadata):
        lines.append(f"  from {instruction.metadata}")
    return HloVerificationError("\n".join(lines))
