"""Factorisations by kernels, in LAPACK's terms: what the custom-calls of all frameworks are made of.

Each takes a matrix [..., m, n] and gives instructions; names of results are LAPACK's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...hlo.ir.attributes import (
    Attributes,
    CholeskyAttributes,
    CompareAttributes,
    ConstantAttributes,
    DimensionsAttributes,
    SliceAttributes,
)
from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction, Metadata
from ...hlo.ir.shape import Shape, array_shape
from ...hlo.shape_inference.rules import expect
from .kernel_calls import PART_TYPE, kernel_call


@dataclass(frozen=True)
class Site:
    """Where instructions are added, and what they come from."""

    builder: RewriteBuilder
    metadata: Metadata

    def add(
        self,
        opcode: str,
        operands: Sequence[HloInstruction],
        shape: Shape | None = None,
        attributes: Attributes | None = None,
    ) -> HloInstruction:
        """Add an instruction."""
        return self.builder.add(opcode, operands, shape, attributes, metadata=self.metadata)

    def call(
        self,
        kernel: str,
        parameters: dict[str, Any],
        operands: Sequence[HloInstruction],
        results: Sequence[Shape],
    ) -> list[HloInstruction]:
        """Call a kernel whose first operand is a matrix in batches."""
        batch_rank = operands[0].shape.rank - 2
        return kernel_call(self.builder, kernel, parameters, operands, results, batch_rank, self.metadata)

    def filled(self, value: Any, shape: Shape) -> HloInstruction:
        """`value` everywhere."""
        scalar = self.builder.constant(value, shape.element_type)
        plain = array_shape(shape.element_type, shape.dimensions)
        return self.add("broadcast", [scalar], plain, DimensionsAttributes(()))


def batch_of(matrix: HloInstruction) -> tuple[Any, ...]:
    """Leading dimensions of matrices, each a number or a size."""
    return matrix.shape.dimensions[:-2]


def matrix_sizes(matrix: HloInstruction) -> tuple[int, int]:
    """Rows and columns, which a program must know; StaticSizeError if it does not.

    Kernels trust the shapes that they are called with, and custom-calls are verified by nobody: here what is no matrix
    of numbers is an HloVerificationError.
    """
    shape = matrix.shape
    expect(shape.kind in ("float", "complex") and shape.rank >= 2, f"expected matrices, found {shape}")
    rows, columns = Shape(shape.element_type, shape.dimensions[-2:]).sizes
    return rows, columns


def square_size(matrix: HloInstruction) -> int:
    """Rows of a square matrix; errors as for `matrix_sizes`."""
    rows, columns = matrix_sizes(matrix)
    expect(rows == columns, f"expected square matrices, found {matrix.shape}")
    return rows


def _expect_reflectors(a: HloInstruction, taus: HloInstruction) -> None:
    (m, n), shape = matrix_sizes(a), taus.shape
    fits = shape.element_type == a.shape.element_type and shape.rank == a.shape.rank - 1
    fits = fits and shape.dimensions[:-1] == batch_of(a) and shape.sizes[-1] <= min(m, n)
    expect(fits, f"expected a factor for each reflector of {a.shape} at most, found {shape}")


def real_type(element_type: str) -> str:
    """Element type of magnitudes."""
    return PART_TYPE.get(element_type, element_type)


def potrf(site: Site, a: HloInstruction, lower: bool) -> list[HloInstruction]:
    """(factor in one triangle of a, info): info is 0, or 1 where a is not positive definite.

    LAPACK's info is the order of the first minor that is not positive; frameworks compare it with 0 alone.
    """
    if square_size(a) == 0:
        return [a, site.filled(0, array_shape("s32", batch_of(a)))]
    factor = site.add("cholesky", [a], a.shape, CholeskyAttributes(lower))
    rank, batch = a.shape.rank, batch_of(a)
    corner = [1] * 2
    first = site.add(
        "slice",
        [factor],
        array_shape(a.shape.element_type, (*batch, *corner)),
        SliceAttributes((0,) * rank, (*batch, *corner), (1,) * rank),
    )
    first = site.add("reshape", [first], array_shape(a.shape.element_type, batch))
    if a.shape.kind == "complex":
        first = site.add("real", [first])
    failed = site.add("compare", [first, first], None, CompareAttributes("NE", "FLOAT"))
    info = site.add("convert", [failed], array_shape("s32", batch))
    # the other triangle stays what it was
    indices = [
        site.add("iota", (), array_shape("s32", a.shape.dimensions), DimensionsAttributes((rank - 2 + axis,)))
        for axis in range(2)
    ]
    inside = site.add("compare", indices, None, CompareAttributes("GE" if lower else "LE", "SIGNED"))
    return [site.add("select", [inside, factor, a]), info]


def getrf(site: Site, a: HloInstruction, one_based: bool) -> list[HloInstruction]:
    """(factors, pivots, info, permutation) of a = P L U with partial pivoting."""
    batch, (m, n) = batch_of(a), matrix_sizes(a)
    results = [
        a.shape,
        array_shape("s32", (*batch, min(m, n))),
        array_shape("s32", batch),
        array_shape("s32", (*batch, m)),
    ]
    return site.call("lu", {"one_based": one_based}, [a], results)


def geqrf(site: Site, a: HloInstruction) -> list[HloInstruction]:
    """(R and the reflectors below it, taus)."""
    batch, (m, n) = batch_of(a), matrix_sizes(a)
    taus = array_shape(a.shape.element_type, (*batch, min(m, n)))
    return site.call("qr", {}, [a], [a.shape, taus])


def geqp3(site: Site, a: HloInstruction) -> list[HloInstruction]:
    """(R and the reflectors below it, 1-based permutation of the columns, taus), all columns free."""
    batch, (m, n) = batch_of(a), matrix_sizes(a)
    taus = array_shape(a.shape.element_type, (*batch, min(m, n)))
    permutation = array_shape("s32", (*batch, n))
    packed, taus_made, permuted = site.call("qr", {"pivoted": True}, [a], [a.shape, taus, permutation])
    return [packed, permuted, taus_made]


def has_no_fixed_columns(start: HloInstruction) -> bool:
    """Whether `start`, geqp3's operand jpvt, is known to be zeros, as JAX passes it: every column is free."""
    source = start.operands[0] if start.opcode == "broadcast" else start
    attributes = source.attributes
    if not isinstance(attributes, ConstantAttributes) or isinstance(attributes.literal, tuple):
        return False
    return not attributes.literal.any()


