"""StableHLO text of 2023 and before, as today's parser reads it."""

from __future__ import annotations

import re

# what parsers say of attributes that had another type then
_SAYS = "dense array attribute"
# lists of integers and truth values, which were tensors
_LISTS = (
    "base_dilations broadcast_dimensions broadcast_sizes dimensions edge_padding_high edge_padding_low fft_length "
    "interior_padding known_expanding_dimensions known_nonexpanding_dimensions lhs_dilation limit_indices permutation "
    "rhs_dilation slice_sizes start_indices strides window_dilations window_dimensions window_reversal window_strides"
).split()
_TENSOR = re.compile(
    rf"\b(?P<name>{'|'.join(_LISTS)})(?P<is>\s*=\s*)dense<\[?(?P<elements>[^<>\[\]\"]*)\]?>\s*:\s*"
    r"tensor<(?P<count>\d+)x(?P<type>i64|i1)>"
)
# longer ones are no list of dimensions
_MOST = 64


def with_lists(mlir: bytes, reason: str) -> bytes | None:
    """MLIR text whose lists are written as today; None if that is not what a parser's `reason` is about."""
    if _SAYS not in reason:
        return None
    try:
        text = mlir.decode("utf-8")
    except UnicodeDecodeError:
        return None
    newer = _TENSOR.sub(_as_list, text)
    return newer.encode("utf-8") if newer != text else None


def _as_list(match: re.Match[str]) -> str:
    count, elements = int(match["count"]), [each.strip() for each in match["elements"].split(",") if each.strip()]
    if len(elements) == 1 and count <= _MOST:
        elements *= count
    if len(elements) != count:
        return match[0]
    listed = f": {', '.join(elements)}" if elements else ""
    return f"{match['name']}{match['is']}array<{match['type']}{listed}>"
