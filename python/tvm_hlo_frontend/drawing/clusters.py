"""HLO modules to clusters of nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from ..hlo.ir.attributes import (
    ConvolutionAttributes,
    CustomCallAttributes,
    DimensionsAttributes,
    TupleIndexAttributes,
    WindowAttributes,
)
from ..hlo.ir.module import HloComputation, HloInstruction, HloModule
from ..hlo.text.printer import instruction_to_text
from .elements import Cluster, Node
from .folding import Folded, every_instruction, fold, kind_of_group, leaf_label
from .kinds import kind_of_opcode

LINE = 44  # characters of a line in a node
MAX_INPUTS = 6
MAX_OPCODES = 4
MAX_DETAILS = 60

# of called computations, where there are several that do different things
ROLES = {"while": ("body", "condition"), "select-and-scatter": ("select", "scatter")}


def clusters_of(module: HloModule, *, full: bool = False, unsupported: Collection[str] = ()) -> list[Cluster]:
    """A cluster per computation, the entry first.

    Parameters
    ----------
    module : HloModule
    full : bool
        A node per instruction, nothing folded or collapsed.
    unsupported : collection of str
        Names of instructions to mark.
    """
    callers: dict[HloComputation, list[str]] = {computation: [] for computation in module.computations}
    for instruction in module.instructions:
        roles = ROLES.get(instruction.opcode, ())
        for position, callee in enumerate(dict.fromkeys(instruction.called_computations)):
            role = f" (its {roles[position]})" if position < len(roles) else ""
            callers[callee].append(f"{instruction.opcode} %{instruction.name}{role}")
    rest = [computation for computation in reversed(module.computations) if computation is not module.entry]
    return [
        _cluster(computation, callers[computation], computation is module.entry, full, frozenset(unsupported))
        for computation in (module.entry, *rest)
    ]


def _cluster(
    computation: HloComputation, callers: Sequence[str], is_entry: bool, full: bool, unsupported: frozenset[str]
) -> Cluster:
    folded = every_instruction(computation) if full else fold(computation)
    nodes = tuple(_node(members, folded, computation.root, unsupported) for members in folded.groups)
    edges = {
        (folded.node_of[operand], index): None
        for index, members in enumerate(folded.groups)
        for instruction in members
        for operand in instruction.operands
        if operand in folded.node_of and folded.node_of[operand] != index
    }
    caption = "entry" if is_entry else "not called"
    if callers:
        caption = f"called by {', '.join(callers[:2])}" + (f" and {len(callers) - 2} more" if len(callers) > 2 else "")
    return Cluster(computation.name, caption, nodes, tuple(edges), is_entry)


def _node(members: Sequence[HloInstruction], folded: Folded, root: HloInstruction, unsupported: frozenset[str]) -> Node:
    last = members[-1]
    lines = [str(last.shape), *_features(last)]
    if len(members) > 1:
        lines = [f"{last.shape}, {len(members)} instructions"]
    return Node(
        title=_short(_title(members)),
        lines=tuple(_short(line) for line in (*lines, *_inputs(members, folded))),
        kind=kind_of_group(members),
        details=_details(members),
        is_root=root in members,
        is_unsupported=any(member.name in unsupported for member in members),
    )


def _title(members: Sequence[HloInstruction]) -> str:
    """Opcodes of a node: arithmetic before movement, the most frequent first."""
    if len(members) == 1:
        return members[0].opcode
    arithmetic = [member.opcode for member in members if kind_of_opcode(member.opcode) == "elementwise"]
    counts = Counter(arithmetic or [member.opcode for member in members]).most_common()
    words = [opcode if count == 1 else f"{opcode} ×{count}" for opcode, count in counts[:MAX_OPCODES]]
    return ", ".join([*words, *(["…"] if len(counts) > MAX_OPCODES else [])])


def _features(instruction: HloInstruction) -> list[str]:
    """What else is worth knowing of an instruction at a glance."""
    attributes = instruction.attributes
    features = []
    if instruction.opcode == "parameter":
        features.append(instruction.name)
    if instruction.opcode == "constant" and instruction.shape.is_array and not instruction.shape.dimensions:
        features.append(leaf_label(instruction))
    if isinstance(attributes, TupleIndexAttributes):
        features.append(f"element {attributes.index}")
    if isinstance(attributes, CustomCallAttributes):
        features.append(attributes.target)
    if isinstance(attributes, (ConvolutionAttributes, WindowAttributes)):
        dimensions = attributes.window.dimensions
        sizes, strides = ("×".join(str(getattr(d, name)) for d in dimensions) for name in ("size", "stride"))
        features.append(f"window {sizes}, stride {strides}" if dimensions else "no window")
    if kind_of_opcode(instruction.opcode) == "reduction" and isinstance(attributes, DimensionsAttributes):
        features.append(f"over {list(attributes.dimensions)}")
    if instruction.called_computations:
        features.append("calls " + ", ".join(dict.fromkeys(c.name for c in instruction.called_computations)))
    return features


def _inputs(members: Sequence[HloInstruction], folded: Folded) -> list[str]:
    """A line for each operand without a node."""
    labels = [folded.labels[o] for i in members for o in i.operands if o in folded.labels]
    unique = list(dict.fromkeys(labels))
    lines = [f"← {label}" for label in unique[:MAX_INPUTS]]
    return [*lines, *([f"← {len(unique) - MAX_INPUTS} more"] if len(unique) > MAX_INPUTS else [])]


def _details(members: Sequence[HloInstruction]) -> str:
    """HLO text and source of the instructions."""
    lines = [instruction_to_text(member) for member in members[:MAX_DETAILS]]
    if len(members) > MAX_DETAILS:
        lines.append(f"… {len(members) - MAX_DETAILS} more")
    sources = dict.fromkeys(str(member.metadata) for member in members if str(member.metadata))
    return "\n".join([*lines, *(f"from {source}" for source in list(sources)[:4])])


def _short(text: str) -> str:
    return text if len(text) <= LINE else text[: LINE - 1] + "…"