def permutation(site: Site, pivots: HloInstruction, n: int) -> HloInstruction:
    """Rows in their new order s32[..., n] from pivots s32[..., k] that count from 0."""
    expect(pivots.shape.element_type == "s32" and pivots.shape.rank >= 1, f"expected pivots, found {pivots.shape}")
    made = array_shape("s32", (*pivots.shape.dimensions[:-1], n))
    batch_rank = pivots.shape.rank - 1
    return kernel_call(site.builder, "pivots_to_permutation", {}, [pivots], [made], batch_rank, site.metadata)[0]


def orgqr(site: Site, a: HloInstruction, taus: HloInstruction) -> HloInstruction:
    """The first columns of the product of the reflectors."""
    _expect_reflectors(a, taus)
    return site.call("householder_product", {}, [a, taus], [a.shape])[0]


def ormqr(
    site: Site, a: HloInstruction, taus: HloInstruction, c: HloInstruction, left: bool, transpose: bool
) -> HloInstruction:
    """Q C, or C Q without `left`, for the product Q of the reflectors, or for its adjoint with `transpose`."""
    _expect_reflectors(a, taus)
    rows, columns = matrix_sizes(c)
    fits = c.shape.element_type == a.shape.element_type and batch_of(c) == batch_of(a)
    fits = fits and (rows if left else columns) == matrix_sizes(a)[0]
    expect(fits, f"expected a matrix that fits the reflectors of {a.shape}, found {c.shape}")
    if left:
        return site.call("householder_multiply", {"adjoint": transpose}, [a, taus, c], [c.shape])[0]
    # C Q = (Q^H C^H)^H
    turned = adjoint(site, c)
    parameters = {"adjoint": not transpose}
    return adjoint(site, site.call("householder_multiply", parameters, [a, taus, turned], [turned.shape])[0])


def adjoint(site: Site, a: HloInstruction) -> HloInstruction:
    """Conjugate transpose of the last two dimensions."""
    rank = a.shape.rank
    turned = site.add("transpose", [a], None, DimensionsAttributes((*range(rank - 2), rank - 1, rank - 2)))
    if a.shape.kind != "complex":
        return turned
    return site.add("complex", [site.add("real", [turned]), site.add("negate", [site.add("imag", [turned])])])


def syevd(site: Site, a: HloInstruction, lower: bool) -> list[HloInstruction]:
    """(eigenvectors, ascending eigenvalues, info) from one triangle of a symmetric or Hermitian matrix."""
    batch, n = batch_of(a), square_size(a)
    values = array_shape(real_type(a.shape.element_type), (*batch, n))
    return site.call("eigh", {"lower": lower}, [a], [a.shape, values, array_shape("s32", batch)])


def gesdd(site: Site, a: HloInstruction, full_matrices: bool, compute_uv: bool) -> list[HloInstruction]:
    """(descending singular values, u, vt, info); zeros for u and vt without `compute_uv`."""
    batch, (m, n) = batch_of(a), matrix_sizes(a)
    element_type, k = a.shape.element_type, min(m, n)
    values, info = array_shape(real_type(element_type), (*batch, k)), array_shape("s32", batch)
    u = array_shape(element_type, (*batch, m, m if full_matrices else k))
    vt = array_shape(element_type, (*batch, n if full_matrices else k, n))
    if not compute_uv:
        singular, failed = site.call("svd", {"compute_uv": False}, [a], [values, info])
        return [singular, site.filled(0, u), site.filled(0, vt), failed]
    return site.call("svd", {"compute_uv": True}, [a], [values, u, vt, info])


def gtsv(site: Site, bands: Sequence[HloInstruction], b: HloInstruction) -> list[HloInstruction]:
    """(dl, d, du, x, info): the overwritten bands, and the solution of the tridiagonal system."""
    shapes, rows = [operand.shape for operand in (*bands, b)], matrix_sizes(b)[0]
    band = array_shape(b.shape.element_type, (*batch_of(b), rows))
    fits = len(bands) == 3 and all(each.shape.same_type(band) for each in bands)
    expect(fits, f"expected three bands {band} for {b.shape}, found {[str(shape) for shape in shapes[:-1]]}")
    info = array_shape("s32", batch_of(b))
    batch_rank = b.shape.rank - 2
    return kernel_call(site.builder, "tridiagonal_solve", {}, [*bands, b], [*shapes, info], batch_rank, site.metadata)
