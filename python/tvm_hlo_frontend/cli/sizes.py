"""Unknown sizes of a module on the command line: what --dim gives, what arrays tell, what is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..backends.signature import Parameter
from ..deploy.open_sizes import OpenSizes, Step, open_sizes, size_of_text
from ..deploy.specialization import Specialization
from ..errors import HloVerificationError, SignatureError
from ..hlo.ir.open_module import OpenModule, SizeCheck
from ..hlo.ir.size_numbers import holds
from ..hlo.ir.sizes import substituted, variables
from ..hlo.verifier import verify
from ..rewrites.dimension_bounds import with_bounds
from ..rewrites.substitute_sizes import with_some_sizes
from .command import Dims, Unusable


def sizes_of(opened: OpenModule) -> OpenSizes:
    """What tells the unknown sizes of a module, and what must hold of them; SignatureError if nothing tells one."""
    return Specialization.of(opened, None, {}, "", {}).sizes


def said(dims: Dims) -> dict[str, str]:
    """What --dim says, by name."""
    return {name: str(number) for name, number in dims.numbers.items()} | {
        name: f"{low}..{high}" for name, (low, high) in dims.bounds.items()
    }


def with_dims(opened: OpenModule, sizes: OpenSizes, dims: Dims, file: Path) -> OpenModule:
    """`opened` with the sizes that --dim gives, and the bounds.

    Parameters
    ----------
    opened : OpenModule
    sizes : OpenSizes
        Its `sizes_of`.
    dims : Dims
    file : pathlib.Path
        For messages.

    Raises
    ------
    Unusable
        If there is no unknown size of some name.
    SignatureError
        If the module is none for such sizes.
    """
    check_names(sizes.names, said(dims), file)
    opened, numbers = with_bounds(opened, dims.bounds), dims.numbers
    if not numbers:
        return opened
    check_dims(sizes, numbers, file)
    given = ", ".join(f"{name} = {number}" for name, number in numbers.items())
    try:
        known = with_some_sizes(opened, numbers)
        verify(known.module)
    except ZeroDivisionError as error:
        raise SignatureError(str(error)) from error
    except HloVerificationError as error:
        raise SignatureError(f"with {given} the program contradicts itself: {error}") from error
    # two unknown sizes may settle a check of which --dim gives one: a product of 0
    for asked, check in zip(opened.checks, known.checks):
        if not _names(check) and not holds(check, {}):
            raise SignatureError(f"the program needs {asked}, which does not hold with {given}")
    return replace(known, checks=tuple(check for check in known.checks if _names(check)))


def check_dims(sizes: OpenSizes, dims: Mapping[str, int], file: Path) -> None:
    """Whether there are unknown sizes of these names which may be these numbers; errors as for `with_dims`."""
    if not dims:
        return
    check_names(sizes.names, dims, file)
    checks = tuple(check for check in sizes.checks if _names(check) <= set(dims))
    replace(sizes, steps=tuple(step for step in sizes.steps if step.name in dims), checks=checks).of_numbers(dims)


def check_names(names: Collection[str], dims: Mapping[str, object], file: Path) -> None:
    """Whether all names that --dim gives are among `names`; Unusable if not."""
    for name, number in dims.items():
        if not names:
            raise Unusable(f"--dim {name}={number}: {file} has no unknown sizes")
        if name not in names:
            raise Unusable(f"--dim {name}={number}: the unknown sizes of {file} are {', '.join(names)}")


def wanted_dims(names: Collection[str]) -> str:
    """The options that give these sizes."""
    return " ".join(f"--dim {name}=N" for name in names)


def told_by(sizes: OpenSizes, step: Step) -> str:
    """What tells an unknown size, in words."""
    name = f"`{sizes.inputs[step.position].name}`"
    if step.axis is None:
        return f"the value of {name}"
    dimension = sizes.dimensions[step.position][step.axis]
    is_more = "" if str(dimension) == step.name else f", which is {dimension}"
    return f"dimension {step.axis} of {name}{is_more}"


def valued_inputs(sizes: OpenSizes, dims: Mapping[str, int]) -> dict[int, int | str]:
    """Inputs whose value is a size, by position: the number that --dim gives, the name of one that is unknown."""
    return {position: dims.get(name, name) for name, position in sizes.values.items()}


def with_known_dimensions(
    inputs: Sequence[Parameter],
    given: Mapping[str, np.ndarray],
    values: Mapping[int, int | str],
    dims: Mapping[str, int],
) -> list[Parameter]:
    """The inputs that are not given, with numbers for dimensions.

    Parameters
    ----------
    inputs : sequence of Parameter
    given : mapping of str to numpy.ndarray
        Arrays of some of them, by name.
    values : mapping of int to int or str
        See `valued_inputs`.
    dims : mapping of str to int
        Sizes that are known besides those that `given` tells.

    Raises
    ------
    Unusable
        If a size is unknown.
    SignatureError
        If the arrays that are given tell another size than `dims`, or none.
    """
    there = [parameter for parameter in inputs if parameter.name in given]
    missing = [parameter for parameter in inputs if parameter.name not in given]
    named = {name: inputs[number] for number, name in values.items() if isinstance(name, str)}
    if not named and all(isinstance(size, int) for parameter in inputs for size in parameter.dimensions):
        return missing
    valued = {name: there.index(parameter) for name, parameter in named.items() if parameter in there}
    told = open_sizes(there, valued, (), ()).told([given[parameter.name] for parameter in there])
    for name, number in dims.items():
        if told.get(name, number) != number:
            raise SignatureError(f"--dim {name}={number} does not fit the arrays, by which it is {told[name]}")
    numbers = {**told, **dims}
    found = [
        (parameter, [substituted(size_of_text(size), numbers) for size in parameter.dimensions])
        for parameter in missing
    ]
    unknown = {name for _, dimensions in found for size in dimensions for name in variables(size)}
    unknown |= {name for name, parameter in named.items() if parameter in missing}
    if unknown:
        names = sorted(unknown)
        raise Unusable(
            f"unknown sizes: {', '.join(names)}; give {wanted_dims(names)}, or arrays of --inputs that tell them"
        )
    return [replace(parameter, dimensions=tuple(dimensions)) for parameter, dimensions in found]


def _names(check: SizeCheck) -> frozenset[str]:
    return variables(check.left) | variables(check.right)
