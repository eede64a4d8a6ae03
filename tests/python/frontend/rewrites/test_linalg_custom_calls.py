"""Linear algebra of JAX and TensorFlow: LAPACK custom-calls on the CPU, opcodes and portable custom-calls elsewhere
(rules 73, 74, 75)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tools.support.compare import compare
from tools.support.oracle import run_xla

from tests.support.emitted import code_of, compiled_kernel
from tests.support.linalg_cases import (
    adjoint,
    assert_close,
    assert_orthonormal_columns,
    epsilon,
    lower,
    positive_definite,
    random_matrix,
    run,
    run_call,
    wide,
)

jax = pytest.importorskip("jax")
jnp, lax = jax.numpy, jax.lax

PLATFORMS = ["cpu", "tpu"]
REAL = {"complex64": "float32", "complex128": "float64"}


def gaussian_process(x, y, points):
    """Posterior mean of a GP regression: Cholesky factor, two triangular solves, products."""

    def covariance(p, q):
        return jnp.exp(-0.5 * (p[:, None] - q[None]) ** 2)

    factor = jax.scipy.linalg.cho_factor(covariance(x, x) + 0.1 * jnp.eye(x.shape[0]), lower=True)
    return covariance(points, x) @ jax.scipy.linalg.cho_solve(factor, y)


def unique(random):
    """Functions and arguments whose results are unique."""
    x = np.linspace(-3, 3, 20, dtype=np.float32)
    general = random_matrix(random, (2, 6, 6)) + 3 * np.eye(6, dtype=np.float32)
    return {
        "cholesky": (jnp.linalg.cholesky, [positive_definite(random, (2, 6, 6))]),
        "solve": (jnp.linalg.solve, [general, random_matrix(random, (2, 6, 2))]),
        "inv": (jnp.linalg.inv, [general]),
        "det": (jnp.linalg.det, [general]),
        "solve_complex": (
            jnp.linalg.solve,
            [general[0] + 1j * random_matrix(random, (6, 6)), random_matrix(random, (6, 2), "complex64")],
        ),
        "lu_factor": (jax.scipy.linalg.lu_factor, [random_matrix(random, (6, 6))]),
        "solve_triangular": (lambda a, b: jax.scipy.linalg.solve_triangular(a, b, trans=2), [general, general]),
        "tridiagonal_solve": (
            lax.linalg.tridiagonal_solve,
            [
                random_matrix(random, (2, 9)),
                random_matrix(random, (2, 9)) + 3,
                random_matrix(random, (2, 9)),
                random_matrix(random, (2, 9, 3)),
            ],
        ),
        "gp_regression": (gaussian_process, [x, np.sin(x), x + np.float32(0.1)]),
    }


UNIQUE = unique(np.random.default_rng(73))


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", UNIQUE)
def test_rule75_results_that_are_unique_are_xlas(name, platform):
    function, arguments = UNIQUE[name]
    arguments = [np.asarray(argument, np.result_type(argument, np.float32)) for argument in arguments]
    arguments = [a.astype(np.complex64) if a.dtype.kind == "c" else a for a in arguments]
    got = run(function, *arguments, platform=platform)
    compare(got, run_xla(lower(function, *arguments), arguments), rtol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 17, 65, 256])
def test_rule75_lu_pivots_as_lapack(n, random):
    a = random_matrix(random, (n, n))
    factors, pivots = run(jax.scipy.linalg.lu_factor, a)
    wanted, wanted_pivots = run_xla(lower(jax.scipy.linalg.lu_factor, a), [a])
    np.testing.assert_array_equal(pivots, wanted_pivots)
    assert_close(factors, wanted, 60 * n**0.5)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 40, 33)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_rule75_lu_of_rectangles(shape, dtype, random):
    a = random_matrix(random, shape, dtype)
    factors, _, permutation = run(lax.linalg.lu, a)
    k = min(shape[-2:])
    left = np.tril(wide(factors)[..., :, :k], -1) + np.eye(shape[-2], k)
    right = np.triu(wide(factors)[..., :k, :])
    error = np.abs(left @ right - np.take_along_axis(wide(a), permutation[..., None], -2)).max()
    assert error < 100 * epsilon(dtype)


def test_rule75_singular_matrices_have_determinant_zero():
    a = np.zeros((2, 3, 3), np.float32)
    a[1] = np.eye(3)
    np.testing.assert_array_equal(run(jnp.linalg.det, a)[0], [0, 1])


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("mode", ["reduced", "complete"])
@pytest.mark.parametrize("shape", [(7, 4), (2, 4, 7), (66, 66)], ids=str)
def test_rule75_qr_is_lapacks(shape, mode, platform, random):
    """LAPACK's signs make the factorisation unique."""
    a = random_matrix(random, shape)
    q, r = run(lambda x: tuple(jnp.linalg.qr(x, mode=mode)), a, platform=platform)
    assert_orthonormal_columns(q)
    assert_close(q @ r, a, 100)
    assert not np.tril(r, -1).any()
    if shape[-1] < 20:
        compare([q, r], run_xla(lower(lambda x: tuple(jnp.linalg.qr(x, mode=mode)), a), [a]), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["complex64", "float64", "complex128"])
