"""Small modules of opcodes that tools/fuzz does not make, and MLIR: ``data/`` has one a line."""

from __future__ import annotations

import re
from pathlib import Path

_DATA = Path(__file__).with_name("data")


def _hlo_texts() -> tuple[str, ...]:
    bodies, entries = (
        [line for line in part.splitlines() if line and not line.startswith("#")]
        for part in (_DATA / "hlo.txt").read_text().split("\n\n")
    )
    return tuple(map(lambda entry: _module(entry, bodies), entries))


def _module(entry: str, bodies: list[str]) -> str:
    """The text of a module, with those of the bodies that its entry calls."""
    called = [body for body in bodies if re.search(rf"[={{,] ?{body.split()[0]}\b", entry)]
    return "\n".join(["HloModule m", *called, f"ENTRY main {{ {entry} }}"]) + "\n"


HLO_TEXTS = _hlo_texts()
MLIR_TEXTS = tuple((_DATA / "mlir.txt").read_text().splitlines())
