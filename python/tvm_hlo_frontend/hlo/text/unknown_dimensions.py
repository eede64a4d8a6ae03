"""What of an MLIR module is about dimensions that are known only when it runs."""

from __future__ import annotations

import re

# types with unknown sizes or ranks, and what only such modules contain; bytecode holds names of operations, no types
_TYPE = re.compile(rb"(?:%(\w+): )?(tensor<[0-9x]*[?*][^>]*>)")
_SIGN = re.compile(
    rb"shape_assertion|\bshape\.\w+|\breal_dynamic_slice|\bdynamic_(?:broadcast_in_dim|reshape|iota|pad|gather|conv)"
)
_OPERATION = re.compile(r"'([a-z_]+\.[\w.]+)' op|operation '([a-z_]+\.[\w.]+)'")
_MANY = 4


def unknown_dimensions(mlir: bytes, words: str, besides: str = "") -> str | None:
    """What is said of a module that XLA has refused with these words, with advice `besides`; None if all its dimensions
    are numbers."""
    found = _TYPE.findall(mlir) or _TYPE.findall(words.encode())
    if not found and not _SIGN.search(mlir):
        return None
    types = dict.fromkeys(
        (f"{name.decode()}: " if name else "") + kind.decode("utf-8", "replace") for name, kind in found
    )
    where = ", ".join(list(types)[:_MANY]) + (", …" if len(types) > _MANY else "")
    operation = _OPERATION.search(words)
    at = f", which XLA does not translate in {operation[1] or operation[2]}" if operation else ""
    return (
        f"the module has unknown dimensions{f' ({where})' if where else ''}{at}; give static shapes: export it with "
        f"numbers for them, or pass example arguments where the framework's function is converted{besides}. XLA says: "
        f"{words}"
    )