def test_rule75_qr_of_other_types(dtype, random):
    a = random_matrix(random, (6, 4), dtype)
    packed, taus = run_call("Qr", [a], [(a.shape, dtype), ((4,), dtype)])
    (q,) = run_call("ProductOfElementaryHouseholderReflectors", [packed, taus], [(a.shape, dtype)])
    assert q.dtype == a.dtype
    assert_orthonormal_columns(q)
    assert np.abs(wide(q) @ np.triu(wide(packed)[:4]) - wide(a)).max() < 50 * epsilon(dtype)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_rule75_qr_of_a_matrix_that_is_not_finite_has_nan_where_lapack_has(dtype, random):
    cases = list(itertools.product((np.nan, np.inf), ((2, 1), (4, 4), (1, 3))))
    a = random_matrix(random, (len(cases), 5, 5), dtype)
    for matrix, (value, place) in zip(a, cases):
        matrix[place] = value

    def raw(x):
        return tuple(jnp.linalg.qr(x, mode="raw"))

    for ours, theirs in zip(run(raw, a), run_xla(lower(raw, a), [a])):
        for case, got, wanted in zip(cases, ours, theirs, strict=True):
            np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted), str(case))


def test_rule75_qr_with_pivoting(random):
    a = random_matrix(random, (6, 5))
    q, r, order = run(lambda x: tuple(lax.linalg.qr(x, pivoting=True, full_matrices=False)), a)
    assert_close(q @ r, a[:, order], 50)
    lengths = np.abs(np.diag(r))
    assert (lengths[:-1] >= lengths[1:]).all()


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_rule75_products_with_the_q_of_qr_are_xlas(dtype, left, transpose, random):
    a, c = random_matrix(random, (2, 5, 3), dtype), random_matrix(random, (2, 5, 7) if left else (2, 7, 5), dtype)

    def multiply(a, c):
        h, taus = jnp.linalg.qr(a, mode="raw")
        return lax.linalg.ormqr(h.mT, taus, c, left=left, transpose=transpose)

    compare(run(multiply, a, c), run_xla(lower(multiply, a, c), [a, c]), rtol=1e-5)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("n", "dtype"), [(1, "float32"), (17, "complex64"), (65, "float32"), (256, "float32")])
def test_rule75_eigh(n, dtype, platform, random):
    a = random_matrix(random, (n, n), dtype)
    a = a + adjoint(a)
    if platform == "tpu" and n > 17:
        pytest.skip("the same kernel by another name")
    values, vectors = run(lambda x: tuple(jnp.linalg.eigh(x)), a, platform=platform)
    wanted = np.linalg.eigvalsh(wide(a))
    assert (np.diff(values) >= 0).all() and values.dtype == np.dtype(REAL.get(dtype, dtype))
    assert_close(values, wanted, 20 * n**0.5)
    assert_orthonormal_columns(vectors)
    scale = max(np.abs(wanted))
    assert np.abs(wide(a) @ wide(vectors) - wide(vectors) * values).max() < 20 * n**0.5 * epsilon(dtype) * scale


