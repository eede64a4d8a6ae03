"""HLO to HLO: what makes the rest small. Their output is HLO that XLA itself can run, but for
custom-calls to this package's own linear algebra."""

from __future__ import annotations

from ..hlo.ir.module import HloModule
from .capabilities import Capabilities
from .known_dimensions import settle_known_dimensions
from .pipeline import DECOMPOSITIONS, NORMALIZATIONS

__all__ = ["Capabilities", "decompose", "normalize", "settle_known_dimensions"]


def decompose(module: HloModule, capabilities: Capabilities) -> HloModule:
    """Replace instructions that the dialect cannot say by others that it can."""
    for rewrite in DECOMPOSITIONS:
        module = rewrite(module, capabilities)
    return module


def normalize(module: HloModule, capabilities: Capabilities) -> HloModule:
    """Bring a decomposed module into the form that the converters expect."""
    for rewrite in NORMALIZATIONS:
        module = rewrite(module, capabilities)
    return module
