"""What the functions of a module are, and what share of the operations each has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...backends.signature import attribute_of_main

ATTRIBUTE = "hlo.parts"
# kinds of parts
HLO, DIRECT, EXTERN = "hlo", "direct", "extern"
MEANING = {
    HLO: "a function, converted by way of HLO",
    DIRECT: "operators of main",
    EXTERN: "a call back into TensorFlow",
}


@dataclass(frozen=True)
class Part:
    """Nodes of the program that became one thing.

    Attributes
    ----------
    name : str
        Of the function of the module, ``main`` for operators of main, or of the packed function that calls TensorFlow.
    kind : str
        ``"hlo"``, ``"direct"`` or ``"extern"``.
    nodes : tuple of str
        Names in the program's graph.
    flops : int
        Estimated: of a function from its HLO, else from the nodes.
    share : float
        Part of the floating point operations of all parts; of nodes where there are none.
    """

    name: str
    kind: str
    nodes: tuple[str, ...]
    flops: int
    share: float

    def __str__(self) -> str:
        return f"{self.name}: {len(self.nodes)} nodes, {100 * self.share:.1f} % of the operations, {MEANING[self.kind]}"


def with_shares(rows: Sequence[tuple[str, str, Sequence[str], int]]) -> tuple[Part, ...]:
    """Parts of (name, kind, nodes, flops)."""
    whole = sum(flops for *_, flops in rows)
    weights = [flops if whole else len(nodes) for _, _, nodes, flops in rows]
    total = sum(weights) or 1
    return tuple(Part(*row[:2], tuple(row[2]), row[3], weight / total) for row, weight in zip(rows, weights))


def parts_text(parts: Sequence[Part]) -> str:
    """Text for the attribute of main."""
    return json.dumps([asdict(part) for part in parts])


def parts_of(mod: Any) -> tuple[Part, ...]:
    """What the functions of a module of `hybrid.from_tensorflow` are, also after save and load.

    Returns
    -------
    tuple of Part
        In the order in which main runs them; all that main itself computes is one part.

    Raises
    ------
    ValueError
        If the module was made by something else.
    """
    rows = json.loads(attribute_of_main(mod, ATTRIBUTE))
    return tuple(Part(**{**row, "nodes": tuple(row["nodes"])}) for row in rows)
