"""Parallel loops with little to do, made serial in a function that is not lowered yet (see `schedules.small_loops`)."""

from __future__ import annotations

from typing import Any

from tvm import s_tir

from ...tensor_ir.compat import tir
from .. import small_loops


def small_loops_serial(function: Any) -> Any:
    """`function`, with parallel loops only where they are worth the threads."""
    return function.with_body(_serial(function.body))


def _serial(statement: Any) -> Any:
    if isinstance(statement, tir.For):
        return _serial_loop(statement)
    if isinstance(statement, tir.SeqStmt):
        return tir.SeqStmt([_serial(part) for part in statement.seq], statement.span)
    if isinstance(statement, tir.IfThenElse):
        otherwise = None if statement.else_case is None else _serial(statement.else_case)
        return tir.IfThenElse(statement.condition, _serial(statement.then_case), otherwise, statement.span)
    if isinstance(statement, tir.While):
        return tir.While(statement.condition, _serial(statement.body), statement.span)
    if isinstance(statement, s_tir.SBlockRealize):
        return s_tir.SBlockRealize(
            statement.iter_values, statement.predicate, _serial_block(statement.block), statement.span
        )
    return statement


def _serial_loop(loop: Any) -> Any:
    if loop.kind == tir.ForKind.PARALLEL and small_loops.instructions(loop) >= small_loops.MIN_PARALLEL_INSTRUCTIONS:
        return loop  # loops inside another parallel one run serially anyway
    kind = tir.ForKind.SERIAL if loop.kind == tir.ForKind.PARALLEL else loop.kind
    return tir.For(
        loop.loop_var, loop.min, loop.extent, kind, _serial(loop.body), loop.thread_binding, loop.annotations,
        loop.step, loop.span,
    )  # fmt: skip


def _serial_block(block: Any) -> Any:
    return s_tir.SBlock(
        block.iter_vars, block.reads, block.writes, block.name_hint, _serial(block.body), block.init,
        block.alloc_buffers, block.match_buffers, block.annotations, block.span,
    )  # fmt: skip
