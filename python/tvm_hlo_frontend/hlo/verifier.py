"""Does a module make sense: structure for every opcode, and shapes that follow where XLA infers them."""

from __future__ import annotations

from ..errors import HloVerificationError
from .attributes import ParameterAttributes
from .module import HloComputation, HloInstruction, HloModule
from .printer import instruction_to_text
from .shape_inference import check_shape


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
    known: set[HloComputation] = set()
    names: set[str] = set()
    for computation in module.computations:
        _check_computation(computation, known, names)
        known.add(computation)
    if module.entry not in known:
        raise HloVerificationError(f"module {module.name}: its entry {module.entry.name} is not among its computations")
    return module


def _check_computation(computation: HloComputation, known: set[HloComputation], names: set[str]) -> None:
    seen: set[HloInstruction] = set()
    for instruction in computation.instructions:
        try:
            _check_instruction(instruction, seen, known, names)
        except HloVerificationError as error:
            raise _explained(error, instruction, computation) from None
        seen.add(instruction)
        names.add(instruction.name)
    if computation.root not in seen:
        raise HloVerificationError(
            f"computation {computation.name}: its root {computation.root.name} is not among its instructions"
        )
    for position, parameter in enumerate(computation.parameters):
        assert isinstance(parameter.attributes, ParameterAttributes)
        if parameter.attributes.number != position:
            raise HloVerificationError(
                f"{parameter.name}: expected parameter numbers 0, 1, … in computation {computation.name}, found "
                f"{parameter.attributes.number} at {position}"
            )


def _check_instruction(
    instruction: HloInstruction, seen: set[HloInstruction], known: set[HloComputation], names: set[str]
) -> None:
    if instruction.name in names:
        raise HloVerificationError("its name is not unique")
    for operand in instruction.operands:
        if operand not in seen:
            raise HloVerificationError(f"operand {operand.name} does not come before it in its computation")
    for callee in instruction.called_computations:
        if callee not in known:
            raise HloVerificationError(f"computation {callee.name} does not come before it in the module")
    check_shape(
        instruction.opcode,
        [operand.shape for operand in instruction.operands],
        instruction.attributes,
        instruction.called_computations,
        instruction.shape,
    )


def _explained(
    error: HloVerificationError, instruction: HloInstruction, computation: HloComputation
) -> HloVerificationError:
    lines = [f"{instruction.name}: {error}", f"  {instruction_to_text(instruction)}", f"  in {computation.name}"]
    if str(instruction.metadata):
        lines.append(f"  from {instruction.metadata}")
    return HloVerificationError("\n".join(lines))
