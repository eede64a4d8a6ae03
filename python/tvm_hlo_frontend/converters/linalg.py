"""Private custom-calls of the linear algebra rewrites: each names a kernel."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from ..conversion import ConversionContext
from ..hlo.module import HloInstruction
from ..hlo.shape import Shape
from ..kernels.spec import KernelSpec
from ..registry import custom_call_converter
from ..values import Tensor, Value

TARGET_PREFIX = "tvm_hlo."


@custom_call_converter(
    "tvm_hlo.cholesky",
    "tvm_hlo.triangular_solve",
    "tvm_hlo.lu",
    "tvm_hlo.qr",
    "tvm_hlo.householder_product",
    "tvm_hlo.eigh",
    "tvm_hlo.svd",
    "tvm_hlo.tridiagonal_solve",
    how="kernel",
)
def convert_linalg_kernel(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Value:
    """Linear algebra kernel: one problem per element of the leading batch dimensions (rules 73, 74, 75)."""
    attributes: Any = instruction.attributes
    config = json.loads(attributes.backend_config)
    shapes, rank = instruction.shape.tuple_shapes, config["batch_rank"]
    if any(0 in shape.sizes for shape in (*shapes, *(operand.shape for operand in operands))):
        return tuple(ctx.dialect.constant(np.zeros(shape.sizes, shape.numpy_dtype)) for shape in shapes)
    spec = KernelSpec(attributes.target.removeprefix(TARGET_PREFIX), config["parameters"])
    flat = [ctx.dialect.reshape(operand, one_batch(operand.shape, rank).sizes) for operand in operands]
    results = ctx.dialect.kernel(spec, flat, [one_batch(shape, rank) for shape in shapes])
    return tuple(ctx.dialect.reshape(result, shape.sizes) for result, shape in zip(results, shapes))


REFUSED_ROUTINES = {
    "geev": "eigenvalues of a general matrix (eig)",
    "gees": "the Schur form (schur)",
    "gehrd": "the Hessenberg form (hessenberg)",
    "sytrd": "the tridiagonal form (tridiagonal)",
    "hetrd": "the tridiagonal form (tridiagonal)",
}


@custom_call_converter(
    *(
        f"lapack_{letter}{routine}_ffi"
        for routine in REFUSED_ROUTINES
        for letter in {"sytrd": "sd", "hetrd": "cz"}.get(routine, "sdcz")
    ),
    how="refused",
)
def refuse_lapack(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Value:
    """LAPACK routines without a kernel: refused by what they compute."""
    target = instruction.attributes.target  # type: ignore[union-attr]
    what = REFUSED_ROUTINES[target.removeprefix("lapack_").removesuffix("_ffi")[1:]]
    ctx.refuse(
        f"{what} has no kernel; compute it outside of the compiled function, or register a converter of "
        f"{target!r} with custom_call_converter"
    )


def one_batch(shape: Shape, rank: int) -> Shape:
    """`shape` with its first `rank` dimensions as one."""
    return Shape(shape.element_type, (math.prod(shape.sizes[:rank]), *shape.sizes[rank:]))