@pytest.mark.parametrize("uplo", ["L", "U"])
def test_rule75_eigh_reads_one_triangle(uplo, random):
    a = random_matrix(random, (5, 5))
    half = np.tril(a) if uplo == "L" else np.triu(a)
    symmetric = half + half.T - np.diag(np.diag(a))

    def values(x):
        return jnp.linalg.eigh(x, UPLO=uplo, symmetrize_input=False)[0]

    assert_close(run(values, a)[0], np.linalg.eigvalsh(wide(symmetric)), 50)


def test_rule75_repeated_eigenvalues_and_zeros():
    a = np.stack([np.eye(6), np.zeros((6, 6)), np.ones((6, 6))]).astype(np.float32)
    values, vectors = run(lambda x: tuple(jnp.linalg.eigh(x)), a)
    np.testing.assert_allclose(values[2], [0, 0, 0, 0, 0, 6], atol=1e-5)
    np.testing.assert_array_equal(values[:2], [[1] * 6, [0] * 6])
    for matrix in vectors:
        assert_orthonormal_columns(matrix)


@pytest.mark.parametrize(
    ("shape", "full", "dtype"),
    [
        ((1, 1), True, "float32"), ((2, 5, 3), True, "float32"), ((2, 3, 5), True, "complex64"),
        ((5, 3), False, "complex64"), ((3, 5), False, "float32"), ((65, 64), False, "float32"),
    ],
    ids=str,
)  # fmt: skip
def test_rule75_svd(shape, full, dtype, random):
    a = random_matrix(random, shape, dtype)
    u, s, vt = run(lambda x: tuple(jnp.linalg.svd(x, full_matrices=full)), a)
    k = min(shape[-2:])
    assert_close(s, np.linalg.svd(wide(a), compute_uv=False), 20 * k**0.5)
    assert_orthonormal_columns(u)
    assert_orthonormal_columns(adjoint(vt))
    rebuilt = (wide(u)[..., :k] * s[..., None, :]) @ wide(vt)[..., :k, :]
    assert np.abs(rebuilt - wide(a)).max() < 30 * k**0.5 * epsilon(dtype) * s.max()


def test_rule75_svd_of_deficient_matrices_of_any_scale(random):
    scales = np.float32([1.0, 1e-30, 1e30])
    a = random_matrix(random, (3, 3, 6, 4))
    a[:, 0] = 0
    a[:, 1, :, 3] = a[:, 1, :, 0]
    a *= scales[:, None, None, None]
    for scale, matrices, u, s, vt in zip(scales, a, *run(lambda x: tuple(jnp.linalg.svd(x)), a), strict=True):
        assert_close(s / scale, np.linalg.svd(wide(matrices) / scale, compute_uv=False), 20)
        assert_orthonormal_columns(u)
        assert_orthonormal_columns(adjoint(vt))


def test_rule75_what_is_left_of_equal_columns_is_denormal():
    """Every reflector leaves a smaller rest than the one before it, whose inverse soon overflows."""
    a = np.ones((20, 20), np.float32)
    q, r, u, s, vt = run(lambda x: (*jnp.linalg.qr(x), *jnp.linalg.svd(x)), a)
    for vectors in (q, u, adjoint(vt)):
        assert_orthonormal_columns(vectors)
    assert_close(q @ r, a, 50)
    assert_close((u * s) @ vt, a, 50)


def test_rule75_svd_by_qr_iterations(random):
    a = random_matrix(random, (5, 3))
    u, s, vt = run(lambda x: tuple(lax.linalg.svd(x, algorithm=lax.linalg.SvdAlgorithm.QR, full_matrices=False)), a)
    assert_orthonormal_columns(u)
    assert_close((u * s) @ vt, a, 50)


def test_rule75_singular_values_alone(random):
    a = random_matrix(random, (2, 4, 7))
    (s,) = run(lambda x: jnp.linalg.svd(x, compute_uv=False), a)
    assert_close(s, np.linalg.svd(wide(a), compute_uv=False), 30)


