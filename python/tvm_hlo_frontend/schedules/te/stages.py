"""The compute stages that lead to what is scheduled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import te


def computed_stages(outputs: Sequence[Any]) -> list[Any]:
    """The compute stages that lead to `outputs`, each once."""
    found: dict[Any, None] = {}
    pending = [output.op for output in outputs]
    while pending:
        op = pending.pop()
        if isinstance(op, te.ComputeOp) and op not in found:
            found[op] = None
            pending.extend(tensor.op for tensor in op.input_tensors)
    return list(found)


def stages_of(outputs: Sequence[Any]) -> dict[str, Any]:
    """The compute stages that lead to `outputs`, by name; of element-wise ones, which may share a name, one of them."""
    return {op.name: op for op in computed_stages(outputs)}
