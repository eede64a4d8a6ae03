"""Which results of a module are changed copies of donated arguments, and by which instructions.

An alias of HLO says that an argument is given away. Its result is a guess: JAX takes the first of the same shape.
"""

from __future__ import annotations

from collections.abc import Container

from ..hlo.ir.attributes import TupleIndexAttributes
from ..hlo.ir.module import HloInstruction, HloModule

# an array of an instruction's result
Place = tuple[HloInstruction, "tuple[int, ...]"]

_CHANGES = frozenset({"dynamic-update-slice", "scatter", "while"})
# the result could have the memory of the first operand
_IN_PLACE = frozenset({"bitcast", "copy", "dynamic-update-slice", "reshape", "while"})


def updates_in_place(module: HloModule, values: Container[int]) -> frozenset[HloInstruction]:
    """Instructions that change a donated argument step by step until it is a result.

    Parameters
    ----------
    module : HloModule
    values : collection of int
        Numbers of entry parameters that have values already; they are never overwritten.
    """
    return frozenset(each for _, path in _updated(module, values).values() for each in path)


def updates_of_loop(loop: HloInstruction) -> dict[int, tuple[HloInstruction, ...]]:
    """For leaves of the state of a `while` that its body changes step by step, the instructions that do."""
    body = loop.called_computations[0]
    shapes = zip(body.root.shape.paths(), body.root.shape.arrays())
    found = {}
    for leaf, (index, shape) in enumerate(shapes):
        path = _path(body.root, index) if shape.is_static and 0 not in shape.dimensions else [(body.root, index)]
        changes = tuple(instruction for instruction, _ in path[:-1])
        if path[-1] == (body.parameters[0], index) and any(each.opcode in _CHANGES for each in changes):
            found[leaf] = changes
    return found


def alias_numbers(module: HloModule, values: Container[int]) -> tuple[tuple[int, int], ...]:
    """Donated arguments and the results that they are changed to, as (number among the arrays that a call takes, number
    among those that it returns); parameters as for `updates_in_place`."""
    if not module.aliases:
        return ()
    given = [parameter for number, parameter in enumerate(module.entry.parameters) if number not in values]
    numbers = [(parameter, index) for parameter in given for index in parameter.shape.paths()]
    results = module.entry.root.shape.paths()
    return tuple(
        (numbers.index(place), results.index(result)) for place, (result, _) in _updated(module, values).items()
    )


def _updated(
    module: HloModule, values: Container[int]
) -> dict[Place, tuple[tuple[int, ...], tuple[HloInstruction, ...]]]:
    """For donated arrays of parameters the index of the result that they become, and the instructions on the way; empty
    arrays have no memory to give away."""
    root = module.entry.root
    arrays = zip(root.shape.paths(), root.shape.arrays()) if module.aliases else ()
    paths = {index: _path(root, index) for index, array in arrays if 0 not in array.dimensions}
    found = {}
    for alias in module.aliases:
        place = (module.entry.parameters[alias.parameter], alias.index)
        results = [index for index, path in paths.items() if path[-1] == place]
        if results and alias.parameter not in values:
            result = alias.result if alias.result in results else results[0]
            found[place] = (result, tuple(instruction for instruction, _ in paths[result][:-1]))
    return found


def _path(instruction: HloInstruction, index: tuple[int, ...]) -> list[Place]:
    """Where an array lay before, and before that, as far as it has elements."""
    path: list[Place] = []
    place: Place | None = (instruction, index)
    while place is not None:
        path.append(place)
        place = _before(*place)
    return path


def _before(instruction: HloInstruction, index: tuple[int, ...]) -> Place | None:
    """What the array at `index` of an instruction's result is a changed copy of, None if it is a new one."""
    opcode, operands = instruction.opcode, instruction.operands
    if opcode == "tuple":
        return (operands[index[0]], index[1:])
    if opcode == "get-tuple-element":
        return (operands[0], (instruction.attributes_as(TupleIndexAttributes).index, *index))
    if opcode == "scatter":
        return (operands[index[0] if index else 0], ())
    return (operands[0], index) if opcode in _IN_PLACE else None
