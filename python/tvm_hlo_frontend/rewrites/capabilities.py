"""What the target dialect can say, as far as rewrites have to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..analysis.array_loops import Computes, any_node, but_for
from ..hlo.ir.shape import ELEMENT_TYPES


@dataclass(frozen=True)
class Capabilities:
    """Attributes
    ----------
    element_types : frozenset of str
        Element types that tensors of the dialect carry as they are.
    rng_seed : int or None
        Seed of stateful random numbers; None if there shall be none.
    targets : frozenset of str
        Targets of custom-calls that have a converter, so that no rewrite may replace them.
    computes : callable
        ``computes(node, program)``: whether the kernel of a whole loop has statements for a node of its program.
    replaced : frozenset of str
        Opcodes that the caller has converters of their own for, so that nothing may compute them in advance.
    channels_last : bool
        Whether convolutions with channels last are the faster ones.
    """

    element_types: frozenset[str]
    rng_seed: int | None = None
    targets: frozenset[str] = frozenset()
    computes: Computes = any_node
    replaced: frozenset[str] = frozenset()
    channels_last: bool = False

    @staticmethod
    def of(
        dialect: Any,
        rng_seed: int | None = None,
        targets: frozenset[str] = frozenset(),
        replaced: frozenset[str] = frozenset(),
    ) -> Capabilities:
        """Ask a dialect."""
        carried = frozenset(row.name for row in ELEMENT_TYPES if dialect.carries(row.name))
        computes = but_for(dialect.computes, replaced)
        return Capabilities(carried, rng_seed, targets, computes, replaced, dialect.convolves_channels_last)