@pytest.mark.parametrize(
    "function", [jnp.linalg.eigvalsh, lambda x: jnp.linalg.svd(x, compute_uv=False)], ids=["eigvalsh", "svd"]
)
def test_rule75_nan_in_one_matrix_stays_there(function, random):
    a = positive_definite(random, (2, 4, 4))
    a[1, 2, 2] = np.nan
    (got,) = run(function, a)
    (wanted,) = run_xla(lower(function, a), [a])
    compare([got], [wanted], rtol=1e-4)


def test_rule75_gradients_through_a_cholesky_factor(random):
    def loss(a):
        return jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(a))))

    a = positive_definite(random, (5, 5))
    compare(run(jax.grad(loss), a), run_xla(lower(jax.grad(loss), a), [a]), rtol=1e-4)


# what TensorFlow lowers to, without TensorFlow


def test_portable_lu_counts_from_zero(random):
    a = random_matrix(random, (2, 4, 4))
    results = [(a.shape, "float32"), ((2, 4), "int32"), ((2, 4), "int32")]
    _, pivots, permutation = run_call("LuDecomposition", [a], results)
    order = np.arange(4)
    for place, pivot in enumerate(pivots[0]):
        order[[place, pivot]] = order[[pivot, place]]
    np.testing.assert_array_equal(order, permutation[0])


@pytest.mark.parametrize("config", [b"1,1,6,0.000001", b"0,1,100,1e-6"])
def test_portable_eigh_reads_the_triangle_it_names(config, random):
    a = random_matrix(random, (4, 4))
    lower_half = config.startswith(b"1")
    half = np.tril(a, -1) if lower_half else np.triu(a, 1)
    _, values = run_call("Eigh", [a], [((4, 4), "float32"), ((4,), "float32")], config)
    assert_close(values, np.linalg.eigvalsh(wide(half + half.T + np.diag(np.diag(a)))), 50)


def test_portable_qr_and_product_of_reflectors(random):
    a = random_matrix(random, (2, 5, 3))
    packed, taus = run_call("Qr", [a], [(a.shape, "float32"), ((2, 3), "float32")])
    (q,) = run_call("ProductOfElementaryHouseholderReflectors", [packed, taus], [(a.shape, "float32")])
    assert_orthonormal_columns(q)
    assert_close(q @ np.triu(packed[:, :3]), a, 50)


# names and operands of jaxlib before 0.4.34; results behind those that matter are workspace


def test_old_names_of_cholesky_and_triangular_solve(random):
    a, b = positive_definite(random, (4, 4)), random_matrix(random, (4, 2))
    factor, info = run_call("lapack_spotrf", [1, 1, 4, a], [((4, 4), "float32"), ((), "int32")])
    assert_close(np.tril(factor), np.linalg.cholesky(wide(a)), 20)
    assert info == 0
    two = np.float32(2)
    (x,) = run_call("blas_strsm", [1, 1, 1, 0, 4, 2, 1, two, np.tril(factor), b], [((4, 2), "float32")])
    assert_close(x, 2 * np.linalg.solve(np.tril(wide(factor)).T, wide(b)), 50)


def test_old_names_of_factorizations(random):
    a = random_matrix(random, (5, 3))
    packed, taus, info, _ = run_call(
        "lapack_sgeqrf", [1, 5, 3, 96, a],
        [((5, 3), "float32"), ((3,), "float32"), ((), "int32"), ((96,), "float32")],
    )  # fmt: skip
    q, info, _ = run_call(
        "lapack_sorgqr", [1, 5, 3, 3, 96, packed, taus], [((5, 3), "float32"), ((), "int32"), ((96,), "float32")]
    )
    assert_close(q @ np.triu(packed[:3]), a, 50)
    assert info == 0
    _, s, u, vt, info, *_ = run_call(
        "lapack_sgesdd", [0, 1, 1, 5, 3, 300, a],
        [((5, 3), "float32"), ((3,), "float32"), ((5, 3), "float32"), ((3, 3), "float32"), ((), "int32"),
         ((24,), "int32"), ((300,), "float32")],
    )  # fmt: skip
    assert_close((u * s) @ vt, a, 50)
    square = a[:3] + a[:3].T
    _, values, info, *_ = run_call(
        "lapack_ssyevd", [1, 1, 3, square],
        [((3, 3), "float32"), ((3,), "float32"), ((), "int32"), ((40,), "float32"), ((20,), "int32")],
    )  # fmt: skip
    assert_close(values, np.linalg.eigvalsh(wide(square)), 50)
    _, pivots, info = run_call("lapack_sgetrf", [1, 5, 3, a], [((5, 3), "float32"), ((3,), "int32"), ((), "int32")])
    assert (pivots >= np.arange(1, 4)).all() and info == 0


