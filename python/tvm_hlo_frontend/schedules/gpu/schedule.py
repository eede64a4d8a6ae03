"""The functions of a module on a device."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import s_tir

from ...tensor_ir.compat import tir
from ..prim_func.schedule import SCHEDULED, finished
from .elements import schedule_elements
from .limits import faults_of
from .statements import flattened, launches_of
from .words import WORDS, in_words_of

# of the block that te makes around all others
ROOT = "root"


def schedule_module_for_device(target: Any, faults: list[str]) -> Any:
    """Module pass that gives every PrimFunc threads of a device; it stands where operators have been legalized and
    fused.

    Parameters
    ----------
    target : tvm.target.Target
        Of a kind that is in `WORDS`.
    faults : list of str
        Why a device would not run a kernel goes here, with the kernel's name; the pass ends with an error then.
    """

    @tvm.transform.module_pass(opt_level=0, name="hlo.SchedulePrimFuncsForDevice")
    def run(mod: Any, context: Any) -> Any:
        updated = mod.clone()
        for variable, function in mod.functions_items():
            if isinstance(function, tir.PrimFunc):
                scheduled = schedule_for_device(function, target)
                faults.extend(f"in the kernel {variable.name_hint}, {each}" for each in faults_of(scheduled, target))
                updated.update_func(variable, scheduled)
        if faults:
            raise ValueError("; ".join(faults))
        return updated

    return run


def schedule_for_device(function: Any, target: Any) -> Any:
    """A copy of `function` all of whose statements run in threads of a device."""
    if function.attrs is not None and SCHEDULED in function.attrs:
        return function
    if function.body.block.name_hint == ROOT:
        schedule = s_tir.Schedule(function, error_render_level="none")
        schedule_elements(schedule, function)
        function = finished(schedule)
    return in_words_of(with_launches(function), WORDS[target.kind.name]).with_attr(SCHEDULED, True)


def with_launches(function: Any) -> Any:
    """`function` with launches in the place of the statements that have none."""
    root = function.body.block
    blocks, shared = list[Any](), list[Any]()
    buffers = list(root.alloc_buffers)
    for part in pieces_of(root.body):
        if is_bound(part):
            blocks.append(part)
            continue
        if isinstance(part, s_tir.SBlockRealize):
            buffers += part.block.alloc_buffers
            part = part.block.body
        made, own = launches_of(part)
        blocks += made
        shared += own
    # a statement, which stays in front: TVM would move what one launch alone uses into it
    statements = [*map(tir.AllocBuffer, shared), *blocks]
    body = statements[0] if len(statements) == 1 else tir.SeqStmt(statements)
    block = s_tir.SBlock([], root.reads, root.writes, ROOT, body, None, buffers)
    return s_tir.renew_defs(function.with_body(s_tir.SBlockRealize([], tir.const(True, "bool"), block)))


def pieces_of(statement: Any) -> list[Any]:
    """Loops that have threads, blocks, and what stands between them, each as one statement."""
    pieces: list[list[Any]] = []
    for part in flattened(statement):
        whole = is_bound(part) or isinstance(part, s_tir.SBlockRealize)
        if whole or not pieces or is_bound(pieces[-1][-1]) or isinstance(pieces[-1][-1], s_tir.SBlockRealize):
            pieces.append([part])
        else:
            pieces[-1].append(part)
    return [piece[0] if len(piece) == 1 else tir.SeqStmt(piece) for piece in pieces]


def is_bound(statement: Any) -> bool:
    """Whether a statement is a loop over blocks of threads."""
    return isinstance(statement, tir.For) and statement.kind == tir.ForKind.THREAD_BINDING
