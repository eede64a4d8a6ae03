"""Kernels that move elements, or count them: pad, iota, dimension_size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import te, topi

from ...tensor_ir.compat import tir
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()


@table.kernel("pad", "injective")
def pad(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """HLO pad with any low, interior and (from the result's size) high padding (XLA operation semantics: Pad)."""
    operand, value = inputs
    low, interior = spec.parameters["low"], spec.parameters["interior"]
    dimensions, _ = results[0]

    def element(*index: Any) -> Any:
        inside, source = [], []
        for axis, position in enumerate(index):
            offset, step = position - low[axis], interior[axis] + 1
            if low[axis] == 0 and step == 1 and _same(dimensions[axis], operand.shape[axis]):
                source.append(position)
                continue
            inside += [offset >= 0, offset < (operand.shape[axis] - 1) * step + 1]
            if step > 1:
                inside.append(tir.indexmod(offset, step) == 0)
            source.append(tir.indexdiv(offset, step) if step > 1 else offset)
        return tir.if_then_else(tir.all(*inside), operand(*source), value()) if inside else operand(*source)

    return [te.compute(tuple(dimensions), element, name="hlo_pad", tag=topi.tag.INJECTIVE)]


@table.kernel("iota", "injective")
def iota(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """0, 1, 2 … along the only dimension, whose size is unknown; types that cannot count wrap (rule 42)."""
    dimensions, dtype = results[0]
    return [te.compute(tuple(dimensions), lambda i: tir.Cast(dtype, tir.Cast("int64", i)), name="hlo_iota")]


@table.kernel("dimension_size", "injective")
def dimension_size(
    spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]
) -> list[Any]:
    """The size of one dimension of the operand, whose elements are not read."""
    (operand,), (_, dtype) = inputs, results[0]
    size = operand.shape[spec.parameters["dimension"]]
    return [te.compute((), lambda: tir.Cast(dtype, size), name="hlo_dimension_size")]


def _same(left: Any, right: Any) -> bool:
    return bool(getattr(left, "value", left) == getattr(right, "value", right))
