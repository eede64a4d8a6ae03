"""Sizes of operands that HLO needs to be equal, by opcode."""

from __future__ import annotations

from typing import Any

import pytest

from tvm_hlo_frontend.analysis.equal_sizes import equal_sizes
from tvm_hlo_frontend.hlo.ir.attributes import (
    BatchNormAttributes,
    CholeskyAttributes,
    DimensionsAttributes,
    DotAttributes,
    DotDimensionNumbers,
    GatherAttributes,
    ScatterAttributes,
    SortAttributes,
    TriangularSolveAttributes,
    Window,
    WindowAttributes,
    WindowDimension,
)
from tvm_hlo_frontend.hlo.ir.shape import array_shape
from tvm_hlo_frontend.hlo.ir.sizes import variable

A, B, C, D = map(variable, "abcd")
GATHER = GatherAttributes(
    offset_dims=(1,),
    collapsed_slice_dims=(),
    start_index_map=(1,),
    index_vector_dim=1,
    slice_sizes=(1, 2),
    operand_batching_dims=(0,),
    start_indices_batching_dims=(0,),
)
SCATTER = ScatterAttributes(
    update_window_dims=(1,),
    inserted_window_dims=(),
    scatter_dims_to_operand_dims=(1,),
    index_vector_dim=1,
    input_batching_dims=(0,),
    scatter_indices_batching_dims=(0,),
)
BATCHED = DotDimensionNumbers(lhs_batch=(0,), rhs_batch=(0,), lhs_contracting=(1,), rhs_contracting=(2,))
POOL = WindowAttributes(Window((WindowDimension(1, 1), WindowDimension(2, 2))))
# opcode, attributes, dimensions of the operands: the pairs
CASES: dict[str, tuple[str, Any, list[tuple[Any, ...]], list[tuple[Any, Any]]]] = {
    "add": ("add", None, [(A, 3), (B, 3)], [(A, B), (3, 3)]),
    "select of a scalar": ("select", None, [(), (A,), (B,)], [(A, B)]),
    "dot": ("dot", DotAttributes(BATCHED), [(A, B), (C, 4, D)], [(A, C), (B, D)]),
    "concatenate": ("concatenate", DimensionsAttributes((0,)), [(A, B), (C, D)], [(D, B)]),
    "sort": ("sort", SortAttributes(0), [(A, 2), (B, 2)], [(A, B), (2, 2)]),
    "gather": ("gather", GATHER, [(A, B), (C, 1)], [(A, C)]),
    "scatter": ("scatter", SCATTER, [(A, B), (C, 1), (D, 2)], [(C, D), (A, C)]),
    "select-and-scatter": ("select-and-scatter", POOL, [(A, 2 * B), (C, D), ()], [(A, C), (B, D)]),
    "batch-norm-inference": (
        "batch-norm-inference", BatchNormAttributes(1e-3, 1), [(A, B), (C,), (C,), (D,), (D,)],
        [(B, C), (B, C), (B, D), (B, D)],
    ),
    "triangular-solve left": (
        "triangular-solve", TriangularSolveAttributes(True, True, False, "NO_TRANSPOSE"), [(A, 4, 4), (B, C, D)],
        [(4, 4), (4, C), (A, B)],
    ),
    "triangular-solve right": (
        "triangular-solve", TriangularSolveAttributes(False, True, False, "NO_TRANSPOSE"), [(A, 4, 4), (B, C, D)],
        [(4, 4), (4, D), (A, B)],
    ),
    "cholesky": ("cholesky", CholeskyAttributes(True), [(A, B, C)], [(B, C)]),
    "what says nothing": ("reshape", None, [(A,)], []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_pairs(name: str) -> None:
    opcode, attributes, operands, wanted = CASES[name]
    shapes = [array_shape("f32", dimensions) for dimensions in operands]
    assert equal_sizes(opcode, attributes, shapes) == wanted
