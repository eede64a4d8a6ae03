"""Options of custom-calls: the text that frameworks put into backend_config, as Python values."""

from __future__ import annotations

import json
import re
import struct
from typing import Any

_SCALAR = re.compile(r"(?P<number>[^\s:]+)\s*:\s*(?P<kind>[us]?i\d+|index|bf16|f\d+)$")
_ESCAPE = re.compile(r'\\(?:([0-9A-Fa-f]{2})|(["\\nt]))')
_ESCAPED = {"n": "\n", "t": "\t"}
_OPENING, _CLOSING = "{[<(", "}]>)"
_FLOAT_BITS = {"f32": ("<I", "<f"), "f64": ("<Q", "<d"), "f16": ("<H", "<e")}


def parse_backend_config(data: bytes) -> dict[str, Any]:
    """Options by name.

    Parameters
    ----------
    data : bytes
        ``CustomCallAttributes.backend_config``: a dictionary in MLIR's text (typed FFI: ``{eps = 1.0E-5 : f32}``) or in
        JSON.

    Returns
    -------
    dict of str to object
        int, float, bool, str or (nested) dict; what is none of those stays the text that it is. Empty if the config is
        no dictionary.
    """
    text = data.decode("utf-8", errors="replace").strip()
    if re.match(r"\{\s*\"[^\"]*\"\s*:", text):
        try:
            return dict(json.loads(text))
        except ValueError:
            return {}
    return _dictionary(text) if text.startswith("{") and text.endswith("}") else {}


def _dictionary(text: str) -> dict[str, Any]:
    pairs = [entry.partition("=") for entry in _entries(text[1:-1])]
    return {name.strip().strip('"'): _value(value.strip()) if equals else True for name, equals, value in pairs}


def _entries(text: str) -> list[str]:
    """`text` split at the commas outside of brackets and strings."""
    entries, depth, start, quoted, index = [], 0, 0, False, 0
    while index < len(text):
        character = text[index]
        if quoted:
            index += character == "\\"  # what follows belongs to it
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == "," and depth == 0:
            entries.append(text[start:index])
            start = index + 1
        index += 1
    return [entry for entry in (*entries, text[start:]) if entry.strip()]


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if text.startswith('"') and text.endswith('"'):
        return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _ESCAPED.get(m[2], m[2]), text[1:-1])
    if text.startswith("{"):
        return _dictionary(text)
    scalar = _SCALAR.match(text)
    return _number(scalar["number"], scalar["kind"]) if scalar else text


def _number(text: str, kind: str) -> int | float | str:
    """Number of an MLIR type; NaN and infinities come as the bits of the float."""
    try:
        if "f" not in kind:
            return int(text)
        if not text.startswith("0x"):
            return float(text)
        if kind not in _FLOAT_BITS:
            return text
        bits, value = _FLOAT_BITS[kind]
        return float(struct.unpack(value, struct.pack(bits, int(text, 16)))[0])
    except ValueError:
        return text