def test_tridiagonal_solve_needs_pivoting():
    """A zero on the diagonal is no obstacle; a singular system is reported."""
    zero, one = np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32)
    b = np.array([[[1], [2], [3]]], np.float32)
    diagonal = np.array([[0, 1, 2]], np.float32)
    *_, x, info = run_call(
        "lapack_sgtsv_ffi", [one, diagonal, one, b],
        [((1, 3), "float32")] * 3 + [((1, 3, 1), "float32"), ((1,), "int32")],
    )  # fmt: skip
    matrix = np.diag(diagonal[0]) + np.diag(one[0][1:], 1) + np.diag(one[0][1:], -1)
    np.testing.assert_allclose(matrix @ wide(x[0]), b[0], rtol=1e-5)
    assert info[0] == 0
    *_, info = run_call(
        "lapack_sgtsv_ffi", [zero, zero, zero, b],
        [((1, 3), "float32")] * 3 + [((1, 3, 1), "float32"), ((1,), "int32")],
    )  # fmt: skip
    assert info[0] > 0


# target, parameters, operands, results, int32 results
KERNELS = [
    ("tvm_hlo.lu", {"one_based": True}, [(2, 5, 4)], [(2, 5, 4)], [(2, 4), (2,), (2, 5)]),
    ("tvm_hlo.qr", {"pivoted": True}, [(2, 5, 4)], [(2, 5, 4), (2, 4)], [(2, 4)]),
    ("tvm_hlo.householder_product", {}, [(2, 5, 5), (2, 4)], [(2, 5, 5)], []),
    ("tvm_hlo.householder_multiply", {"adjoint": True}, [(2, 5, 4), (2, 4), (2, 5, 3)], [(2, 5, 3)], []),
    ("tvm_hlo.eigh", {"lower": True}, [(2, 5, 5)], [(2, 5, 5), (2, 5)], [(2,)]),
    ("tvm_hlo.svd", {"compute_uv": True}, [(2, 5, 3)], [(2, 3), (2, 5, 5), (2, 3, 3)], [(2,)]),
    ("tvm_hlo.tridiagonal_solve", {}, [(2, 5)] * 3 + [(2, 5, 3)], [(2, 5)] * 3 + [(2, 5, 3)], [(2,)]),
    ("tvm_hlo.tridiagonal_form", {"lower": False}, [(2, 5, 5)], [(2, 5, 5), (2, 5), (2, 4), (2, 4)], []),
    ("tvm_hlo.hessenberg", {"low": 1, "high": 5}, [(2, 5, 5)], [(2, 5, 5), (2, 4)], []),
    ("tvm_hlo.geev", {"left": False, "right": True}, [(2, 5, 5)], [(2, 5)] * 2 + [(2, 5, 5)] * 2, [(2,)]),
    ("tvm_hlo.gees", {"vectors": True}, [(2, 5, 5)], [(2, 5, 5)] * 2 + [(2, 5)] * 2, [(2,)]),
]


@pytest.mark.parametrize("target", ["c", "llvm -mtriple=aarch64-linux-gnu"])
@pytest.mark.parametrize("case", KERNELS, ids=lambda case: case[0])
def test_kernels_generate_code_for_other_targets(case, target):
    from tvm import te

    from tvm_hlo_frontend.deploy.executable import with_deep_stack
    from tvm_hlo_frontend.kernels.spec import KernelSpec

    name, parameters, operands, results, integers = case
    spec = KernelSpec(name.removeprefix("tvm_hlo."), parameters)
    wanted = [(shape, "float32") for shape in results] + [(shape, "int32") for shape in integers]
    inputs = [te.placeholder(shape, "float32") for shape in operands]
    assert with_deep_stack(lambda: code_of(compiled_kernel(spec, inputs, wanted, target)))
