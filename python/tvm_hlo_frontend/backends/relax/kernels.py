"""Kernels as PrimFuncs of a Relax module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import relax, te, tirx

from ...errors import StaticSizeError
from ...hlo.ir.shape import Shape, Symbol
from ...kernels.dtypes import TVM_DTYPES
from ...kernels.elementwise.scalar import check_supported
from ...kernels.in_place import overwritten_operands
from ...kernels.library import definition
from ...kernels.spec import KernelSpec
from ..values import Tensor
from .in_place import OVERWRITES

# relax's OpPatternKind by the class of a kernel; what is not here TVM tells by the loops
PATTERNS = {"contraction": 4, "extern": 8}


class KernelFunctions:
    """The PrimFuncs of one module: equal kernels on equal shapes are one function."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder
        self._known: dict[Any, Any] = {}

    def call(self, spec: KernelSpec, operands: Sequence[Tensor], results: Sequence[Shape], types: Sequence[Any]) -> Any:
        """call_tir of a kernel.

        Raises
        ------
        UnsupportedInstruction
            If the body holds an operation that no kernel can compute.
        """
        if spec.body is not None:
            check_supported(spec.body)
        key = (spec.to_json(), tuple(operand.shape for operand in operands), tuple(results))
        if key not in self._known:
            function = prim_func(spec, [operand.shape for operand in operands], results)
            self._known[key] = self._builder.add_func(function, spec.name)
        return relax.call_tir(self._known[key], relax.Tuple([operand.expr for operand in operands]), list(types))


def prim_func(spec: KernelSpec, operands: Sequence[Shape], results: Sequence[Shape]) -> Any:
    """The code of a kernel for operands and results of these shapes."""
    found = definition(spec)
    symbols: dict[Symbol, Any] = {}  # how sizes depend on each other is of no concern to a kernel

    def size(extent: Any) -> Any:
        if isinstance(extent, Symbol):
            return symbols.setdefault(extent, tirx.Var(f"n{len(symbols)}", "int64"))
        # as those of TVM's own operators: what is fused must agree on shapes
        return extent if found.kernel_class == "extern" else tirx.IntImm("int64", extent)

    def sizes(shape: Shape) -> list[Any]:
        return [size(extent) for extent in shape.dimensions]

    def wide(shape: Shape) -> list[Any]:
        """One type for all dimensions of an operand: schedules refuse mixtures."""
        mixed = not shape.is_static
        return [tirx.IntImm("int64", s) if mixed and isinstance(s, int) else s for s in sizes(shape)]

    inputs = [
        te.placeholder(wide(shape), TVM_DTYPES[shape.element_type], name=f"x{number}")
        for number, shape in enumerate(operands)
    ]
    types = [(tuple(sizes(s)), TVM_DTYPES[s.element_type]) for s in results]
    try:
        outputs = found.compute(spec, inputs, types)
    except (TypeError, ValueError) as error:
        if not symbols:
            raise
        raise StaticSizeError(f"the kernel {spec.name} needs them, {type(error).__name__}: {error}") from error
    function = te.create_prim_func([*inputs, *outputs]).without_attr("global_symbol")
    if found.kernel_class in PATTERNS:
        function = function.with_attr("op_pattern", PATTERNS[found.kernel_class])
    over = overwritten_operands(spec, len(results))
    if over:
        function = function.with_attr(OVERWRITES, list(over))
    return function
