"""Custom-calls that say where values live, not what they are: gone, as there is one device (rule 83).

GSPMD's and Shardy's shardings, the shapes of a device's part of a tensor, the memory that a tensor is kept in. All of
them hand their operands over.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Shape
from ...hlo.opcodes import CUSTOM_CALL_PREFIX
from ..expansion import Expansion

ANNOTATIONS = frozenset(
    {
        "Sharding",
        "SPMDFullToShardShape",
        "SPMDShardToFullShape",
        "xla.sdy.FuncResultSharding",
        "xla.sdy.GlobalToLocalShape",
        "xla.sdy.LocalToGlobalShape",
        "xla.sdy.PropagationBarrier",
        "xla.sdy.ShardingGroup",
        # what versions of XLA that carry another copy of Shardy call them
        "local_xla.sdy.FuncResultSharding",
        "local_xla.sdy.GlobalToLocalShape",
        "local_xla.sdy.LocalToGlobalShape",
        "local_xla.sdy.PropagationBarrier",
        "local_xla.sdy.ShardingGroup",
        "annotate_device_placement",
        "MoveToHost",
        "MoveToDevice",
        "PinToDevice",
        "PinToDeviceSram",
        "SetBound",
    }
)


def _handed_over(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """The operands; an annotation that changes a shape, as on several devices, stays."""
    shape, given = instruction.shape, [operand.shape for operand in operands]
    if shape.is_tuple and (not shape.tuple_shapes or _same(shape.tuple_shapes, given)):
        parts = operands if shape.tuple_shapes else ()
        return builder.add("tuple", parts, metadata=instruction.metadata)
    return operands[0] if _same([shape], given) else None


def _same(results: Sequence[Shape], operands: Sequence[Shape]) -> bool:
    """Whether shapes are equal but for layouts."""
    return len(results) == len(operands) and all(made.same_type(given) for made, given in zip(results, operands))


EXPANSIONS = {CUSTOM_CALL_PREFIX + target: Expansion(_handed_over) for target in ANNOTATIONS}
