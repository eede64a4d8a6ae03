"""How a TensorFlow program is divided between TVM and TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MAX_REASONS = 60


@dataclass(frozen=True)
class Cluster:
    """Nodes that TVM computes.

    Attributes
    ----------
    name : str
    nodes : tuple of str
    inputs, outputs : tuple of str
        Tensors, ``node:number``.
    flops : int
        Estimated from the nodes.
    operations : tuple of str
        Of each node.
    lowered : LoweredModule
        Its HLO.
    """

    name: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    flops: int
    operations: tuple[str, ...] = field(repr=False, default=())
    lowered: Any = field(repr=False, compare=False, default=None)


@dataclass(frozen=True)
class Stay:
    """A node that TensorFlow computes, and why."""

    name: str
    op: str
    reason: str
    flops: int


@dataclass(frozen=True)
class Tensor:
    """What one part of a program hands to others. Parts are its inputs, clusters, and nodes that stay.

    Attributes
    ----------
    name : str
        ``node:number``.
    type : str
        ``float32[64,256]``, with ``?`` for what is known only at run time.
    source : str
        A part, or the constant that is a result.
    targets : tuple of str
        Other parts.
    results : tuple of int
        Places that it has among the program's results.
    """

    name: str
    type: str
    source: str
    targets: tuple[str, ...]
    results: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Clusters of a program, in the order in which they run, and what stays.

    Attributes
    ----------
    clusters : tuple of Cluster
    stays : tuple of Stay
        Without inputs and constants.
    notes : tuple of str
        What else there is to know, for instance of clusters that were given up.
    tensors : tuple of Tensor
        Between the parts; operands before users.
    """

    clusters: tuple[Cluster, ...]
    stays: tuple[Stay, ...]
    notes: tuple[str, ...] = ()
    tensors: tuple[Tensor, ...] = field(repr=False, default=())

    @property
    def flops(self) -> int:
        """Estimated floating point operations of the whole program."""
        return sum(each.flops for each in self.clusters) + sum(each.flops for each in self.stays)

    @property
    def share(self) -> float:
        """Part of the estimated floating point operations that the clusters have."""
        inside = sum(cluster.flops for cluster in self.clusters)
        return inside / self.flops if self.flops else float(bool(self.clusters))

    def __str__(self) -> str:
        lines = [f"{'cluster':12} {'nodes':>6} {'MFLOP':>10}  inputs -> outputs"]
        lines += [
            f"{each.name:12} {len(each.nodes):6} {each.flops / 1e6:10.3f}  "
            f"{', '.join(each.inputs)} -> {', '.join(each.outputs)}"
            for each in self.clusters
        ]
        inside = sum(len(each.nodes) for each in self.clusters)
        lines.append(f"{inside} of {inside + len(self.stays)} nodes, {100 * self.share:.1f} % of the operations in TVM")
        lines += [f"stays: {each.name} ({each.op}): {each.reason}" for each in self.stays[:MAX_REASONS]]
        if len(self.stays) > MAX_REASONS:
            lines.append(f"  and {len(self.stays) - MAX_REASONS} more")
        return "\n".join([*lines, *self.notes])
