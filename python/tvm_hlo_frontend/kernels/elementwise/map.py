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
        scalars = [tensor(*_broadcast_index(tensor, index, dimensions)) for tensor in inputs]
        return evaluate(body, scalars)[0]

    return [te.compute(tuple(dimensions), element, name="hlo_map", tag=topi.tag.BROADCAST)]


def _broadcast_index(tensor: Any, index: tuple, dimensions: Sequence[Any]) -> list[Any]:
    """numpy broadcasting: align on the right, dimensions of size 1 are read at 0. Where the result's is 1 too they are
    not: to TVM that is no element-wise access, and is not fused with sums."""
    rank = len(tensor.shape)
    aligned = zip(tensor.shape, index[len(index) - rank :], dimensions[len(index) - rank :])
    return [0 if _is_one(size) and not _is_one(length) else position for size, position, length in aligned]


def _is_one(size: Any) -> bool:
    value = getattr(size, "value", size)
    return isinstance(value, int) and value == 1
