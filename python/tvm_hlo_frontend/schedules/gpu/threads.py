"""Launches: statements that run in threads, each knowing its number."""

from __future__ import annotations

from typing import Any

from ...tensor_ir.compat import dtype_of, tir
from ...tensor_ir.trees import Bind, sequence

GRID, THREADS_AXIS = "blockIdx.x", "threadIdx.x"
# threads of a block where each computes one element
THREADS = 256
# where each runs a program of its own
PROGRAM_THREADS = 64


def launch(count: int, variable: Any, body: Any) -> Any:
    """Loops whose threads run `body` with `variable` from 0 to `count`, in any order."""
    threads = min(PROGRAM_THREADS, max(1, count))
    blocks = max(1, -(-count // threads))
    dtype = dtype_of(variable)
    block, thread = tir.Var("block", dtype), tir.Var("thread", dtype)
    number = block * tir.const(threads, dtype) + thread
    inside = sequence([Bind(variable, number), body])
    if blocks * threads != count:
        inside = tir.IfThenElse(number < tir.const(count, dtype), inside, None)
    nest = _bound(thread, threads, THREADS_AXIS, inside)
    return _bound(block, blocks, GRID, nest)


def _bound(variable: Any, extent: int, axis: str, body: Any) -> Any:
    dtype = dtype_of(variable)
    thread = tir.IterVar(None, tir.Var(axis, dtype), 1, axis)
    return tir.For(variable, tir.const(0, dtype), tir.const(extent, dtype), tir.ForKind.THREAD_BINDING, body, thread)
