"""Kinds of instructions and their colours."""

from __future__ import annotations

from ..hlo.opcodes import ROWS

# (name in the legend, fill colour, border colour)
Kind = tuple[str, str, str]
KINDS: dict[str, Kind] = {
    "contraction": ("dot, convolution", "#ffd8a8", "#e8590c"),
    "reduction": ("reduction, window", "#d0ebff", "#1971c2"),
    "control": ("while, conditional, call", "#e5dbff", "#6741d9"),
    "order": ("sort, top-k", "#ffc9de", "#c2255c"),
    "indexing": ("gather, scatter, dynamic slice", "#c3fae8", "#099268"),
    "algebra": ("factorisation, FFT, batch norm", "#ffec99", "#b08900"),
    "custom": ("custom-call", "#ffc9c9", "#c92a2a"),
    "random": ("random numbers", "#eebefa", "#9c36b5"),
    "device": ("other devices, host", "#d8d8d8", "#495057"),
    "elementwise": ("element-wise arithmetic", "#ebfbee", "#2f9e44"),
    "movement": ("movement of data", "#f8f9fa", "#868e96"),
    "input": ("parameter, constant", "#ffffff", "#adb5bd"),
}
_KIND_OF: dict[str, str] = {info.name: info.family for info in ROWS}


def kind_of_opcode(opcode: str) -> str:
    """Key of `KINDS`: the opcode's family."""
    return _KIND_OF.get(opcode, "movement")
