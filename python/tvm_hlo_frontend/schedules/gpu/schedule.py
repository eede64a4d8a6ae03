"""The functions of a module on a device."""

from __future__ import annotations

from typing import Any

import tvm

from ...tensor_ir.compat import HAS_TE_SCHEDULES, dtype_of, tir
from ...tensor_ir.trees import AllocBuffer, Block, BlockRealize, Schedule, flattened, mapped, renewed, sequence
from ..tensor_blocks.blocks import SCHEDULED, finished, static
from .elements import schedule_elements
from .limits import faults_of
from .statements import launches_of
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
        schedule = Schedule(function, error_render_level="none")
        schedule_elements(schedule, function)
        function = finished(schedule)
    return in_words_of(with_launches(from_zero(function)), WORDS[target.kind.name]).with_attr(SCHEDULED, True)


def from_zero(function: Any) -> Any:
    """`function` whose loops begin with 0: TVM 0.17 has no others in the languages of devices."""

    def loop(node: Any) -> Any:
        if static(node.min) == 0:
            return node
        number = tir.Var(node.loop_var.name, dtype_of(node.loop_var))
        body = tir.stmt_functor.substitute(node.body, {node.loop_var: number + node.min})
        return tir.For(number, tir.const(0, dtype_of(number)), node.extent, node.kind, body)

    return function.with_body(mapped(function.body, (tir.For, loop))) if HAS_TE_SCHEDULES else function


def with_launches(function: Any) -> Any:
    """`function` with launches in the place of the statements that have none."""
    root = function.body.block
    blocks, shared = list[Any](), list[Any]()
    buffers = list(root.alloc_buffers)
    for part in pieces_of(root.body):
        if is_bound(part):
            blocks.append(part)
            continue
        if isinstance(part, BlockRealize):
            buffers += part.block.alloc_buffers
            part = part.block.body
        made, own = launches_of(part)
        blocks += made
        shared += own
    # a statement, which stays in front: TVM would move what one launch alone uses into it
    body = sequence([*map(AllocBuffer, shared), *blocks])
    block = Block([], root.reads, root.writes, ROOT, body, None, buffers)
    return renewed(function.with_body(BlockRealize([], tir.const(True, "bool"), block)))


def pieces_of(statement: Any) -> list[Any]:
    """Loops that have threads, blocks, and what stands between them, each as one statement."""
    pieces: list[list[Any]] = []
    for part in flattened(statement):
        whole = is_bound(part) or isinstance(part, BlockRealize)
        if whole or not pieces or is_bound(pieces[-1][-1]) or isinstance(pieces[-1][-1], BlockRealize):
            pieces.append([part])
        else:
            pieces[-1].append(part)
    return [sequence(piece) for piece in pieces]


def is_bound(statement: Any) -> bool:
    """Whether a statement is a loop over blocks of threads."""
    return isinstance(statement, tir.For) and statement.kind == tir.ForKind.THREAD_BINDING
