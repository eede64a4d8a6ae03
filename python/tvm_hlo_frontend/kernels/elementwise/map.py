"""map: element-wise semantics of any scalar expression, with numpy broadcasting of the operands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import te, topi

from ..spec import KernelSpec
from ..table import KernelTable
from .scalar.evaluate import evaluate

table = KernelTable()


@table.kernel("map", "map")
def map_kernel(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """One result: the scalar body at every index (rules 1-34 by way of `scalar`)."""
    body = spec.body
    assert body is not None
    dimensions, _ = results[0]

    def element(*index: Any) -> Any:
        scalars = [tensor(*_broadcast_index(tensor, index)) for tensor in inputs]
        return evaluate(body, scalars)[0]

    return [te.compute(tuple(dimensions), element, name="hlo_map", tag=topi.tag.BROADCAST)]


def _broadcast_index(tensor: Any, index: tuple) -> list[Any]:
    """numpy broadcasting: align on the right, dimensions of size 1 are read at 0."""
    aligned = index[len(index) - len(tensor.shape) :]
    return [0 if _is_one(size) else position for size, position in zip(tensor.shape, aligned)]


def _is_one(size: Any) -> bool:
    return hasattr(size, "value") and size.value == 1
