"""Windows of convolutions: how far they reach, what they read, and what is beside and between elements of the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...tensor_ir.compat import tir


def reach_of(positions: Sequence[Any], windows: Sequence[Any], parameters: dict[str, Any]) -> list[Any]:
    """Of so many positions of windows of these sizes: the extent of what they read, holes and padding included."""
    rows = zip(positions, windows, parameters["stride"], parameters["window_dilation"])
    return [(count - 1) * stride + (size - 1) * dilation + 1 for count, size, stride, dilation in rows]


def read_by(position: Sequence[Any], window: Sequence[Any], parameters: dict[str, Any]) -> list[Any]:
    """Where a window at `position` reads its element `window`."""
    rows = zip(position, window, parameters["stride"], parameters["window_dilation"])
    return [p * stride + w * dilation for p, w, stride, dilation in rows]


def padded_element(
    load: Callable[..., Any], position: Sequence[Any], sizes: Sequence[Any], parameters: dict[str, Any]
) -> Any:
    """What is read at `position`, in the accumulator's type: an element of data of these `sizes`, which
    ``load(*index)`` gives, or zero in padding and holes. Padding may be negative."""
    accumulator = parameters["accumulator"]
    inside, source = [], []
    for p, low, step, size in zip(position, parameters["low"], parameters["base_dilation"], sizes):
        offset = p - low
        inside += [offset >= 0, offset < (size - 1) * step + 1]
        if step > 1:
            inside.append(tir.indexmod(offset, step) == 0)
        source.append(tir.indexdiv(offset, step) if step > 1 else offset)
    value = load(*source).astype(accumulator)
    return tir.if_then_else(tir.all(*inside), value, tir.const(0, accumulator)) if inside else value
