"""What a converter is, and tables of converters by opcode and custom-call target, as modules declare them.

A converter is a free function ``convert(ctx, instruction, *operands) -> value``. Operands and result are ``Tensor``s,
or (nested) tuples of them for HLO tuples.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import RegistryError
from ..hlo.opcodes import CUSTOM_CALL_PREFIX, OPCODES
from ..hlo.tables import DeclaredTable

ConvertFunction = Callable[..., Any]


@dataclass(frozen=True)
class Converter:
    """A registered converter.

    Attributes
    ----------
    convert : callable
        ``convert(ctx, instruction, *operands)``.
    broadcasting : bool
        Operands may arrive with a pending broadcast: as scalars, or with dimensions of size 1, where the operand
        instruction's shape has more; otherwise the driver materialises them first.
    how : str
        For the support table: ``native``, ``composition``, ``kernel``, ``rewrite``, ``identity`` or ``host's LAPACK``.
    """

    convert: ConvertFunction
    broadcasting: bool = False
    how: str = "composition"

    @property
    def summary(self) -> str:
        """First line of the converter's docstring."""
        return (self.convert.__doc__ or "").strip().split("\n")[0]

    def takes(self, count: int) -> bool:
        """Whether it can be called with so many operands, of which a custom-call may have any number."""
        try:
            inspect.signature(self.convert).bind(None, None, *[None] * count)
        except TypeError:
            return False
        return True


class ConverterTable(DeclaredTable[str, Converter]):
    """Converters by key (an opcode, or ``custom-call:`` and a target), as one module declares them."""

    def _taken(self, key: str, known: Converter) -> str:
        return (
            f"{key!r} already has the converter {known.convert.__name__} of {known.convert.__module__}; for one call "
            "`from_hlo(..., custom_converters={...})` wins over it"
        )

    @staticmethod
    def _function_of(entry: Converter) -> ConvertFunction:
        return entry.convert

    def converter(
        self, *opcodes: str, broadcasting: bool = False, how: str = "composition"
    ) -> Callable[[ConvertFunction], ConvertFunction]:
        """Decorator: the function is the converter of `opcodes`; parameters and errors as of `converter`."""
        check_opcodes(opcodes)
        return self._adding(opcodes, broadcasting, how)

    def custom_call_converter(
        self, *targets: str, how: str = "composition"
    ) -> Callable[[ConvertFunction], ConvertFunction]:
        """Decorator: the function is the converter of custom-calls to `targets`."""
        return self._adding(target_keys(targets), False, how)

    def _adding(
        self, keys: tuple[str, ...], broadcasting: bool, how: str
    ) -> Callable[[ConvertFunction], ConvertFunction]:
        def decorate(function: ConvertFunction) -> ConvertFunction:
            check_signature(function)
            self.add(Converter(function, broadcasting, how), *keys)
            return function

        return decorate


def target_keys(targets: Iterable[str]) -> tuple[str, ...]:
    """Keys of custom-calls to `targets`."""
    return tuple(CUSTOM_CALL_PREFIX + target for target in targets)


def check_opcodes(opcodes: Iterable[str]) -> None:
    """RegistryError unless HLO has all `opcodes`."""
    for opcode in opcodes:
        if opcode not in OPCODES:
            raise RegistryError(f"{opcode!r} is not an HLO opcode")


def check_signature(function: ConvertFunction) -> None:
    """RegistryError unless `function` can be called with (ctx, instruction, operands...)."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = list(inspect.signature(function).parameters.values())
    if len([p for p in parameters if p.kind in positional]) < 2:
        raise RegistryError(f"{function.__name__} must take (ctx, instruction, *operands), not {len(parameters)} names")


def custom_call_targets(converters: Mapping[str, Converter]) -> frozenset[str]:
    """Targets of custom-calls among the keys of `converters`."""
    return frozenset(key.removeprefix(CUSTOM_CALL_PREFIX) for key in converters if key.startswith(CUSTOM_CALL_PREFIX))
