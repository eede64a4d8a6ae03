"""Linear algebra of JAX for CUDA and ROCm: custom-calls to cuSOLVER, cuBLAS, cuSPARSE, their like of ROCm, and jaxlib.

A handler gives the results that say something, in the order of the call; those behind them (info of calls that do not
fail, workspace of the older interface) become zeros.
"""

from __future__ import annotations

from collections.abc import Callable

from ...hlo.ir.attributes import (
    CompareAttributes,
    DimensionsAttributes,
    DotAttributes,
    DotDimensionNumbers,
    TriangularSolveAttributes,
)
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import array_shape
from ...hlo.shape_inference.rules import expect
from ..emit import Emitter, plain
from ..random.random_bits import threefry_2x32
from . import eigenproblems
from . import factorizations as lapack
from .factorizations import Site
from .gpu_calls import GpuCall, gpu_routine_of, taken_apart

Handler = Callable[[GpuCall], "list[HloInstruction] | None"]
_LIBRARY_OF = {
    "trsm": "?blas_trsm_batched",
    "gtsv2": "?sparse_gtsv2_ffi",
    "eig": "?hybrid_eig_real",
    "geqp3": "?hybrid_geqp3",
    "lu_pivots_to_permutation": "?_lu_pivots_to_permutation",
    "threefry2x32": "?_threefry2x32_ffi",
}
_TRANSPOSES = {0: "NO_TRANSPOSE", 1: "TRANSPOSE", 2: "ADJOINT", 111: "NO_TRANSPOSE", 112: "TRANSPOSE", 113: "ADJOINT"}


def expands_gpu_target(target: str) -> bool:
    """Whether custom-calls to `target` are known here."""
    return gpu_routine_of(target) in ROUTINES


def gpu_targets() -> list[str]:
    """The custom-call targets, without those of the older interface; ``?`` stands for ``cu`` or ``hip``."""
    return [_LIBRARY_OF.get(routine, f"?solver_{routine}_ffi") for routine in ROUTINES]


def expand_gpu(
    site: Site, instruction: HloInstruction, target: str, operands: tuple[HloInstruction, ...]
) -> list[HloInstruction] | None:
    """Results of a custom-call to a library for GPUs, or None if it is none that is known."""
    handler = ROUTINES.get(gpu_routine_of(target) or "")
    return handler(taken_apart(site, instruction, operands)) if handler else None


def _potrf(call: GpuCall) -> list[HloInstruction] | None:
    return None if call.lower is None else lapack.potrf(call.site, call.arrays[0], call.lower)


def _getrf(call: GpuCall) -> list[HloInstruction]:
    return lapack.getrf(call.site, call.arrays[0], one_based=True)[:3]


def _geqrf(call: GpuCall) -> list[HloInstruction]:
    return lapack.geqrf(call.site, call.arrays[0])


def _orgqr(call: GpuCall) -> list[HloInstruction]:
    return [lapack.orgqr(call.site, *call.arrays)]


def _ormqr(call: GpuCall) -> list[HloInstruction] | None:
    if not {"left", "transpose"} <= set(call.options):
        return None
    a, taus, c = call.arrays
    return [lapack.ormqr(call.site, a, taus, c, bool(call.options["left"]), bool(call.options["transpose"]))]


def _trsm(call: GpuCall) -> list[HloInstruction] | None:
    """The struct is (type, batch, m, n, side, uplo, trans, diag)."""
    a, b = call.arrays
    left, lower = call.choice(16, (0, 141), (1, 142)), call.choice(20, (0, 122), (1, 121))
    unit, transpose = call.choice(28, (1, 132), (0, 131)), _TRANSPOSES.get(call.field(24) or 0)
    if left is None or lower is None or unit is None or transpose is None:
        return None
    return [call.site.add("triangular-solve", [a, b], None, TriangularSolveAttributes(left, lower, unit, transpose))]


def _syrk(call: GpuCall) -> list[HloInstruction] | None:
    """alpha a a^T + beta c, whole, where the library writes one triangle and the caller reads no other."""
    if call.options.get("transpose", 1):
        return None
    emit, (a, c, alpha, beta) = Emitter(call.site.builder, call.site.metadata), call.arrays
    rows = lapack.matrix_sizes(a)[0]
    expect(c.shape.dimensions == (*lapack.batch_of(a), rows, rows), f"expected a square of {a.shape}, found {c.shape}")
    batch = tuple(range(a.shape.rank - 2))
    last = (a.shape.rank - 1,)
    product = emit(
        "dot", a, a, shape=plain(c.shape), attributes=DotAttributes(DotDimensionNumbers(last, last, batch, batch))
    )
    scaled = [emit("multiply", x, emit.along(by, c.shape, ())) for x, by in ((product, alpha), (c, beta))]
    return [emit("add", *scaled)]


def _syevd(call: GpuCall) -> list[HloInstruction] | None:
    # behind the matrices there may be the size of the batch
    return None if call.lower is None else lapack.syevd(call.site, call.arrays[0], call.lower)


def _sytrd(call: GpuCall) -> list[HloInstruction] | None:
    return None if call.lower is None else eigenproblems.sytrd(call.site, call.arrays[0], call.lower)


