"""What users hand in (bytes, messages, framework objects, paths, HLO text) to the bytes of a proto."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from typing import Any

from ..errors import HloParseError

_ELIDED_CONSTANT = re.compile(r"constant\(\{\s*\.\.\.\s*\}\)")
_TEXT_SUFFIXES = (".txt", ".hlo")
_MLIR_BYTECODE = b"ML\xefR"


def to_bytes(source: Any) -> bytes:
    """Serialized proto of `source`, see ``reader.read`` for what it may be.

    Raises
    ------
    HloParseError
        If there is no such file, the text is no HLO, or nothing is known about the type of `source`.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_content(bytes(source), "these bytes")
    if isinstance(source, str) and ("HloModule" in source or "\n" in source):
        return from_text(source)
    if isinstance(source, (str, os.PathLike)):
        return _from_file(Path(source))
    for method in ("as_serialized_hlo_module_proto", "SerializeToString"):
        if hasattr(source, method):
            return bytes(getattr(source, method)())
    raise HloParseError(
        f"cannot read an HLO module from {type(source).__name__}; give the bytes of a HloModuleProto, a protobuf "
        "message, an XlaComputation, HLO text, or the path of a file with one of these"
    )


def from_text(text: str) -> bytes:
    """Serialized HloModuleProto of HLO text; jaxlib parses it.

    Raises
    ------
    HloParseError
        If the text elides constants, is no HLO, or there is no jaxlib.
    """
    if _ELIDED_CONSTANT.search(text):
        # jaxlib's parser accepts them and fills in numbers of its own
        raise HloParseError(
            "the HLO text elides constants as constant({...}); print it with large constants "
            "(as_hlo_text(print_large_constants=True)) or use the serialized proto"
        )
    parse = _text_parser()
    try:
        return parse(text).as_serialized_hlo_module_proto()
    except Exception as error:  # the type of the parser's errors differs between versions of jaxlib
        raise HloParseError(f"jaxlib cannot parse the HLO text: {error}") from error


def _text_parser() -> Any:
    for name in ("jaxlib._hlo", "jaxlib.xla_extension"):  # current and older jaxlib
        try:
            return importlib.import_module(name).hlo_module_from_text
        except (ImportError, AttributeError):
            continue
    raise HloParseError("HLO text needs jaxlib to parse it: pip install jaxlib, or use the serialized proto")


def _from_file(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise HloParseError(f"cannot read {str(path)[:200]!r}: {error}") from error
    if path.suffix in _TEXT_SUFFIXES:
        return from_text(data.decode("utf-8", "replace"))
    return _from_content(data, str(path))


def _from_content(data: bytes, where: str) -> bytes:
    head = data[:64].lstrip()
    if head.startswith(b"HloModule"):
        return from_text(data.decode("utf-8", "replace"))
    if head.startswith((_MLIR_BYTECODE, b"module @", b"module {")):
        raise HloParseError(f"{where} hold MLIR (StableHLO or MHLO), not HLO: use from_stablehlo")
    return data
