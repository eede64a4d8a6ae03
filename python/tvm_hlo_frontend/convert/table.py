"""All converters: those of this package, and those that users have registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..hlo.opcodes import CUSTOM_CALL_PREFIX, OPCODES
from .ops import TABLE
from .rules import (
    Converter,
    ConverterTable,
    ConvertFunction,
    check_opcodes,
    check_signature,
    target_keys,
)

_OWN = ConverterTable(replaceable=True)


def converter(
    *opcodes: str, broadcasting: bool = False, how: str = "composition"
) -> Callable[[ConvertFunction], ConvertFunction]:
    """Decorator for users: registers a function as the converter of `opcodes`.

    Parameters
    ----------
    opcodes : str
        XLA opcode names.
    broadcasting : bool
        See `Converter`.
    how : str
        See `Converter`.

    Raises
    ------
    RegistryError
        For an unknown opcode, one that already has a converter (of this package, or registered under another name), or
        a function without (ctx, instruction, ...).
    """
    check_opcodes(opcodes)
    TABLE.check_free(*opcodes)
    return _OWN.converter(*opcodes, broadcasting=broadcasting, how=how)


def custom_call_converter(*targets: str, how: str = "composition") -> Callable[[ConvertFunction], ConvertFunction]:
    """Decorator for users: registers the converter of custom-calls to `targets`; errors as `converter`."""
    TABLE.check_free(*target_keys(targets))
    return _OWN.custom_call_converter(*targets, how=how)


def registered() -> Mapping[str, Converter]:
    """All converters by key: an opcode, or ``custom-call:`` and a target."""
    return {**TABLE.entries, **_OWN.entries}


def with_custom(custom_converters: Mapping[str, ConvertFunction] | None) -> Mapping[str, Converter]:
    """The registered converters, overridden by `custom_converters` (key: an opcode or a custom-call target)."""
    table = dict(registered())
    for key, function in (custom_converters or {}).items():
        check_signature(function)
        table[key if key in OPCODES else CUSTOM_CALL_PREFIX + key] = Converter(function, how="custom")
    return table
