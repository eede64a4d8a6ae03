"""From the arrays of a call to the unknown sizes of a program, or to one sentence that says what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..analysis.told_sizes import Step, told_sizes
from ..backends.signature import Parameter, Signature
from ..errors import SignatureError
from ..hlo.ir.open_module import SizeCheck
from ..hlo.ir.shape import BY_NAME, Dimension
from ..hlo.ir.size_numbers import holds, number_of
from ..hlo.ir.sizes import Size, parsed, size_of, variables


@dataclass(frozen=True)
class OpenSizes:
    """How the unknown sizes of a program follow from its inputs, and what must hold of them.

    Attributes
    ----------
    inputs : tuple of Parameter
    dimensions : tuple of tuple of int or Size
        Those of each input.
    steps : tuple of Step
        One per unknown size.
    checks : tuple of SizeCheck
    values : mapping of str to int
        Numbers of the inputs whose values are sizes, whatever tells those.
    """

    inputs: tuple[Parameter, ...]
    dimensions: tuple[tuple[Dimension, ...], ...]
    steps: tuple[Step, ...]
    checks: tuple[SizeCheck, ...] = ()
    values: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The unknown sizes."""
        return tuple(step.name for step in self.steps)

    def of_call(self, arrays: Sequence[np.ndarray]) -> dict[str, int]:
        """The sizes of a call.

        Raises
        ------
        SignatureError
            If number, dtypes or shapes of the arrays do not fit.
        """
        numbers = self.told(arrays)
        for parameter, wanted, array in zip(self.inputs, self.dimensions, arrays):
            for axis, (size, found) in enumerate(zip(wanted, array.shape)):
                if self._number(size, numbers) != found:
                    what = f"dimension {axis} of `{parameter.name}` is {found}"
                    raise SignatureError(f"{what}; the program needs {self._explained(size, numbers)}")
        for name, position in self.values.items():
            found = int(arrays[position].item())
            if found != numbers[name]:
                what = f"the value of `{self.inputs[position].name}` is {found}"
                raise SignatureError(f"{what}; the program needs {name}, which is {numbers[name]}{self._told_by(name)}")
        self._check(numbers, self._told_by)
        return numbers

    def told(self, arrays: Sequence[np.ndarray]) -> dict[str, int]:
        """`of_call` without a look at dimensions that tell nothing, and at the checks."""
        self._check_types(arrays)
        numbers: dict[str, int] = {}
        for step in self.steps:
            numbers[step.name] = self._told(step, arrays[step.position], numbers)
        return numbers

    def of_numbers(self, numbers: Mapping[str, int]) -> dict[str, int]:
        """`numbers` in the order of `names`.

        Raises
        ------
        SignatureError
            If an unknown size has no number, there is none of some name, or a check does not hold.
        """
        if set(numbers) != set(self.names):
            wanted = ", ".join(self.names) or "none"
            raise SignatureError(f"the unknown sizes are {wanted}, not {', '.join(numbers) or 'none'}")
        given = [(name, numbers[name]) for name in self.names]
        odd = [f"{name} is {number!r}" for name, number in given if not isinstance(number, (int, np.integer))]
        if odd:
            raise SignatureError(f"sizes are whole numbers; {', '.join(odd)}")
        ordered = {name: int(numbers[name]) for name in self.names}
        negative = [f"{name} is {number}" for name, number in ordered.items() if number < 0]
        if negative:
            raise SignatureError(f"sizes are at least 0; {', '.join(negative)}")
        self._check(ordered, lambda name: "")
        return ordered

    def _check_types(self, arrays: Sequence[np.ndarray]) -> None:
        if len(arrays) != len(self.inputs):
            names = ", ".join(parameter.name for parameter in self.inputs)
            raise SignatureError(f"the program takes {len(self.inputs)} arrays ({names}), not {len(arrays)}")
        for parameter, array in zip(self.inputs, arrays):
            dtype = BY_NAME[parameter.element_type].numpy_dtype
            if array.dtype != dtype or array.ndim != len(parameter.dimensions):
                wanted = ", ".join(map(str, parameter.dimensions))
                found = f"{array.dtype}{list(array.shape)}"
                raise SignatureError(f"`{parameter.name}` is {found}; the program needs {dtype}[{wanted}]")

    def _told(self, step: Step, array: np.ndarray, numbers: Mapping[str, int]) -> int:
        """The size that a step tells."""
        name = self.inputs[step.position].name
        if step.axis is None:
            number = int(array.item())
            if number < 0:
                raise SignatureError(f"the value of `{name}` is {number}; the program needs a size, {step.name} >= 0")
            return number
        found, wanted = array.shape[step.axis], self.dimensions[step.position][step.axis]
        slope, offset = self._number(step.slope, numbers), self._number(step.offset, numbers)
        what = f"dimension {step.axis} of `{name}` is {found}; the program needs {wanted}"
        if slope == 0:
            raise SignatureError(f"{what}, which does not tell {step.name}{self._reasons(wanted, numbers)}")
        number, rest = divmod(found - offset, slope)
        if rest and offset == 0:
            raise SignatureError(f"{what}, a multiple of {abs(slope)}{self._reasons(wanted, numbers)}")
        if rest or number < 0:
            raise SignatureError(f"{what}, which it is for no {step.name} >= 0{self._reasons(wanted, numbers)}")
        return number

    def _check(self, numbers: Mapping[str, int], told_by: Callable[[str], str]) -> None:
        for check in self.checks:
            try:
                fits = holds(check, numbers)
            except ZeroDivisionError:
                fits = False
            if not fits:
                names = sorted(_names(check.left) | _names(check.right), key=self.names.index)
                facts = ", ".join(f"{name} is {numbers[name]}{told_by(name)}" for name in names)
                origin = f" ({check.origin})" if check.origin else ""
                raise SignatureError(f"the program needs {check}{origin}; {facts}")

    def _number(self, size: Dimension, numbers: Mapping[str, int]) -> int:
        try:
            return number_of(size, numbers)
        except ZeroDivisionError as error:
            raise SignatureError(f"the size {size} divides by 0{self._reasons(size, numbers)}") from error

    def _explained(self, size: Dimension, numbers: Mapping[str, int]) -> str:
        """A size, and what it is in this call."""
        if not isinstance(size, Size):
            return str(size)
        if size.name in self.names:
            return f"{size}, which is {numbers[size.name]}{self._told_by(size.name)}"
        return f"{size}, which is {number_of(size, numbers)}{self._reasons(size, numbers)}"

    def _reasons(self, size: Dimension, numbers: Mapping[str, int]) -> str:
        known = [name for name in self.names if name in numbers and name in _names(size)]
        facts = " and ".join(f"{name} is {numbers[name]}{self._told_by(name)}" for name in known)
        return f" as {facts}" if facts else ""

    def _told_by(self, name: str) -> str:
        step = self.steps[self.names.index(name)]
        what = f"`{self.inputs[step.position].name}`"
        return f" by the value of {what}" if step.axis is None else f" by dimension {step.axis} of {what}"


