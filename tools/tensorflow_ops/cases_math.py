"""Reductions, contractions, linear algebra, Fourier transforms, sorting, segments."""

from __future__ import annotations

import numpy as np

from .case import Case, array, b, c, f, i, ints, op_case, scalar


def spd(size: int) -> np.ndarray:
    """A symmetric positive definite matrix with well separated eigenvalues."""
    basis, _ = np.linalg.qr(f(size, size))
    return (basis @ np.diag(np.arange(1, size + 1)) @ basis.T).astype(np.float32)


def up_to_signs(results: list[np.ndarray]) -> list[np.ndarray]:
    """Vectors that are unique up to their signs."""
    return [np.abs(result) for result in results]


def reductions() -> list[Case]:
    names = ["Max", "Mean", "Min", "Prod", "Sum"]
    cases = [op_case(name, f(3, 4, 5), ints(0, 2), keep_dims=True) for name in names]
    rows = array([[True, True], [True, False], [False, False]], np.bool_)
    cases += [op_case(name, rows, ints(1)) for name in ("All", "Any")]
    cases += [op_case(name, f(3, 7), scalar(1)) for name in ("ArgMax", "ArgMin")]
    cases += [
        op_case(name, f(3, 5), scalar(1), exclusive=True, reverse=True)
        for name in ("Cumprod", "Cumsum", "CumulativeLogsumexp")
    ]
    segments = [
        f"{prefix}{kind}{suffix}"
        for kind in ("Max", "Min", "Prod", "Sum")
        for prefix, suffix in [("Segment", "V2"), ("UnsortedSegment", "")]
    ]
    for name in segments:
        ids = [0, 0, 1, 3, 3, 3] if name.startswith("Segment") else [3, 0, -1, 1, 0, 3]
        cases.append(op_case(name, f(6, 2), array(ids), scalar(5)))
    return cases


def contractions() -> list[Case]:
    return [
        op_case("BatchMatMul", f(2, 3, 4), f(2, 4, 5)),
        op_case("BatchMatMulV2", f(2, 1, 3, 4), f(5, 4, 2)),
        op_case("BatchMatMulV3", f(2, 3, 4), f(2, 5, 4), Tout=np.float32, adj_y=True),
        op_case("Einsum", [f(2, 3, 4), f(4, 3, 5)], equation="abc,cbd->ad"),
        op_case("MatMul", f(4, 3), f(4, 5), transpose_a=True),
        op_case("SparseMatMul", f(3, 4), f(4, 5), b_is_sparse=True),
        op_case("TridiagonalMatMul", f(1, 5), f(1, 5), f(1, 5), f(5, 2)),
    ]


def linear_algebra() -> list[Case]:
    return [
        op_case("Cholesky", np.stack([spd(4), spd(4)])),
        op_case("MatrixInverse", f(2, 4, 4) + 3 * np.eye(4, dtype=np.float32), adjoint=True),
        op_case("MatrixSolve", f(2, 4, 4) + 3 * np.eye(4, dtype=np.float32), f(2, 4, 3)),
        op_case("MatrixTriangularSolve", f(4, 4) + 3 * np.eye(4, dtype=np.float32), f(4, 2), lower=False),
        op_case("Qr", f(2, 5, 3), view=up_to_signs),
        op_case("SelfAdjointEigV2", spd(5), view=up_to_signs),
        op_case("Svd", f(5, 3), view=up_to_signs),
        op_case("TridiagonalSolve", f(3, 5) + np.array([[0], [5], [0]], np.float32), f(5, 2), partial_pivoting=False),
        op_case("Cross", f(2, 3), f(2, 3)),
        op_case("FFT3D", c(2, 3, 4)),
        op_case("IFFT3D", c(2, 3, 4)),
        op_case("RFFT", f(2, 8), ints(8)),
        op_case("RFFT2D", f(4, 6), ints(4, 6)),
        op_case("RFFT3D", f(2, 4, 6), ints(2, 4, 6)),
        op_case("IRFFT", c(2, 5), ints(8)),
        op_case("IRFFT2D", c(4, 4), ints(4, 6)),
        op_case("IRFFT3D", c(2, 4, 4), ints(2, 4, 6)),
    ]


def comparisons() -> list[Case]:
    few = i(3, 4).astype(np.float32)
    special = array([np.nan, np.inf, -np.inf, 0, 1], np.float32)
    return [
        *(op_case(name, special) for name in ("IsFinite", "IsInf", "IsNan")),
        op_case("Equal", few, few[::-1].copy()),
        op_case("NotEqual", few, few[::-1].copy()),
        op_case("ApproximateEqual", few, few + f(3, 4, low=-0.2, high=0.2), tolerance=0.1),
        op_case("Bucketize", f(3, 4), boundaries=[-1.0, 0.0, 0.5]),
        op_case("Cast", f(3, 4, low=-9, high=9), DstT=np.int32),
        op_case("CheckNumerics", f(3, 4), message="not finite"),
        op_case("InTopKV2", f(3, 5), i(3, high=5), scalar(2)),
        op_case("LowerBound", np.sort(f(2, 6)), f(2, 3)),
        op_case("UpperBound", np.sort(f(2, 6)), f(2, 3)),
        op_case("TopKV2", f(3, 6), scalar(2)),
        op_case("ApproxTopK", f(3, 6), k=2),
        op_case("LeakyRelu", f(3, 4), alpha=0.3),
        op_case("LeakyReluGrad", f(3, 4), f(3, 4), alpha=0.3),
        op_case("LinSpace", array(1, np.float32), array(4, np.float32), scalar(7)),
        op_case("Range", scalar(2), scalar(20), scalar(3)),
        op_case("Bincount", i(20), scalar(5), f(20)),
        op_case("DenseBincount", i(2, 10), scalar(5), f(2, 10)),
        op_case("_UnaryOpsComposition", f(3, 4), op_names=["Abs", "Sqrt", "Tanh"]),
        op_case("Select", b(3, 4), f(3, 4), f(3, 4)),
        op_case("Complex", f(3, 4), f(3, 4)),
        op_case("Where", b(3, 4)),
        op_case("Unique", i(8)),
        op_case("UniqueV2", i(8), ints(0)),
        op_case("ListDiff", ints(1, 5, 3, 7), ints(5, 2)),
    ]


def cases() -> list[Case]:
    return [*reductions(), *contractions(), *linear_algebra(), *comparisons()]
