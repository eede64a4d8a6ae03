"""What users hand in (bytes, messages, framework objects, paths, HLO text) to the bytes of a proto."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..errors import HloParseError

_ELIDED_CONSTANT = re.compile(r"constant\(\{\s*\.\.\.\s*\}\)")
_TEXT_SUFFIXES = (".txt", ".hlo")
_MLIR_BYTECODE = b"ML\xefR"
# what a process that ends itself writes beside the reason
_NOISE = ("@", "***", "WARNING: All log messages")
# jaxlib's parser ends the whole process on some wrong texts, so it runs in one of its own
_PARSER = """
import importlib, sys
parse = importlib.import_module(sys.argv[1]).hlo_module_from_text
try:
    data = parse(sys.stdin.buffer.read().decode()).as_serialized_hlo_module_proto()
except Exception as error:
    sys.exit(str(error))
sys.stdout.buffer.write(data)
"""


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
    """Serialized HloModuleProto of HLO text; jaxlib parses it, in a process of its own.

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
    done = subprocess.run(
        [sys.executable, "-c", _PARSER, _text_parser()], input=text.encode(), capture_output=True, check=False
    )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines()]
        told = [line for line in lines if line and not line.startswith(_NOISE)]
        raise HloParseError("jaxlib cannot parse the HLO text: " + " ".join(told[:3] or ["it ended without a word"]))
    return done.stdout


def _text_parser() -> str:
    """The module of jaxlib that parses HLO text."""
    for name in ("jaxlib._hlo", "jaxlib.xla_extension"):  # current and older jaxlib
        try:
            if hasattr(importlib.import_module(name), "hlo_module_from_text"):
                return name
        except ImportError:
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
