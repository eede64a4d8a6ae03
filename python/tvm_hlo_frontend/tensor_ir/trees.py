"""Statements and expressions as trees that are read and changed, alike for TVM 0.17 and today's TVM.

TVM 0.17 nests what follows a binding or an allocation in it; here that is one part in a row of statements, as it is in
today's TVM: `flattened` gives rows, and `sequence` makes statements of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import tvm

from .compat import HAS_TE_SCHEDULES, dtype_of, is_buffer, tir, wrapped

# (type of nodes or several, function of a node)
Case = tuple[Any, Callable[[Any], Any]]

if HAS_TE_SCHEDULES:
    Call, Load = tir.Call, tir.BufferLoad
    Block, BlockRealize = tir.Block, tir.BlockRealize
    Schedule, ScheduleError = tir.Schedule, tir.schedule.ScheduleError

    @dataclass(frozen=True, eq=False)
    class Bind:
        """A variable that has the value of an expression in what follows."""

        var: Any
        value: Any

    @dataclass(frozen=True, eq=False)
    class AllocBuffer:
        """Memory that there is in what follows."""

        buffer: Any

    @dataclass(frozen=True, eq=False)
    class DeclBuffer:
        """Another buffer of the same memory, which this TVM does not declare."""

        buffer: Any
        data: Any

else:
    import tvm_ffi
    from tvm import s_tir

    Call, Load = tvm.ir.Call, tvm.ir.TensorLoad
    Block, BlockRealize = s_tir.SBlock, s_tir.SBlockRealize
    Schedule, ScheduleError = s_tir.Schedule, s_tir.ScheduleError
    Bind, AllocBuffer, DeclBuffer = tir.Bind, tir.AllocBuffer, tir.DeclBuffer  # type: ignore[misc]


def source_of(load: Any) -> Any:
    """The buffer that is loaded from."""
    return load.buffer if HAS_TE_SCHEDULES else load.source


def memory_of(buffer: Any) -> Any:
    """What all buffers of the same memory have in common, as a key."""
    return buffer.data if HAS_TE_SCHEDULES else buffer


def root_block(schedule: Any) -> Any:
    """What a schedule calls the block around all others."""
    return schedule.get_block("root") if HAS_TE_SCHEDULES else schedule.get_sblock("root")


def renewed(function: Any) -> Any:
    """`function` whose variables are defined once each."""
    return function if HAS_TE_SCHEDULES else s_tir.renew_defs(function)


def bind_range(analyzer: Any, variable: Any, known: Any) -> None:
    """Tell an analyzer of a variable's range or value, which it may know already."""
    if HAS_TE_SCHEDULES:
        analyzer.bind(variable, known)
    else:
        analyzer.bind(variable, known, True)


def nothing() -> Any:
    """A statement that does nothing."""
    return tir.Evaluate(tir.const(0, "int32"))


def is_nothing(statement: Any) -> bool:
    """Whether a statement is `nothing`."""
    return isinstance(statement, tir.Evaluate) and isinstance(statement.value, tir.IntImm)


def flattened(statement: Any) -> list[Any]:
    """Statements that run one after the other."""
    if isinstance(statement, tir.SeqStmt):
        return [each for part in statement.seq for each in flattened(part)]
    if HAS_TE_SCHEDULES and isinstance(statement, (tir.LetStmt, tir.Allocate)):
        return [_head(statement), *flattened(statement.body)]
    return [statement]


def sequence(parts: Sequence[Any]) -> Any:
    """A row of statements as one."""
    if not HAS_TE_SCHEDULES:
        return wrapped(list(parts))
    behind: list[Any] = []
    for part in reversed(parts):
        if isinstance(part, Bind):
            behind = [tir.LetStmt(part.var, part.value, wrapped(behind))]
        elif isinstance(part, AllocBuffer):
            buffer = part.buffer
            behind = [tir.Allocate(buffer.data, dtype_of(buffer), buffer.shape, _true(), wrapped(behind))]
        elif not is_nothing(part):
            behind.insert(0, part)
    return wrapped(behind)


def _true() -> Any:
    return tir.const(1, "bool")


def _head(statement: Any) -> Any:
    """The part that a binding or an allocation of TVM 0.17 is, without what follows."""
    if isinstance(statement, tir.LetStmt):
        return Bind(statement.var, statement.value)
    variable = statement.buffer_var
    return AllocBuffer(tir.decl_buffer(statement.extents, statement.dtype, variable.name, data=variable))


def walk(tree: Any, cases: Case | Sequence[Case]) -> None:
    """Call functions with the nodes of their types in a tree."""
    if not HAS_TE_SCHEDULES:
        tvm_ffi.structural_walk(tree, cases)
        return
    kinds = _kinds(cases)

    def visit(node: Any) -> None:
        for kind, function in kinds:
            if isinstance(node, kind):
                function(_head(node) if isinstance(node, (tir.LetStmt, tir.Allocate)) else node)

    tir.stmt_functor.post_order_visit(tree, visit)


def mapped(tree: Any, cases: Case | Sequence[Case]) -> Any:
    """A tree with what functions make of the nodes of their types, operands and inner statements first."""
    if not HAS_TE_SCHEDULES:
        return tvm_ffi.structural_map(tree, cases)
    kinds = _kinds(cases)
    keys = [key for kind, _ in kinds for key in map(_key, kind if isinstance(kind, tuple) else (kind,))]

    def visit(node: Any) -> Any:
        for kind, function in kinds:
            if isinstance(node, kind):
                return _followed(node, function)
        return None

    statement = tir.Evaluate(tree) if isinstance(tree, tvm.ir.PrimExpr) else tree
    made = tir.stmt_functor.ir_transform(statement, None, visit, keys)
    return made if statement is tree else made.value


def _followed(node: Any, function: Callable[[Any], Any]) -> Any:
    """What a function makes of a node, in front of what follows; None where that is the node."""
    if not isinstance(node, (tir.LetStmt, tir.Allocate)):
        return function(node)
    head = _head(node)
    made = function(head)
    return None if made is head else sequence([made, node.body])


def _kinds(cases: Case | Sequence[Case]) -> list[Case]:
    """Cases of the nodes of TVM 0.17, which has others for bindings and allocations."""
    own = {Bind: tir.LetStmt, AllocBuffer: tir.Allocate}
    rows: Iterable[Case] = [cases] if isinstance(cases, tuple) else cases
    return [
        (tuple(own.get(each, each) for each in (kinds if isinstance(kinds, tuple) else (kinds,))), function)
        for kinds, function in rows
    ]


def _key(kind: type) -> str:
    """TVM's name of a type of nodes."""
    return kind.__name__ if kind in (tir.IntImm, tir.FloatImm) else f"tir.{kind.__name__}"


def buffers_of(tree: Any) -> list[Any]:
    """Buffers that statements read, write, or have for themselves."""
    found: list[Any] = []
    if HAS_TE_SCHEDULES:
        for kind, of in ((Load, source_of), (tir.BufferStore, _buffer), (AllocBuffer, _buffer)):
            walk(tree, (kind, lambda node, of=of: found.append(of(node))))
        walk(tree, (Block, lambda node: found.extend(node.alloc_buffers)))
    else:
        walk(tree, (tir.Var, found.append))
    return [each for each in found if is_buffer(each)]


def _buffer(node: Any) -> Any:
    return node.buffer
