"""TVM's search for common subexpressions, which large kernels are spared."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.dialect_marks import DIALECT, skip_file

if DIALECT != "relay":
    skip_file("relay", "builds with TVM 0.27 have no such pass")

import tvm
from tvm import tir

from tvm_hlo_frontend.backends.relay.subexpressions import LARGE, NotInLargeKernels, nodes


def kernel(statements: int) -> Any:
    """A PrimFunc of stores, each of a sum of two equal products."""
    x, y = tir.Var("x", "int32"), tir.decl_buffer((statements,), "int32", "y")
    stores = [tir.BufferStore(y, (x * x + at) + (x * x + at) * 5, [at]) for at in range(statements)]
    return tir.PrimFunc([x, y], tir.SeqStmt(stores)).with_attr("global_symbol", "kernel")


def has_lets(function: Any) -> bool:
    """Whether anything is computed once for several uses."""
    found: list[Any] = []
    tir.stmt_functor.post_order_visit(
        function.body, lambda node: found.append(node) if isinstance(node, tir.LetStmt) else None
    )
    return bool(found)


@pytest.mark.parametrize("statements", [2, LARGE // 10])
def test_only_small_kernels_are_searched(statements: int) -> None:
    function = kernel(statements)
    assert (nodes(function) > LARGE) == (statements > 2)
    with tvm.transform.PassContext(opt_level=3, instruments=[NotInLargeKernels()]):
        mod = tir.transform.CommonSubexprElimTIR()(tvm.IRModule({"kernel": function}))
    assert has_lets(mod["kernel"]) == (statements == 2)
