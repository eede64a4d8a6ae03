"""What users hand in (bytes, messages, framework objects, files, XLA dumps, text) to the bytes of a proto."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

from ...errors import HloParseError
from ..text.parsers import hlo_from_mlir, hlo_from_text

_HLO_TEXT = re.compile(rb"^HloModule\b", re.MULTILINE)
_MLIR_TEXT = re.compile(rb'^\s*(module\b|"?builtin\.module\b|"?func\.func\b|#[\w.]+\s*=|![\w.]+\s*=)', re.MULTILINE)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # no text has these, every proto does
_MLIR_BYTECODE = b"ML\xefR"
_HLO_TEXT_SUFFIXES = (".txt", ".hlo")
_MLIR_SUFFIXES = (".mlir", ".mlirbc")
# the module as the framework made it, in the order of preference: only a proto holds every constant
_DUMPED = ("*before_optimizations.hlo.pb", "*before_optimizations.txt")
# enough to find the first line of a text that starts with comments
_HEAD = 1 << 16


def to_bytes(source: Any) -> bytes:
    """Serialized proto of `source`, see ``reader.read`` for what it may be.

    Raises
    ------
    HloParseError
        If there is no such file, the content is no HLO, a folder holds several modules, or nothing is known about the
        type of `source`.
    """
    mlir, content = _mlir_or_content(source)
    if mlir is not None:
        return hlo_from_mlir(mlir)
    if content is not None:
        data, suffix = content
        is_text = suffix in _HLO_TEXT_SUFFIXES or data[:64].lstrip().startswith(b"HloModule")
        return hlo_from_text(data.decode("utf-8", "replace")) if is_text else data
    for method in ("as_serialized_hlo_module_proto", "SerializeToString"):
        if hasattr(source, method):
            return bytes(getattr(source, method)())
    raise HloParseError(
        f"cannot read an HLO module from {type(source).__name__}; give the bytes of a HloModuleProto, a protobuf "
        "message, an XlaComputation, HLO text, an MLIR module, or the path of a file with one of these"
    )


def mlir_of(source: Any) -> bytes | None:
    """MLIR text or bytecode that `source` is or names, None if it is something else; errors as for `to_bytes`."""
    return _mlir_or_content(source)[0]


def _mlir_or_content(source: Any) -> tuple[bytes | None, tuple[bytes, str] | None]:
    """MLIR, or other content with the suffix of its file; neither for objects."""
    if hasattr(source, "operation"):  # a Module of MLIR's Python bindings
        buffer = io.BytesIO()
        source.operation.write_bytecode(buffer)
        return buffer.getvalue(), None
    content = _content(source)
    if content is not None and (content[1] in _MLIR_SUFFIXES or _is_mlir(content[0])):
        return content[0], None
    return None, content


def _content(source: Any) -> tuple[bytes, str] | None:
    """Bytes and file suffix of content or a path; None for objects that are neither."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), ""
    if isinstance(source, str) and ("HloModule" in source or "\n" in source or _is_mlir(source.encode())):
        return source.encode(), ".txt"
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if _is_folder(path):
            path = module_of_dump(path)
        return _read(path), path.suffix
    return None


def module_of_dump(folder: Path) -> Path:
    """The file with the one module that XLA dumped into `folder`, before its optimizations.

    Raises
    ------
    HloParseError
        If there is none, or several modules; the message names their files.
    """
    by_module: dict[str, Path] = {}
    for pattern in _DUMPED:
        for path in sorted(folder.glob(pattern)):
            by_module.setdefault(path.name.partition("before_optimizations")[0], path)
    if not by_module:
        raise HloParseError(
            f"{folder} has no file of {' or '.join(_DUMPED)}; dump modules with "
            "XLA_FLAGS='--xla_dump_to=FOLDER --xla_dump_hlo_as_proto', or give the path of one file"
        )
    if len(by_module) > 1:
        names = "\n  ".join(str(path) for path in by_module.values())
        raise HloParseError(f"{folder} holds {len(by_module)} modules; give the path of one:\n  {names}")
    return next(iter(by_module.values()))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no file has such a name
        return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise HloParseError(f"cannot read {str(path)[:200]!r}: {error}") from error


def _is_mlir(data: bytes) -> bool:
    if data.startswith(_MLIR_BYTECODE):
        return True
    head = data[:_HEAD]
    return not _CONTROL.search(head) and not _HLO_TEXT.search(head) and _MLIR_TEXT.search(head) is not None
