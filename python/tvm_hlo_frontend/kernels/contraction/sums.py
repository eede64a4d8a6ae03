"""What sums of products become in the end."""

from __future__ import annotations

from typing import Any

from ...tensor_ir.compat import dtype_of, tir


def convert_sum(value: Any, dtype: str) -> Any:
    """A finished sum in the result's type: floats round, integers wrap, pred is whether any product was true."""
    return value != tir.const(0, dtype_of(value)) if dtype == "bool" else value.astype(dtype)