def _gesvd(call: GpuCall) -> list[HloInstruction] | None:
    """(overwritten matrix, s, u, vt, info); wide matrices were handed over as their transposes, so vt is before u."""
    a = call.arrays[0]
    m, n = a.shape.sizes[-2:]
    if call.typed:
        transposed, compute_uv = call.options.get("transposed"), call.options.get("compute_uv")
    else:
        # the struct is (type, batch, m, n, lwork, jobu, jobvt)
        job = call.opaque[20:21] if call.field(16) is not None else b""
        transposed, compute_uv = m < n, {b"A": True, b"S": True, b"N": False}.get(job)
    if transposed is None or compute_uv is None:
        return None
    return _svd(call, bool(compute_uv), right_first=bool(transposed), adjoint=False)


def _gesvdj(call: GpuCall) -> list[HloInstruction] | None:
    """(overwritten matrix, s, u, v, info): v is no adjoint."""
    # the struct is (type, batch, m, n, lwork, jobz, econ)
    compute_uv = call.options.get("compute_uv") if call.typed else call.choice(20, (1, 202), (0, 201))
    return None if compute_uv is None else _svd(call, bool(compute_uv), right_first=False, adjoint=True)


def _svd(call: GpuCall, compute_uv: bool, right_first: bool, adjoint: bool) -> list[HloInstruction]:
    a, site, parts = call.arrays[0], call.site, call.shape.tuple_shapes
    if not compute_uv:
        singular, _, _, info = lapack.gesdd(site, a, True, False)
        # what the call declares for the vectors may be scalars
        return [a, singular, site.filled(0, parts[2]), site.filled(0, parts[3]), info]
    m, n = a.shape.sizes[-2:]
    squares = {2: m, 3: n} if not right_first else {2: n, 3: m}
    full = all(parts[place].sizes[-2:] == (size, size) for place, size in squares.items())
    singular, u, vt, info = lapack.gesdd(site, a, full, True)
    right = lapack.adjoint(site, vt) if adjoint else vt
    return [a, singular, *((right, u) if right_first else (u, right)), info]


def _gtsv2(call: GpuCall) -> list[HloInstruction]:
    """The solution alone: NaN for singular systems, of which the call says nothing else."""
    site, (*bands, b) = call.site, call.arrays
    *_, solution, info = lapack.gtsv(site, bands, b)
    batch = tuple(range(b.shape.rank - 2))
    info = site.add("broadcast", [info], array_shape("s32", b.shape.dimensions), DimensionsAttributes(batch))
    solved = site.add("compare", [info, site.filled(0, info.shape)], None, CompareAttributes("EQ", "SIGNED"))
    return [site.add("select", [solved, solution, site.filled(float("nan"), solution.shape)])]


def _geev(call: GpuCall) -> list[HloInstruction] | None:
    """(overwritten matrix, complex eigenvalues, left, right eigenvectors, info).

    Eigenvectors of a real matrix are packed: of a conjugate pair the real part, then the imaginary part of the first.
    """
    if not {"left", "right"} <= set(call.options):
        return None
    a, emit = call.arrays[0], Emitter(call.site.builder, call.site.metadata)
    *values, left, right, info = eigenproblems.geev(
        call.site, a, bool(call.options["left"]), bool(call.options["right"])
    )
    if a.shape.kind == "complex":
        return [a, values[0], left, right, info]
    others = (*range(a.shape.rank - 2), a.shape.rank - 1)
    second = emit.along(emit.compare("LT", values[1], 0.0), a.shape, others)
    packed = [emit.select(second, emit("negate", emit("imag", v)), emit("real", v)) for v in (left, right)]
    return [a, emit("complex", *values), *packed, info]


def _hybrid_eig(call: GpuCall) -> list[HloInstruction] | None:
    if not {"left", "right"} <= set(call.options):
        return None
    return eigenproblems.geev(call.site, call.arrays[0], bool(call.options["left"]), bool(call.options["right"]))


def _geqp3(call: GpuCall) -> list[HloInstruction] | None:
    return lapack.geqp3(call.site, call.arrays[0]) if lapack.has_no_fixed_columns(call.arrays[1]) else None


def _pivots_to_permutation(call: GpuCall) -> list[HloInstruction]:
    return [lapack.permutation(call.site, call.arrays[0], call.shape.sizes[-1])]


def _threefry(call: GpuCall) -> list[HloInstruction]:
    # behind the keys and counters there may be their number
    return threefry_2x32(Emitter(call.site.builder, call.site.metadata), call.arrays[:4])


ROUTINES: dict[str, Handler] = {
    "potrf": _potrf,
    "getrf": _getrf,
    "geqrf": _geqrf,
    "orgqr": _orgqr,
    "ormqr": _ormqr,
    "syrk": _syrk,
    "trsm": _trsm,
    "syevd": _syevd,
    "syevj": _syevd,
    "sytrd": _sytrd,
    "gesvd": _gesvd,
    "gesdd": _gesvd,
    "gesvdp": _gesvdj,
    "gesvdj": _gesvdj,
    "gtsv2": _gtsv2,
    "geev": _geev,
    "eig": _hybrid_eig,
    "geqp3": _geqp3,
    "lu_pivots_to_permutation": _pivots_to_permutation,
    "threefry2x32": _threefry,
}
