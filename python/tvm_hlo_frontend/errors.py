"""The exceptions that this package raises on purpose.

Besides them a user can meet ImportError (a TVM or framework is not installed) and ValueError (an option or a module is
none of this package's).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class HloFrontendError(Exception):
    """Base class of all errors that this package raises on purpose."""


class HloParseError(HloFrontendError):
    """The input is not an HLO module: truncated bytes, another message, text with elided constants."""


class UnknownDimensionsError(HloParseError):
    """An MLIR module has dimensions that are known only when it runs, and XLA does not translate it."""


class HloVerificationError(HloFrontendError):
    """The module contradicts itself: dangling ids, cycles, operand counts, shapes that do not follow."""


class HloLimitError(HloFrontendError):
    """The module is larger than a limit (`hlo.limits.Limits`): elements, dimensions, instructions, nesting."""


class ConversionError(HloFrontendError):
    """A converter made a result of another shape or dtype than HLO says, or a pass of TVM would make an operator
    of this package inexact."""


class StaticSizeError(HloFrontendError, TypeError):
    """Something needs a size as a number, and it is not known until the module is called."""


class SignatureError(HloFrontendError):
    """Names, values, weights or arguments do not fit the parameters of a module."""


class RegistryError(HloFrontendError):
    """A converter or kernel has a name that is taken or unknown, or is unusable; or a module calls a kernel that is not
    registered."""


class HostFunctionError(HloFrontendError):
    """A compiled module calls a function of the host that cannot do its work."""


class TargetError(HloFrontendError):
    """There is no code for a target, a module cannot be compiled for it, or there is no such device here."""


class LoweringError(HloFrontendError):
    """The framework cannot lower the program to HLO, or the HLO it made does not match the program."""


class CheckError(HloFrontendError):
    """A framework, XLA and TVM differ on the example inputs of a program (``check=``); the message says which step
    changes the numbers, and where.

    Attributes
    ----------
    steps : tuple of str
        ``"framework"`` if the step from the framework to HLO does, ``"tvm"`` if that from HLO to TVM does.
    """

    def __init__(self, message: str, steps: tuple[str, ...] = ()):
        self.steps = steps
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.steps)


class XlaMissingError(HloFrontendError):
    """There is no jaxlib here that XLA:CPU could be reached through."""


@dataclass(frozen=True)
class Refusal:
    """One instruction that cannot be converted.

    Attributes
    ----------
    instruction : str
        Name of the instruction.
    opcode : str
        Opcode, for a custom-call followed by its target in parentheses.
    computation : str
        Name of the computation that holds it.
    reason : str
        Why, and what to do.
    source : str
        Where it came from in the user's program, empty if the module does not say.
    """

    instruction: str
    opcode: str
    computation: str
    reason: str
    source: str = ""


class UnsupportedInstruction(HloFrontendError):
    """Raised by a converter that refuses one instruction; the driver collects them into UnsupportedHloError."""


class UnsupportedHloError(HloFrontendError):
    """The module holds instructions that are not supported; lists every one of them.

    What `from_hlo` raises is `backends.errors.UnsupportedHloError`, which is also a ``tvm.error.OpNotImplemented``.

    Attributes
    ----------
    refusals : tuple of Refusal
    """

    def __init__(self, refusals: tuple[Refusal, ...]):
        self.refusals = tuple(refusals)
        super().__init__(describe_refusals(self.refusals))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.refusals,)


def describe_refusals(refusals: tuple[Refusal, ...]) -> str:
    """The message of UnsupportedHloError: one group per opcode and reason, every instruction named."""
    groups: dict[tuple[str, str], list[Refusal]] = {}
    for refusal in refusals:
        groups.setdefault((refusal.opcode, refusal.reason), []).append(refusal)
    lines = [f"{len(refusals)} instruction(s) of this HLO module are not supported:"]
    for (opcode, reason), members in groups.items():
        lines.append(f"  {opcode}, {len(members)} time(s): {reason}")
        for member in members:
            source = f", from {member.source}" if member.source else ""
            lines.append(f"    %{member.instruction} in computation %{member.computation}{source}")
    lines.append(
        "Register a converter (tvm_hlo_frontend.converter, custom_call_converter, or custom_converters=), or lower "
        "the program without these instructions."
    )
    return "\n".join(lines)
