"""Functions of Relax taken apart and put together: what their values call, and other blocks in the same function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tvm
from tvm import relax

CALL_TIR = "relax.call_tir"


def is_call_of(value: Any, name: str) -> bool:
    """Whether a value is a call of the operator of this name."""
    return isinstance(value, relax.Call) and isinstance(value.op, tvm.ir.Op) and value.op.name == name


def with_blocks(function: Any, blocks: Sequence[Any]) -> Any:
    """`function` with these blocks of bindings, and with the same result of the same variables."""
    body = relax.SeqExpr(blocks, function.body.body)
    return relax.Function(function.params, body, function.ret_ty, function.is_pure, function.attrs, function.span)