def open_sizes(
    inputs: Sequence[Parameter], values: Mapping[str, int], checks: Sequence[SizeCheck], needed: Collection[str]
) -> OpenSizes:
    """How unknown sizes follow from the inputs.

    Parameters
    ----------
    inputs : sequence of Parameter
        Texts among their dimensions are sizes.
    values : mapping of str to int
        Numbers of inputs whose values are sizes.
    checks : sequence of SizeCheck
    needed : collection of str
        All unknown sizes.

    Raises
    ------
    SignatureError
        If nothing tells one of them, a text is no size, or an input whose value is a size is no integer.
    """
    dimensions = tuple(tuple(size_of_text(size) for size in each.dimensions) for each in inputs)
    for name, position in values.items():
        parameter = inputs[position]
        if parameter.dimensions or BY_NAME[parameter.element_type].kind not in ("signed", "unsigned"):
            raise SignatureError(f"the value of `{parameter.name}` cannot be the size {name}: it is no integer")
    steps = told_sizes(dimensions, values)
    missing = sorted(set(needed) - {step.name for step in steps})
    if missing:
        raise SignatureError(f"no dimension and no value of an input tells the unknown size {missing[0]}")
    return OpenSizes(tuple(inputs), dimensions, steps, tuple(checks), dict(values))


def sizes_of_signature(signature: Signature) -> OpenSizes:
    """How the unknown sizes of a module follow from its inputs; errors as for `open_sizes`."""
    inputs = [parameter for parameter in signature.parameters if not parameter.bound]
    return open_sizes(inputs, dict(signature.values), [check_of(row) for row in signature.checks], signature.sizes)


def size_of_text(text: int | str) -> Dimension:
    """The size that a signature or a file shows as a number or a text; SignatureError if it is none."""
    if isinstance(text, int):
        return text
    try:
        return size_of(parsed(text))
    except (ValueError, ZeroDivisionError) as error:
        raise SignatureError(f"a dimension is {text!r}, of which nothing is known") from error


def check_of(row: Sequence[int | str]) -> SizeCheck:
    """What a row of a signature's checks says; SignatureError if it says nothing."""
    left, relation, right, origin = row
    return SizeCheck(size_of_text(left), str(relation), size_of_text(right), str(origin))


def _names(size: Dimension) -> frozenset[str]:
    return variables(size) if isinstance(size, Size) else frozenset()
