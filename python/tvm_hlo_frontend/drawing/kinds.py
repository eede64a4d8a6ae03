"""Kinds of instructions and their colours."""

from __future__ import annotations

from ..hlo.opcodes import ELEMENTWISE

# kind -> (name in the legend, fill colour, border colour)
KINDS: dict[str, tuple[str, str, str]] = {
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
_MEMBERS = {
    "contraction": "dot convolution ragged-dot scaled-dot",
    "reduction": "reduce reduce-window select-and-scatter scan",
    "control": "while conditional call fusion map async-start async-update async-done",
    "order": "sort topk",
    "indexing": "gather scatter dynamic-slice dynamic-update-slice",
    "algebra": "cholesky triangular-solve fft batch-norm-inference batch-norm-training batch-norm-grad",
    "custom": "custom-call",
    "random": "rng rng-bit-generator rng-get-and-update-state stochastic-convert",
    "device": "infeed outfeed send send-done recv recv-done all-gather all-gather-start all-gather-done all-reduce "
    "all-reduce-start all-reduce-done all-to-all collective-broadcast collective-permute collective-permute-start "
    "collective-permute-done collective-reduce ragged-all-to-all reduce-scatter partition-id replica-id",
    "input": "parameter constant iota",
}
_KIND_OF = {opcode: kind for kind, opcodes in _MEMBERS.items() for opcode in opcodes.split()}


def kind_of_opcode(opcode: str) -> str:
    """Key of `KINDS`."""
    if opcode in ELEMENTWISE:
        return "elementwise"
    return _KIND_OF.get(opcode, "movement")
