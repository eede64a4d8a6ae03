"""A program's results in its framework, in XLA and in TVM, on example inputs: which step changes them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import CheckError, HloFrontendError, SignatureError
from .agreement import Disagreement, disagreement

Arrays = Sequence[np.ndarray]

# weights and inputs of up to so many bytes are checked by default
LIMIT = 1 << 30
# every run of them has other results
STATEFUL = frozenset({"rng", "rng-get-and-update-state"})
# XLA waits for somebody at the other end, or for other devices
WAITING = frozenset(
    "infeed outfeed send send-done recv recv-done all-gather all-reduce all-to-all collective-permute reduce-scatter "
    "collective-broadcast ragged-all-to-all partition-id replica-id".split()
)
# the framework's own kernels may draw others of a seed than XLA does
RANDOM = frozenset({"rng-bit-generator"})


@dataclass(frozen=True)
class Check:
    """How a program is checked on example inputs when it is converted.

    Attributes
    ----------
    tvm : bool
        Whether TVM builds and runs it too, which is then compared with XLA; else only the framework is.
    tolerance : float, optional
        Greatest difference that floats and complex numbers may have, as a part of the greatest magnitude of their
        result; by default that of their type in `oracle.agreement.TOLERANCE`. All else must be equal.
    seed : int
        Of the numbers for inputs that have only a shape and a type.
    limit : int, optional
        Bytes of weights and inputs beyond which the program is not checked; None for any.

    Raises
    ------
    SignatureError
        If the tolerance is negative or no number.
    """

    tvm: bool = True
    tolerance: float | None = None
    seed: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.tolerance is not None and not self.tolerance >= 0:
            raise SignatureError(f"tolerance={self.tolerance}: what is allowed is no negative number")


# of frameworks whose step to HLO is a third party's
BY_DEFAULT = Check(tvm=False, limit=LIMIT)


def chosen(check: bool | Check | None, by_default: Check | None = None) -> Check | None:
    """What ``check=`` of a road says; None for no check.

    Raises
    ------
    SignatureError
        If it is no such thing.
    """
    if check is None:
        return by_default
    if isinstance(check, bool):
        return Check() if check else None
    if not isinstance(check, Check):
        raise SignatureError(f"check={check!r}: give True, False, or a Check")
    return check


@dataclass(frozen=True)
class Reference:
    """A framework's own run of a program.

    Attributes
    ----------
    framework : str
        As people write it; empty if there is none.
    inputs : sequence of numpy.ndarray or None
        Example inputs, in the order of the HLO parameters that are no weights; None for one that has no numbers.
    run : callable or None
        Arrays for all inputs to its flat results, without any effect; None if there is no framework.
    locate : callable
        Of those arrays, words about the first operator that differs; empty if they are not known.
    converts : str
        What makes HLO of the program.
    own_random_numbers : bool
        Whether the framework may draw others of a seed than XLA.
    """

    framework: str = ""
    inputs: Sequence[np.ndarray | None] = ()
    run: Callable[[Arrays], Arrays] | None = None
    locate: Callable[[Arrays], str] = lambda arrays: ""
    converts: str = "its compiler"
    own_random_numbers: bool = False


@dataclass(frozen=True)
class Checked:
    """A program that is to be checked, and how."""

    how: Check
    reference: Reference = field(default_factory=Reference)

    @staticmethod
    def of(how: Check | None, reference: Callable[[], Reference] = Reference) -> Checked | None:
        """None if nothing is checked."""
        return None if how is None else Checked(how, reference())


class _Skip(Exception):
    """Why a program is not checked."""


def check_program(
    checked: Checked,
    hlo: Any,
    weights: Mapping[int, np.ndarray],
    names: Sequence[str],
    converted: Any,
    options: Mapping[str, Any],
) -> None:
    """Compare what the framework, XLA:CPU and TVM make of a program; a warning says why if that cannot be done.

    Parameters
    ----------
    checked : Checked
    hlo : bytes, HloModule or OpenModule
        The program.
    weights : mapping of int to numpy.ndarray
        Values of the entry parameters that are weights.
    names : sequence of str
        Of the entry parameters.
    converted : object
        What `from_hlo` made of it, or an executable.
    options : mapping
        Keyword arguments of `from_hlo` for parts of it.

    Raises
    ------
    CheckError
        If two of them differ.
    """
    how, reference = checked.how, checked.reference
    try:
        module = _module(hlo)
        inputs = _inputs(module, checked, weights, names)
        arrays = _with_weights(inputs, weights, len(module.entry.parameters))
        _refuse_size(arrays, how.limit)
        run_xla = _xla(hlo, module)
        by_xla = _tried("XLA:CPU", run_xla, arrays)
        lines: list[str] = []
        steps: list[str] = []
    except _Skip as skip:
        warnings.warn(f"not checked on example inputs: {skip}", stacklevel=4)
        return
    try:
        if reference.run is not None:
            found = _against_framework(reference, module, inputs, by_xla, how)
            lines.append(_sentence(reference.framework, "XLA:CPU", found))
            if found is not None:
                where = _located(reference, inputs)
                lines += [f"  {where}"] if where else []
                steps.append("framework")
    except _Skip as skip:
        lines.append(f"{reference.framework} was not compared: {skip}.")
        warnings.warn(f"not checked against {reference.framework} on example inputs: {skip}", stacklevel=4)
    if how.tvm:
        found = _against_tvm(converted, inputs, arrays, by_xla, run_xla, how)
        lines.append(_sentence("XLA:CPU", "TVM", found))
        if found is not None:
            lines += [f"  {_first_instruction(module, arrays, options)}"]
            steps.append("tvm")
    if steps:
        raise CheckError("\n".join([*lines, *_advice(steps, reference)]), tuple(steps))


def _module(hlo: Any) -> Any:
    """The module, if XLA can run it and says the same every time."""
    from ..hlo.ir.module import HloModule
    from ..hlo.ir.open_module import OpenModule
    from ..hlo.proto.reader import read

    if isinstance(hlo, OpenModule):
        raise _Skip("its sizes are unknown; give example inputs that say them")
    module = hlo if isinstance(hlo, HloModule) else read(hlo)
    entry = module.entry
    if not all(each.shape.is_static for each in (entry.root, *entry.parameters)):
        raise _Skip("data tell the sizes of its inputs or results, and XLA's client does not take or give such arrays")
    opcodes = {instruction.opcode.removesuffix("-start") for instruction in module.instructions}
    if opcodes & STATEFUL:
        raise _Skip(f"it draws random numbers ({', '.join(sorted(opcodes & STATEFUL))}), other ones in each run")
    if opcodes & WAITING:
        raise _Skip(f"it waits for others ({', '.join(sorted(opcodes & WAITING))})")
    return module


def _inputs(module: Any, checked: Checked, weights: Mapping[int, np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
    """Arrays for the entry parameters that are no weights: the example inputs, and numbers where there are none."""
    from .inputs import drawn_array, weights_of

    parameters = [(number, each.shape) for number, each in enumerate(module.entry.parameters) if number not in weights]
    if any(shape.is_tuple for _, shape in parameters):
        raise _Skip("it takes tuples")
    given = checked.reference.inputs or [None] * len(parameters)
    if len(given) != len(parameters):
        raise _Skip(f"it takes {len(parameters)} inputs, of {len(given)} example inputs")
    products = weights_of(module) if any(array is None for array in given) else {}
    generator = np.random.default_rng(checked.how.seed)
    arrays = []
    for (number, shape), array in zip(parameters, given):
        if array is None:
            name = names[number] if number < len(names) else str(number)
            try:
                array = drawn_array(name, shape.element_type, shape.dimensions, generator, products.get(number, 1))
            except SignatureError as error:
                raise _Skip(str(error)) from error
        if array.shape != shape.dimensions or array.dtype != shape.numpy_dtype:
            raise _Skip(f"the example input {array.dtype}{list(array.shape)} is no {shape}")
        arrays.append(array)
    return arrays


def _with_weights(inputs: Arrays, weights: Mapping[int, np.ndarray], count: int) -> list[np.ndarray]:
    rest = iter(inputs)
    return [np.asarray(weights[number]) if number in weights else next(rest) for number in range(count)]


def _refuse_size(arrays: Arrays, limit: int | None) -> None:
    size = sum(array.nbytes for array in arrays)
    if limit is not None and size > limit:
        raise _Skip(
            f"its weights and inputs are {size / 2**30:.1f} GiB, more than the {limit / 2**30:.1f} GiB that are run by "
            "default; check=True runs them, check=False does without this warning"
        )


def _xla(hlo: Any, module: Any) -> Callable[[Arrays], Arrays]:
    """What runs the program on XLA:CPU, compiled once: its bytes, not what this package understood of them."""
    from .xla_cpu import compile_xla

    program: list[Any] = []

    def run(arrays: Arrays) -> Arrays:
        if not program:
            program.append(compile_xla(module if hlo is module else hlo, excess_precision=False))
        return program[0](*arrays)

    return run


def _tried(who: str, run: Callable[[Arrays], Arrays], arrays: Arrays) -> Arrays:
    """Results; whatever a run raises is a reason not to compare."""
    try:
        return run(arrays)
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0]
        raise _Skip(f"{who} cannot run it: {type(error).__name__}: {said}") from error


def _against_framework(
    reference: Reference, module: Any, inputs: Arrays, by_xla: Arrays, how: Check
) -> Disagreement | None:
    assert reference.run is not None
    if reference.own_random_numbers and any(instruction.opcode in RANDOM for instruction in module.instructions):
        raise _Skip(f"it draws random numbers, for which {reference.framework} and XLA have generators of their own")
    theirs = _tried(reference.framework, reference.run, inputs)
    if len(theirs) != len(by_xla):
        raise _Skip(f"{reference.framework} has {len(theirs)} results, XLA {len(by_xla)}")
    return disagreement(by_xla, theirs, how.tolerance, inputs, reference.run)


def _located(reference: Reference, inputs: Arrays) -> str:
    try:
        return reference.locate(inputs)
    # what runs a framework's operators one by one raises whatever they do; the difference is to be told in any case
    except Exception as error:
        return f"the first operator that differs cannot be found: {type(error).__name__}: {error}"


def _against_tvm(
    converted: Any, inputs: Arrays, arrays: Arrays, by_xla: Arrays, run_xla: Callable[[Arrays], Arrays], how: Check
) -> Disagreement | None:
    from ..deploy.executable import build, mod_and_params
    from ..deploy.specialized import SpecializedExecutable
    from .comparison import flat_arrays

    run = converted if isinstance(converted, SpecializedExecutable) else build(*mod_and_params(converted))
    return disagreement(flat_arrays(run(*inputs)), by_xla, how.tolerance, arrays, run_xla)


def _first_instruction(module: Any, arrays: Arrays, options: Mapping[str, Any]) -> str:
    """Words about the first instruction whose value differs in TVM, weights among the inputs."""
    from .comparison import Side, first_difference
    from .report import lines_of

    try:
        wrong = first_difference(module, arrays, Side(options))
    except HloFrontendError as error:
        return f"the first instruction that differs cannot be found: {error}"
    return "\n  ".join(["the first instruction that differs:", *lines_of(wrong)])


def _sentence(first: str, second: str, found: Disagreement | None) -> str:
    """Whether two sides agree, and how they differ; `second` computed what was got."""
    if found is None:
        return f"{first} and {second} agree."
    if found.kind:
        return f"{first} and {second} differ: result {found.result} is {found.kind} in {second}."
    place = f" at {list(found.where)}" if found.where else ""
    most = f", by up to {found.difference:.2g} where {found.allowed:.2g} is allowed"
    return (
        f"{first} and {second} differ: result {found.result}{place} is {found.wanted!s} in {first}, {found.got!s} in "
        f"{second}; {found.wrong} of {found.size} elements differ{most if math.isfinite(found.difference) else ''}."
    )


def _advice(steps: Sequence[str], reference: Reference) -> list[str]:
    told = []
    if "framework" in steps:
        told.append(
            f"The step from {reference.framework} to HLO, by {reference.converts}, changes the numbers: write the "
            "program with other operators."
        )
    if "tvm" in steps:
        told.append("The step from HLO to TVM changes the numbers, which it must not: please report the program.")
    told.append("check=Check(tolerance=…) allows more, check=False compares nothing.")
    return told
