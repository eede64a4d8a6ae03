"""Private custom-calls of the linear algebra rewrites: each names a kernel."""

from __future__ import annotations

import json

from ...backends.values import Tensor, Value
from ...hlo.ir.attributes import CustomCallAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Shape
from ...hlo.ir.sizes import product_of
from ...kernels.spec import KernelSpec
from ..context import ConversionContext
from ..rules import ConverterTable

table = ConverterTable()

TARGET_PREFIX = "tvm_hlo."


@table.custom_call_converter(
    "tvm_hlo.cholesky",
    "tvm_hlo.triangular_solve",
    "tvm_hlo.lu",
    "tvm_hlo.pivots_to_permutation",
    "tvm_hlo.qr",
    "tvm_hlo.householder_product",
    "tvm_hlo.householder_multiply",
    "tvm_hlo.eigh",
    "tvm_hlo.svd",
    "tvm_hlo.tridiagonal_solve",
    "tvm_hlo.tridiagonal_form",
    "tvm_hlo.hessenberg",
    "tvm_hlo.fft",
    how="kernel",
)
def convert_linalg_kernel(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Value:
    """Linear algebra kernel: one problem per element of the leading batch dimensions (rules 53, 73, 74, 75)."""
    attributes = instruction.attributes_as(CustomCallAttributes)
    config = json.loads(attributes.backend_config)
    shapes, rank = instruction.shape.tuple_shapes, config["batch_rank"]
    if any(0 in shape.dimensions for shape in (*shapes, *(operand.shape for operand in operands))):
        return tuple(ctx.zeros(shape) for shape in shapes)
    spec = KernelSpec(attributes.target.removeprefix(TARGET_PREFIX), config["parameters"])
    flat = [ctx.dialect.reshape(operand, one_batch(operand.shape, rank).dimensions) for operand in operands]
    results = ctx.dialect.kernel(spec, flat, [one_batch(shape, rank) for shape in shapes])
    return tuple(ctx.dialect.reshape(result, shape.dimensions) for result, shape in zip(results, shapes))


@table.custom_call_converter("tvm_hlo.geev", "tvm_hlo.gees", how="host's LAPACK")
def convert_host_linalg(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Value:
    """Linear algebra that the module leaves to the host while it runs (rule 75)."""
    return convert_linalg_kernel(ctx, instruction, *operands)


def one_batch(shape: Shape, rank: int) -> Shape:
    """`shape` with its first `rank` dimensions as one."""
    return Shape(shape.element_type, (product_of(shape.dimensions[:rank]), *shape.dimensions[rank:]))
