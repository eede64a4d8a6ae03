"""Parallel loops with little to do run on one thread: waking the others takes longer than the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm

from ..tensor_ir.compat import is_call, operands, tir

# about what one core does while the thread pool starts and joins, in machine instructions
MIN_PARALLEL_INSTRUCTIONS = 100_000
# calls of exp and the like, divisions
EXPENSIVE = 8
# elements that one vector instruction handles
LANES = 8
# of loops whose extent is known only at run time
UNKNOWN_EXTENT = 1 << 20


def small_loops_run_serially() -> Any:
    """The TIR pass."""

    @tvm.tir.transform.prim_func_pass(opt_level=0, name="hlo.SmallLoopsRunSerially")
    def run(function: Any, mod: Any, context: Any) -> Any:
        def visit(node: Any) -> Any:
            if node.kind != tir.ForKind.PARALLEL or instructions(node) >= MIN_PARALLEL_INSTRUCTIONS:
                return None
            fields = (node.loop_var, node.min, node.extent)
            return tir.For(*fields, tir.ForKind.SERIAL, node.body, None, node.annotations, node.span)

        return function.with_body(tir.stmt_functor.ir_transform(function.body, None, visit, ["tir.For"]))

    return run


def known_extent(extent: Any) -> int:
    """An extent as a number: a guess where it is known only at run time."""
    return int(extent.value) if isinstance(extent, tir.IntImm) else UNKNOWN_EXTENT


def instructions(statement: Any, extent_of: Callable[[Any], Any] = known_extent) -> Any:
    """Machine instructions that a statement takes, roughly: its stores' operations times the loops around them.

    ``extent_of(extent)`` may give expressions; then this is one where it has to be.
    """

    def of(part: Any) -> Any:
        return instructions(part, extent_of)

    if isinstance(statement, tir.For):
        extent = extent_of(statement.extent)
        if statement.kind == tir.ForKind.VECTORIZED:
            extent = -(-extent // LANES)
        return extent * of(statement.body)
    if isinstance(statement, tir.SeqStmt):
        return sum(map(of, statement.seq))
    if isinstance(statement, tir.IfThenElse):
        cases = [of(case) for case in (statement.then_case, statement.else_case) if case is not None]
        return max(cases) if all(isinstance(case, int) for case in cases) else sum(cases)
    if isinstance(statement, tir.While):
        return UNKNOWN_EXTENT * of(statement.body)
    if isinstance(statement, (tir.BufferStore, tir.Evaluate)):
        return operations(statement.value)
    if hasattr(statement, "block"):  # of a function that is not lowered yet
        return of(statement.block.body)
    return of(statement.body) if hasattr(statement, "body") else 1


def operations(expression: Any) -> int:
    """Operations of an expression; where it loads from is not counted."""
    count, pending, seen = 1, [expression], set()
    while pending:
        node = pending.pop()
        if node in seen or isinstance(node, (tir.Var, tir.IntImm, tir.FloatImm)):
            continue
        seen.add(node)
        expensive = is_call(node) or isinstance(node, (tir.Div, tir.FloorDiv, tir.FloorMod, tir.Mod))
        count += EXPENSIVE if expensive else 1
        pending += operands(node)
    return count
