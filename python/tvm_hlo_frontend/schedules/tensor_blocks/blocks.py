"""What the schedules ask of blocks, and the loops that they make in the same way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...tensor_ir.compat import analyzer, free_variables, tir
from ...tensor_ir.trees import BlockRealize, root_block
from ..small_loops import UNKNOWN_EXTENT

SPATIAL = 0  # IterVar's kDataPar
# of functions that have been scheduled
SCHEDULED = "tirx.is_scheduled"


@dataclass(frozen=True)
class Block:
    """A block directly in a function's root, as it is now.

    Attributes
    ----------
    handle : SBlockRV
        What the schedule calls it.
    node : SBlock
    name : str
    """

    handle: Any
    node: Any
    name: str

    @property
    def extents(self) -> list[int | None]:
        """Of its dimensions, those that are summed over last; None if known only at run time."""
        return [static(axis.dom.extent) for axis in self.node.iter_vars]

    @property
    def is_reduction(self) -> bool:
        """Whether it reduces along an axis."""
        return any(axis.iter_type != SPATIAL for axis in self.node.iter_vars)

    @property
    def work(self) -> int:
        """How often its statement runs."""
        return math.prod(UNKNOWN_EXTENT if extent is None else extent for extent in self.extents)

    @property
    def buffer(self) -> Any:
        """The buffer that it writes."""
        return self.node.body.buffer

    @property
    def value(self) -> Any:
        """What it writes."""
        return self.node.body.value

    def analyzer(self) -> Any:
        """What knows the ranges of its dimensions."""
        found = analyzer()
        for axis in self.node.iter_vars:
            found.bind(axis.var, axis.dom)
        return found


def static(extent: Any) -> int | None:
    """A constant extent as a number."""
    return int(extent) if isinstance(extent, (int, tir.IntImm)) else None


def blocks_of(schedule: Any) -> list[Block]:
    """The root's blocks, in the order in which they run."""
    handles = schedule.get_child_blocks(root_block(schedule))
    return [block_of(schedule, handle) for handle in handles]


def block_of(schedule: Any, handle: Any) -> Block:
    """What `handle` stands for now."""
    node = schedule.get(handle)
    return Block(handle, node, str(node.name_hint))


def by_name(schedule: Any) -> dict[str, Block]:
    """The root's blocks."""
    return {block.name: block for block in blocks_of(schedule)}


def is_understood(function: Any) -> bool:
    """Whether all of `function` is made of blocks that store one element each, as te computes are, and have elements;
    others hold statements whose loops are final."""
    root = getattr(function.body, "block", None)
    if root is None or root.iter_vars or not isinstance(root.body, (tir.For, tir.SeqStmt, BlockRealize)):
        return False
    return all(_is_compute(statement) for statement in getattr(root.body, "seq", [root.body]))


def _is_compute(statement: Any) -> bool:
    while isinstance(statement, tir.For):
        if statement.kind != tir.ForKind.SERIAL or static(statement.extent) == 0:
            return False
        statement = statement.body
    if not isinstance(statement, BlockRealize):
        return False
    block = statement.block
    return isinstance(block.body, tir.BufferStore) and (block.init is None or isinstance(block.init, tir.BufferStore))


def loop_extent(schedule: Any, loop: Any) -> int | None:
    """Extent of a loop; None if it is known only at run time."""
    return static(schedule.get(loop).extent)


def fuse(schedule: Any, loops: Sequence[Any]) -> Any:
    """One loop of several."""
    return schedule.fuse(*loops) if len(loops) > 1 else loops[0]


def has_vectors(target: Any) -> bool:
    """Whether code generation for `target` knows vector types (the C code generator does not)."""
    return bool(target.kind.name == "llvm")


def finished(schedule: Any) -> Any:
    """The function of a schedule."""
    (function,) = schedule.mod.functions.values()
    return function


def loops_by_kind(schedule: Any, handle: Any) -> tuple[list[Any], list[Any]]:
    """Loops around a block: those of its result's dimensions, and those of the dimensions that are reduced."""
    realize = realize_of(schedule, handle)
    pairs = zip(realize.iter_values, realize.block.iter_vars)
    reducing = set[Any]().union(*(free_variables(value) for value, axis in pairs if axis.iter_type != SPATIAL))
    loops = schedule.get_loops(handle)
    is_reduced = [schedule.get(loop).loop_var in reducing for loop in loops]
    return (
        [loop for loop, reduced in zip(loops, is_reduced) if not reduced],
        [loop for loop, reduced in zip(loops, is_reduced) if reduced],
    )


def realize_of(schedule: Any, handle: Any) -> Any:
    """The statement that binds a block's dimensions to its loops."""
    return schedule.get(schedule.get_loops(handle)[-1]).body


def start_sums(schedule: Any, block: Any, loop: Any) -> None:
    """The initial values of a reduction in loops of their own before `loop`, with vectors where the block has them."""
    schedule.decompose_reduction(block, loop)
