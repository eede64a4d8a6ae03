"""dot and convolution of pairs: real ones, four for two complex operands."""

from __future__ import annotations

from collections.abc import Callable

from ...hlo.ir.module import HloInstruction
from ..emit import Emitter
from .pair import Pair

# a real contraction of two real tensors
Contract = Callable[[HloInstruction, HloInstruction], HloInstruction]


def contracted(emit: Emitter, x: Pair | HloInstruction, y: Pair | HloInstruction, contract: Contract) -> Pair:
    """Contraction of two operands of which at least one is a pair; the real part of a product of pairs as XLA sums it:
    the difference of two sums."""
    if isinstance(x, Pair) and isinstance(y, Pair):
        re = emit("subtract", contract(x.re, y.re), contract(x.im, y.im))
        im = emit("add", contract(x.re, y.im), contract(x.im, y.re))
        return Pair(re, im)
    if isinstance(x, Pair):
        assert isinstance(y, HloInstruction)
        return Pair(contract(x.re, y), contract(x.im, y))
    assert isinstance(y, Pair)
    return Pair(contract(x, y.re), contract(x, y.im))
