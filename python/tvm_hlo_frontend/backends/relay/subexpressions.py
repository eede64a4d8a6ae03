"""Where TVM's search for common subexpressions pays: its time grows with the square of a kernel, LLVM's does not."""

from __future__ import annotations

from typing import Any

from tvm.ir.instrument import pass_instrument
from tvm.tir.stmt_functor import post_order_visit

# nodes of the expressions and statements of a kernel: 5,000 take 0.2 s, 24,000 take 40 s
LARGE = 4_000
PASS = "tir.CommonSubexprElimTIR"


@pass_instrument
class NotInLargeKernels:
    """An instrument of a pass context that leaves the pass out for modules with large kernels."""

    def should_run(self, mod: Any, info: Any) -> bool:
        """Whether a pass is to run on a module."""
        return str(info.name) != PASS or sum(map(nodes, mod.functions.values())) <= LARGE


def nodes(function: Any) -> int:
    """How many nodes the body of a PrimFunc has."""
    count = 0

    def visit(node: Any) -> None:
        nonlocal count
        count += 1

    post_order_visit(function.body, visit)
    return count
