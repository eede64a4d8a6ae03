"""Parallel loops with little to do, made serial in a function that is not lowered yet (see `schedules.small_loops`).

Where unknown sizes tell how much there is to do, the function has both loops, and takes one when it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import s_tir
from tvm.ir import TensorRegion

from ...tensor_ir.compat import free_variables, tir
from .. import small_loops
from ..small_loops import MIN_PARALLEL_INSTRUCTIONS

# statements of loops that are there twice; more of them would take long to compile
MAX_STORES = 64
# of loops within a parallel one whose extent is no size of an operand
INNER_EXTENT = 64


def small_loops_serial(function: Any) -> Any:
    """`function`, with parallel loops only where they are worth the threads."""
    return function.with_body(_Serial(_sizes_of(function)).statement(function.body))


def _sizes_of(function: Any) -> frozenset[Any]:
    """Variables of the sizes that `function` is told."""
    found: set[Any] = set()
    for parameter in function.params:
        shape = getattr(parameter, "shape", None)
        for size in shape if shape is not None else [parameter]:
            found |= free_variables(size)
    return frozenset(found)


@dataclass(frozen=True)
class _Serial:
    """Rewrites statements of a function that is told `sizes`."""

    sizes: frozenset[Any]

    def statement(self, statement: Any) -> Any:
        """A statement, rewritten."""
        if isinstance(statement, tir.For):
            return self._loop(statement)
        if isinstance(statement, tir.SeqStmt):
            return tir.SeqStmt([self.statement(part) for part in statement.seq], statement.span)
        if isinstance(statement, tir.IfThenElse):
            otherwise = None if statement.else_case is None else self.statement(statement.else_case)
            return tir.IfThenElse(statement.condition, self.statement(statement.then_case), otherwise, statement.span)
        if isinstance(statement, tir.While):
            return tir.While(statement.condition, self.statement(statement.body), statement.span)
        if isinstance(statement, s_tir.SBlockRealize):
            return s_tir.SBlockRealize(
                statement.iter_values, statement.predicate, self._block(statement.block), statement.span
            )
        return statement

    def _loop(self, loop: Any) -> Any:
        if loop.kind != tir.ForKind.PARALLEL:
            return _for(loop, loop.kind, self.statement(loop.body))
        if small_loops.instructions(loop) < MIN_PARALLEL_INSTRUCTIONS:
            return _for(loop, tir.ForKind.SERIAL, self.statement(loop.body))
        # loops inside another parallel one run serially anyway
        return self._both(loop, ()) if self._depends(loop) else loop

    def _depends(self, loop: Any) -> bool:
        """Whether sizes tell if a loop is worth the threads; of buffers with computed sizes TVM makes no copies."""
        if small_loops.instructions(loop) < MIN_PARALLEL_INSTRUCTIONS or isinstance(self._count(loop), int):
            return False
        if _stores(loop) > MAX_STORES:
            return False
        return all(isinstance(size, (tir.Var, tir.IntImm)) for buffer in _shared(loop) for size in buffer.shape)

    def _count(self, loop: Any) -> Any:
        return small_loops.instructions(loop, self._extent)

    def _extent(self, extent: Any) -> Any:
        if isinstance(extent, tir.IntImm):
            return int(extent)
        # such products are no 32-bit integers, which TVM makes of indices
        return extent.astype("float64") if free_variables(extent) <= self.sizes else INNER_EXTENT

    def _both(self, loop: Any, own: Sequence[Any]) -> Any:
        """A parallel loop, which alone uses the buffers `own`, and a serial one: the sizes say which runs."""
        serial = _with_buffers(_for(loop, tir.ForKind.SERIAL, loop.body), own)
        is_long = self._count(loop) >= tir.const(MIN_PARALLEL_INSTRUCTIONS, "float64")
        return tir.IfThenElse(is_long, _with_buffers(loop, own), _copied(serial))

    def _block(self, block: Any) -> Any:
        parts = list(block.body.seq) if isinstance(block.body, tir.SeqStmt) else [block.body]
        shared, made = list(block.alloc_buffers), []
        for number, part in enumerate(parts):
            if not (isinstance(part, tir.For) and part.kind == tir.ForKind.PARALLEL and self._depends(part)):
                made.append(self.statement(part))
                continue
            others = [each for other in (*parts[:number], *parts[number + 1 :]) for each in _buffers(other)]
            own = [each for each in shared if _holds(_buffers(part), each) and not _holds(others, each)]
            shared = [each for each in shared if not _holds(own, each)]
            made.append(self._both(part, own))
        return s_tir.SBlock(
            block.iter_vars, block.reads, block.writes, block.name_hint,
            made[0] if len(made) == 1 else tir.SeqStmt(made),
            block.init, shared, block.match_buffers, block.annotations, block.span,
        )  # fmt: skip


def _for(loop: Any, kind: Any, body: Any) -> Any:
    return tir.For(
        loop.loop_var, loop.min, loop.extent, kind, body, loop.thread_binding, loop.annotations, loop.step, loop.span
    )


def _with_buffers(statement: Any, buffers: Sequence[Any]) -> Any:
    """A statement that allocates buffers for itself."""
    if not buffers:
        return statement
    block = s_tir.SBlock([], [], [], "task", statement, None, list(buffers))
    return s_tir.SBlockRealize([], tir.const(True, "bool"), block)


def _copied(statement: Any) -> Any:
    """A statement with variables and buffers of its own in the place of those that it defines."""
    shared = _shared(statement)
    made = s_tir.renew_defs(tir.PrimFunc(shared, statement))
    body = made.specialize(dict(zip(made.params, shared))).body
    # of buffers that it does not define it has copies too
    matched = [
        s_tir.MatchBufferRegion(copy, TensorRegion(buffer, [tvm.ir.Range(0, size) for size in buffer.shape], buffer.ty))
        for copy, buffer in zip(_shared(body), shared)
    ]
    block = s_tir.SBlock([], [], [], "alone", body, None, None, matched)
    return s_tir.SBlockRealize([], tir.const(True, "bool"), block)


def _shared(statement: Any) -> list[Any]:
    """Buffers that a statement uses and does not allocate, in the order of their first use."""
    allocated, found = _allocated(statement), list[Any]()
    for buffer in _buffers(statement):
        if not _holds([*found, *allocated], buffer):
            found.append(buffer)
    return found


def _buffers(statement: Any) -> list[Any]:
    """What the blocks of a statement read and write."""
    if isinstance(statement, s_tir.SBlockRealize):
        block = statement.block
        return [region.source for region in (*block.reads, *block.writes)] + _buffers(block.body)
    if isinstance(statement, tir.SeqStmt):
        return [each for part in statement.seq for each in _buffers(part)]
    if isinstance(statement, tir.IfThenElse):
        cases = [case for case in (statement.then_case, statement.else_case) if case is not None]
        return [each for case in cases for each in _buffers(case)]
    return _buffers(statement.body) if isinstance(statement, (tir.For, tir.While)) else []


def _allocated(statement: Any) -> list[Any]:
    """Buffers that the blocks of a statement allocate."""
    if isinstance(statement, s_tir.SBlockRealize):
        return [*statement.block.alloc_buffers, *_allocated(statement.block.body)]
    if isinstance(statement, tir.SeqStmt):
        return [each for part in statement.seq for each in _allocated(part)]
    return _allocated(statement.body) if isinstance(statement, (tir.For, tir.While)) else []


def _stores(statement: Any) -> int:
    """How many statements store something."""
    if isinstance(statement, tir.SeqStmt):
        return sum(map(_stores, statement.seq))
    if isinstance(statement, tir.IfThenElse):
        cases = [case for case in (statement.then_case, statement.else_case) if case is not None]
        return sum(map(_stores, cases))
    if isinstance(statement, s_tir.SBlockRealize):
        return _stores(statement.block.body)
    return _stores(statement.body) if hasattr(statement, "body") else int(isinstance(statement, tir.BufferStore))


def _holds(buffers: Sequence[Any], buffer: Any) -> bool:
    return any(each.same_as(buffer) for each in buffers)
