"""Element-wise expressions that are too long to be inlined into one kernel, as the scalar body of a `map`.

TVM inlines a producer at every use, so such an expression would be cut and its parts stored (analysis/fusion.py). A
long scalar body is written as statements instead: every element passes through it in registers.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.fusion import fusion_boundaries
from ..analysis.row_groups import is_scalar_constant
from ..analysis.vectors import is_vector
from ..hlo.ir.attributes import DimensionsAttributes
from ..hlo.ir.builder import RewriteBuilder, transform
from ..hlo.ir.module import HloComputation, HloInstruction, HloModule
from ..hlo.ir.shape import Shape
from .capabilities import Capabilities
from .outline import outlined

# fewer elements are not worth a kernel of their own
MIN_ELEMENTS = 2
# statements of one kernel
MAX_MEMBERS = 1000


def map_long_expressions(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` with each tree of element-wise instructions that would be cut, in its entry, as one `map`."""
    expressions = long_expressions(module.entry, capabilities.replaced)
    if not expressions:
        return module

    def rewrite(
        builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        new.update(zip(instruction.operands, operands))
        members = expressions.get(instruction)
        return None if members is None else mapped(builder, instruction, members, new)

    new: dict[HloInstruction, HloInstruction] = {}
    return transform(module, rewrite)


def long_expressions(
    computation: HloComputation, replaced: frozenset[str] = frozenset()
) -> dict[HloInstruction, list[HloInstruction]]:
    """By its root, the instructions of each expression that would be cut, operands first; only the root has other
    users."""
    cuts = fusion_boundaries(computation)
    if not cuts:
        return {}
    users: dict[HloInstruction, list[HloInstruction]] = {each: [] for each in computation.instructions}
    for instruction in computation.instructions:
        for operand in instruction.operands:
            users[operand].append(instruction)
    root_of: dict[HloInstruction, HloInstruction] = {}
    found: dict[HloInstruction, list[HloInstruction]] = {}
    for instruction in reversed(computation.instructions):
        if not _is_member(instruction, replaced):
            continue
        roots = {root_of.get(user) for user in users[instruction]}
        root = roots.pop() if len(roots) == 1 else None
        joins = root is not None and instruction is not computation.root and _joins(instruction, root, len(found[root]))
        root_of[instruction] = root if joins and root is not None else instruction
        found.setdefault(root_of[instruction], []).append(instruction)
    return {root: members[::-1] for root, members in found.items() if not cuts.isdisjoint(set(members) - {root})}


def _is_member(instruction: HloInstruction, replaced: frozenset[str]) -> bool:
    shape = instruction.shape
    if instruction.opcode in replaced or not shape.is_static or shape.element_count < MIN_ELEMENTS:
        return False
    return is_vector(instruction)


def _joins(instruction: HloInstruction, root: HloInstruction, count: int) -> bool:
    return instruction.shape.dimensions == root.shape.dimensions and count < MAX_MEMBERS


def mapped(
    builder: RewriteBuilder,
    root: HloInstruction,
    members: Sequence[HloInstruction],
    new: dict[HloInstruction, HloInstruction],
) -> HloInstruction:
    """The `map` that computes `root`; `new` is what became of the operands of its members."""
    made = outlined(root, "expression", members, lambda shape: Shape(shape.element_type, ()), _broadcast_constant)
    operands = [_filled(builder, new[operand], root.shape) for operand in made.operands]
    dimensions = DimensionsAttributes(tuple(range(root.shape.rank)))
    called = [made.body.build(made.values[root])]
    return builder.add("map", operands, root.shape, dimensions, called, name=root.name, metadata=root.metadata)


def _broadcast_constant(instruction: HloInstruction) -> HloInstruction | None:
    """The constant of no dimensions that is every element of an operand."""
    source = instruction.operands[0] if instruction.opcode == "broadcast" else instruction
    return source if is_scalar_constant(source) else None


def _filled(builder: RewriteBuilder, operand: HloInstruction, shape: Shape) -> HloInstruction:
    if operand.shape.dimensions:
        return operand
    return builder.add(
        "broadcast", [operand], Shape(operand.shape.element_type, shape.dimensions), DimensionsAttributes(())
    )
