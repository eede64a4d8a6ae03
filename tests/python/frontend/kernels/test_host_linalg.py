"""Eigenvalues of general matrices and Schur forms by the host's LAPACK, Hessenberg and tridiagonal forms by kernels
(rule 75)."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
from tools.conformance.factorisations import matched
from tools.support.compare import compare, run_tvm
from tools.support.oracle import run_xla

import tvm_hlo_frontend
from tests.support.dialect_marks import DIALECT
from tests.support.linalg_cases import (
    adjoint,
    assert_close,
    assert_orthonormal_columns,
    epsilon,
    lower,
    random_matrix,
    run,
    run_call,
    wide,
)
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import HostFunctionError, UnsupportedHloError

jax = pytest.importorskip("jax")
jnp, lax = jax.numpy, jax.lax

DTYPES = ["float32", "float64", "complex64", "complex128"]


def with_types(shapes, whole):
    """Shapes with types: every type of the shape `whole`, two of each other shape by turns."""
    two = (["float32", "complex128"], ["float64", "complex64"])
    return [
        (shape, dtype) for row, shape in enumerate(shapes) for dtype in (DTYPES if shape == whole else two[row % 2])
    ]


GEEV, GEES = "tvm_hlo_frontend.lapack.geev", "tvm_hlo_frontend.lapack.gees"


@pytest.fixture(autouse=True)
def wide_types():
    with jax.enable_x64(True):
        yield


def eig(x):
    """(eigenvalues, left vectors, right vectors)."""
    return tuple(lax.linalg.eig(x))


def schur(x):
    """(T, Z)."""
    return tuple(lax.linalg.schur(x))


def hessenberg(x):
    """(H with reflectors, taus)."""
    return tuple(lax.linalg.hessenberg(x))


def tridiagonal(x, lower=True):
    """(T with reflectors, diagonal, elements beside it, taus)."""
    return tuple(lax.linalg.tridiagonal(x, lower=lower))


def complex_type(dtype):
    return np.result_type(dtype, np.complex64)


def difference(got, wanted):
    """Greatest difference, relative to the greatest element, in units of the precision of `got`."""
    scale = max(float(np.abs(wanted).max(initial=0)), 1e-300)
    return float(np.abs(wide(got) - wide(wanted)).max(initial=0)) / scale / epsilon(got.dtype)


def assert_eigenvectors(a, values, left, right, factor=60.0):
    """A v = v w, u^H A = w u^H, and unit length."""
    a, values, left, right = (wide(np.asarray(x, complex_type(a.dtype))) for x in (a, values, left, right))
    bound = factor * a.shape[-1] ** 0.5 * epsilon(np.float32 if values.dtype == np.complex64 else np.float64)
    for x, residue in (
        (right, a @ right - right * values[..., None, :]),
        (left, adjoint(left) @ a - values[..., :, None] * adjoint(left)),
    ):
        assert np.abs(residue).max(initial=0) <= bound * max(np.abs(a).max(initial=0), 1e-300)
        np.testing.assert_allclose(np.linalg.norm(x, axis=-2), 1, rtol=bound)


def precise(factor, dtype):
    """`factor` in units of a dtype, for checks in double precision."""
    return factor * epsilon(dtype) / epsilon(np.float64)


# eig


@pytest.mark.parametrize(
    ("shape", "dtype"), with_types([(1, 1), (2, 2), (3, 5, 5), (2, 2, 17, 17), (50, 50)], (3, 5, 5)), ids=str
)
def test_rule75_eig(shape, dtype, random):
    a = random_matrix(random, shape, dtype)
    values, left, right = run(eig, a)
    assert {x.dtype for x in (values, left, right)} == {complex_type(dtype)}
    assert_eigenvectors(a, values, left, right, precise(60, dtype))
    wanted = np.linalg.eigvals(wide(a))
    assert difference(matched(values, wanted), wanted) < 100 * shape[-1]


MATRICES = {
    "symmetric": np.array([[2, 1, 0], [1, 2, 1], [0, 1, 2]]),
    "rotation": np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    "companion": np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    "zero": np.zeros((3, 3)),
    "triangular": np.array([[1, 2, 3], [0, 4, 5], [0, 0, 6]]),
    "diagonal": np.diag([3, 1, 2]),
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_rule75_eig_of_special_matrices_is_xlas(dtype):
    a = np.stack(list(MATRICES.values())).astype(dtype)
    got, (wanted, *_) = run(eig, a), run_xla(lower(eig, a), [a])
    for name, matrix, values, left, right, theirs in zip(MATRICES, a, *got, wanted, strict=True):
        assert_eigenvectors(matrix, values, left, right, precise(60, dtype))
        assert difference(matched(values, theirs), theirs) < 20, name


def test_rule75_eigenvalues_of_a_real_matrix_come_in_conjugate_pairs(random):
    a = random_matrix(random, (40, 40), "float64")
    values, left, right = run(eig, a)
    first = np.flatnonzero(values.imag > 0)
    assert len(first) > 5
    for x in (values[None], left, right):
        np.testing.assert_array_equal(x[:, first + 1], x[:, first].conj())
    real = values.imag == 0
    assert not left[:, real].imag.any() and not right[:, real].imag.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_rule75_eig_of_a_defective_matrix(dtype):
    """One eigenvector for three equal eigenvalues, which are found to the cube root of the precision only."""
    a = np.array([[2, 1, 0], [0, 2, 1], [0, 0, 2]], dtype)
    values, _, right = run(eig, a)
    np.testing.assert_allclose(values, 2, atol=10 * epsilon(dtype) ** (1 / 3))
    residue = wide(a) @ wide(right) - wide(right) * wide(values)
    assert np.abs(residue).max() < 10 * epsilon(dtype)
    assert np.linalg.matrix_rank(right, tol=1e-3) == 1


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize(("left", "right"), [(False, False), (True, False), (False, True)])
def test_rule75_only_the_eigenvectors_that_are_wanted(left, right, dtype, random):
    a = random_matrix(random, (2, 6, 6), dtype)

    def some(x):
        return tuple(lax.linalg.eig(x, compute_left_eigenvectors=left, compute_right_eigenvectors=right))

    got, wanted = run(some, a), run(eig, a)
    assert len(got) == 1 + left + right
    compare(got, [wanted[0], *wanted[1 : 1 + left], *wanted[2 : 2 + right]], rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("function", [eig, schur, hessenberg, tridiagonal], ids=lambda f: f.__name__)
def test_rule75_a_matrix_that_is_not_finite_spoils_itself_alone(function, dtype, random):
    """Every second matrix is finite."""
    a = random_matrix(random, (7, 4, 4), dtype)
    a[1::2, 2, 1] = [np.nan, np.inf, -np.inf]
    got, wanted = run(function, a), run_xla(lower(function, a), [a])
    for ours, theirs in zip(got, wanted):
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
        assert np.isfinite(ours[::2]).all()
    assert np.isnan(got[0][1::2]).any(axis=(1,) if got[0].ndim == 2 else (1, 2)).all()


@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (2, 0, 0)], ids=str)
@pytest.mark.parametrize("function", [eig, schur], ids=lambda f: f.__name__)
def test_rule47_no_elements_need_no_host(function, shape):
    a = np.zeros(shape, np.float32)
    hlo = lower(function, a)
    compare(run_tvm(hlo, [a]), run_xla(hlo, [a]))
    assert tvm_hlo_frontend.report_of(mod_and_params(tvm_hlo_frontend.from_hlo(hlo))[0]).host_functions == ()


@pytest.mark.parametrize("plain", [True, "vm"])
def test_unmodified_relay_build_and_the_vm_call_the_host(plain, random):
    a = random_matrix(random, (2, 4, 4))
    compare(run_tvm(lower(schur, a), [a], plain=plain), run_xla(lower(schur, a), [a]), rtol=1e-4)


def test_the_host_is_called_inside_loops_and_functions_of_models(random):
    """Roots of polynomials as jnp.roots finds them, and the spectral radius in a loop."""
    p = np.array([1, -6, 11, -6], np.float32)
    with jax.enable_x64(False):
        (roots,) = run(lambda p: jnp.roots(p, strip_zeros=False), p)
    np.testing.assert_allclose(np.sort(roots.real), [1, 2, 3], rtol=1e-3)

    def shrink(x):
        def radius(x):
            return jnp.abs(jnp.linalg.eigvals(x)).max()

        return lax.while_loop(lambda x: radius(x) > 1, lambda x: x / 2, x)

    a = random_matrix(random, (4, 4)) * 5
    compare(run(shrink, a), run_xla(lower(shrink, a), [a]))


# schur


@pytest.mark.parametrize(("shape", "dtype"), with_types([(1, 1), (2, 2), (2, 9, 9), (50, 50)], (2, 9, 9)), ids=str)
def test_rule75_schur(shape, dtype, random):
    a = random_matrix(random, shape, dtype)
    t, z = run(schur, a)
    assert t.dtype == z.dtype == np.dtype(dtype)
    assert_orthonormal_columns(z)
    assert difference((wide(z) @ wide(t) @ adjoint(wide(z))).astype(dtype), a) < 40 * shape[-1] ** 0.5
    assert not np.tril(t, -2 if a.dtype.kind == "f" else -1).any()
    (alone,) = run(lambda x: lax.linalg.schur(x, compute_schur_vectors=False)[0], a)
    assert difference(np.diagonal(alone, 0, -2, -1), np.diagonal(t, 0, -2, -1)) < 1000


def test_rule75_complex_schur_form_of_a_real_matrix(random):
    a = random_matrix(random, (5, 5))
    t, z = run(lambda x: tuple(jax.scipy.linalg.schur(x, output="complex")), a)
    assert not np.tril(t, -1).any()
    assert np.abs(wide(z) @ wide(t) @ adjoint(wide(z)) - wide(a)).max() < 50 * epsilon(a.dtype) * np.abs(a).max()


# hessenberg


def product_of_reflectors(vectors, taus):
    """(I - tau v v^H) for each of (v, tau) in turn."""
    n = vectors[0].shape[-1]
    q = np.broadcast_to(np.eye(n), (*vectors[0].shape[:-1], n, n))
    for v, tau in zip(vectors, taus):
        q = q - (q @ v[..., None]) * tau[..., None, None] * v.conj()[..., None, :]
    return q


def lower_vectors(packed):
    """v of every reflector: zeros, 1 in row k + 1, and what is stored below that (LAPACK gehrd, hetrd)."""
    n = packed.shape[-1]
    below = np.tril(wide(packed), -2) + np.eye(n, k=-1)
    return [below[..., k] for k in range(n - 1)]


def is_factorisation(a, q, middle):
    """q is unitary and q middle q^H is a."""
    bound = 40 * a.shape[-1] ** 0.5 * epsilon(a.dtype)
    error = np.abs(adjoint(q) @ q - np.eye(a.shape[-1])).max()
    return error < bound and np.abs(q @ middle @ adjoint(q) - wide(a)).max() < bound * np.abs(a).max()


@pytest.mark.parametrize(
    ("shape", "dtype"),
    with_types([(1, 1), (2, 2), (3, 3), (2, 3, 5, 5), (2, 17, 17), (50, 50)], (2, 3, 5, 5)),
    ids=str,
)
def test_rule75_hessenberg(shape, dtype, random):
    a = random_matrix(random, shape, dtype)
    packed, taus = run(hessenberg, a)
    wanted = run_xla(lower(hessenberg, a), [a])
    assert [(x.dtype, x.shape) for x in (packed, taus)] == [(x.dtype, x.shape) for x in wanted]
    if shape[-1] > 1:
        q = product_of_reflectors(lower_vectors(packed), np.moveaxis(wide(taus), -1, 0))
        assert is_factorisation(a, q, np.triu(wide(packed), -1))
    if shape[-1] <= 5:  # the larger the matrix, the more do reflectors depend on rounding errors
        compare([packed, taus], wanted, rtol=500 * epsilon(dtype))


@pytest.mark.parametrize(("low", "high"), [(1, 6), (2, 5), (3, 3), (1, 1), (4, 6)])
def test_rule75_hessenberg_of_a_balanced_part(low, high, random):
    """Rows and columns outside of low .. high are triangular already."""
    a = random_matrix(random, (6, 6), "complex64")
    for k in (*range(low - 1), *range(high, 6)):
        a[k + 1 :, k] = 0
    config = f"{{high = {high} : i32, low = {low} : i32}}".encode()
    results = [(a.shape, "complex64"), ((5,), "complex64"), ((), "int32")]
    packed, taus, info = run_call("lapack_cgehrd_ffi", [a], results, config)
    from scipy.linalg import lapack

    wanted, wanted_taus, _ = lapack.cgehrd(a, lo=low - 1, hi=high - 1)
    assert_close(packed, wanted, 50)
    assert_close(taus[low - 1 : high - 1], wanted_taus[low - 1 : high - 1], 50)
    assert not taus[: low - 1].any() and not taus[high - 1 :].any() and info == 0


# tridiagonal


TRIDIAGONAL_SHAPES = ((1, 1), (2, 2), (3, 3), (2, 3, 5, 5), (17, 17), (50, 50))
# every type from below and from above
TRIDIAGONAL = [
    pytest.param(shape, dtype, from_below, id=f"{shape}-{dtype}-{'lower' if from_below else 'upper'}")
    for shape, dtype in with_types(TRIDIAGONAL_SHAPES, (2, 3, 5, 5))
    for from_below in [(TRIDIAGONAL_SHAPES.index(shape) // 2 + DTYPES.index(dtype)) % 2 == 0]
]


@pytest.mark.parametrize(("shape", "dtype", "uplo"), TRIDIAGONAL)
def test_rule75_tridiagonal(shape, dtype, uplo, random):
    a = random_matrix(random, shape, dtype)  # one triangle is read, of the diagonal the real part
    n, half = shape[-1], np.tril(a, -1) if uplo else np.triu(a, 1)
    hermitian = half + adjoint(half) + np.real(np.diagonal(a, 0, -2, -1))[..., None] * np.eye(n)
    packed, d, e, taus = run(lambda x: tridiagonal(x, uplo), a)
    wanted = run_xla(lower(lambda x: tridiagonal(x, uplo), a), [a])
    assert [x.dtype for x in (packed, d, e, taus)] == [x.dtype for x in wanted]
    assert [x.shape for x in (packed, d, e, taus)] == [x.shape for x in wanted]
    if n > 1:
        # the upper form is the lower one with rows and columns in reverse, and so are the reflectors
        vectors = lower_vectors(packed if uplo else packed[..., ::-1, ::-1])
        order = np.moveaxis(wide(taus if uplo else taus[..., ::-1]), -1, 0)
        q = product_of_reflectors([v if uplo else v[..., ::-1] for v in vectors], order)
        beside = [np.stack([np.diag(x, k) for x in e.reshape(-1, n - 1)]).reshape(a.shape) for k in (1, -1)]
        t = wide(beside[0] + beside[1]) + np.eye(n) * wide(d)[..., None]
        assert is_factorisation(hermitian.astype(dtype), q, t)
    other = np.triu(a, 1) if uplo else np.tril(a, -1)
    np.testing.assert_array_equal(np.triu(packed, 1) if uplo else np.tril(packed, -1), other)
    if n <= 5:
        compare([d, e, taus], wanted[1:], rtol=500 * epsilon(dtype))


# names and operands of jaxlib before 0.4.34, with workspace


def test_old_names_of_eig_and_schur(random):
    a, n, v, no = random_matrix(random, (2, 3, 3)), 3, np.uint8(ord("V")), np.uint8(ord("N"))
    square, vectors, row = ((n, n), "float32"), ((2, n, n), "complex64"), ((2, n), "float32")
    *_, wr, wi, left, right, info = run_call(
        "lapack_sgeev", [2, n, v, v, a], [square, square, square, row, row, vectors, vectors, ((2,), "int32")]
    )
    assert_eigenvectors(a, wr + 1j * wi, left, right, precise(60, a.dtype))
    assert not info.any()
    z = a.astype("complex64")
    *_, w, left, right, info = run_call(
        "lapack_cgeev", [2, n, no, v, z],
        [((n, n), "complex64"), ((2 * n,), "float32"), ((2, n), "complex64"), vectors, vectors, ((2,), "int32")],
    )  # fmt: skip
    assert not left.any() and not info.any()
    assert np.abs(wide(z) @ wide(right) - wide(right) * wide(w)[..., None, :]).max() < 1e-5
    t, _, _, basis, sdim, info = run_call(
        "lapack_sgees", [2, n, v, no, a],
        [(a.shape, "float32"), row, row, (a.shape, "float32"), ((2,), "int32"), ((2,), "int32")],
    )  # fmt: skip
    assert_close(basis @ t @ adjoint(basis), a, 50)
    t, _, _, basis, sdim, info = run_call(
        "lapack_cgees", [2, n, v, no, z],
        [(z.shape, "complex64"), ((n,), "float32"), ((2, n), "complex64"), (z.shape, "complex64"), ((2,), "int32"),
         ((2,), "int32")],
    )  # fmt: skip
    assert_close(basis @ t @ adjoint(basis), z, 50)
    assert not sdim.any() and not info.any()


def test_old_names_of_hessenberg_and_tridiagonal(random):
    a, n = random_matrix(random, (4, 4)), 4
    matrix, row, less = ((n, n), "float32"), ((n,), "float32"), ((n - 1,), "float32")
    packed, taus, info, _ = run_call(
        "lapack_sgehrd", [n, 1, n, n, 1, 64, a], [matrix, less, ((), "int32"), ((64,), "float32")]
    )
    compare([packed, taus], run(hessenberg, a))
    *old, info, _ = run_call(
        "lapack_ssytrd", [n, 0, n, 1, 64, a], [matrix, row, less, less, ((), "int32"), ((64,), "float32")]
    )
    compare(old, run(lambda x: tridiagonal(x, lower=False), a))
    assert info == 0


def test_every_stable_name_of_jax_is_converted():
    """jax.export promises to keep these custom-calls."""
    from jax._src.export._export import _CPU_FFI_KERNELS

    from tvm_hlo_frontend.rewrites.linalg.lapack import ROUTINES, routine_of

    assert len(_CPU_FFI_KERNELS) >= 48
    missing = [name for name in _CPU_FFI_KERNELS if routine_of(name) is None or routine_of(name)[0] not in ROUTINES]
    assert not missing


def test_a_sorted_schur_form_and_another_interface_are_refused(random):
    a = random_matrix(random, (3, 3))
    results = [(a.shape, "float32")] * 2 + [((3,), "float32")] * 2 + [((), "int32")] * 2
    with pytest.raises(UnsupportedHloError, match="lapack_sgees_ffi"):
        run_call("lapack_sgees_ffi", [a], results, b"{mode = 86 : ui8, sort = 83 : ui8}")
    # results of a jaxlib in between, in another order
    with pytest.raises(UnsupportedHloError, match="lapack_sgees_ffi"):
        run_call(
            "lapack_sgees_ffi",
            [a],
            [results[index] for index in (0, 2, 3, 1, 4, 5)],
            b"{mode = 86 : ui8, sort = 78 : ui8}",
        )


def test_a_converter_of_the_users_own_replaces_lapack(random):
    a = random_matrix(random, (3, 3))

    def twice(ctx, instruction, x):
        zero = ctx.dialect.constant(np.zeros((), np.int32))
        taus = ctx.dialect.constant(np.zeros(2, np.float32))
        return ctx.map("add", "f32", [x, x]), taus, zero

    packed, _ = run_tvm(lower(hessenberg, a), [a], custom_converters={"lapack_sgehrd_ffi": twice})
    np.testing.assert_array_equal(packed, 2 * a)


# what a user is told


def test_the_report_names_the_functions_of_the_host(random):
    a = random_matrix(random, (3, 3))

    def both(x):
        return eig(x), schur(x), hessenberg(x), tridiagonal(x)

    mod, params = mod_and_params(tvm_hlo_frontend.from_hlo(lower(both, a)))
    report = tvm_hlo_frontend.report_of(mod)
    assert report.host_functions == (GEES, GEEV)
    assert report.converted["custom-call: host's LAPACK"] == 2
    assert f"needs the host's LAPACK: it calls {GEES}, {GEEV}" in str(report)
    assert GEEV in report._repr_html_()
    assert tvm_hlo_frontend.build(mod, params).host_functions == report.host_functions
    plain = tvm_hlo_frontend.report_of(mod_and_params(tvm_hlo_frontend.from_hlo(lower(tridiagonal, a)))[0])
    assert plain.host_functions == () and "LAPACK" not in str(plain)


LOAD = """
import sys, numpy, tvm
{before}
{run}
try:
    print(run(numpy.diag(numpy.arange(3, dtype="float32")))[:, 0].tolist())
except Exception as error:
    print(type(error).__name__, error)
"""
RUN = {
    "relay": """
from tvm.contrib.graph_executor import GraphModule
def run(x):
    module = GraphModule(tvm.runtime.load_module(sys.argv[1])["default"](tvm.cpu()))
    module.set_input(0, x)
    module.run()
    return module.get_output(0).numpy()
""",
    "relax": """
from tvm import relax
def run(x):
    machine = relax.VirtualMachine(tvm.runtime.load_module(sys.argv[1]), tvm.cpu())
    return machine["main"](tvm.runtime.tensor(x)).numpy()
""",
}
REGISTER = {"relay": "tvm.register_func", "relax": "tvm.register_global_func"}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "eigvals.so"
    a = np.eye(3, dtype=np.float32)
    executable = tvm_hlo_frontend.build(*mod_and_params(tvm_hlo_frontend.from_hlo(lower(jnp.linalg.eigvals, a))))
    with pytest.warns(UserWarning, match=rf"{GEEV}.*tvm_hlo_frontend\.deploy\.host_lapack"):
        executable.export_library(path)
    return path


def load_elsewhere(path, before=""):
    code = LOAD.format(before=textwrap.dedent(before), run=RUN[DIALECT])
    return subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True).stdout


def test_an_exported_library_says_what_it_lacks(library):
    told = load_elsewhere(library)
    assert GEEV in told and told.startswith(("TVMError Cannot find function", "RuntimeError", "InternalError")), told
    without_scipy = "import tvm_hlo_frontend.deploy.host_lapack; sys.modules['scipy.linalg'] = None"
    told = load_elsewhere(library, without_scipy)
    assert told.startswith("HostFunctionError") and GEEV in told and "install scipy" in told


def test_an_exported_library_runs_where_the_host_functions_are(library):
    before = "import tvm_hlo_frontend.deploy.host_lapack; assert 'scipy' not in sys.modules"
    assert load_elsewhere(library, before).strip() == "[0.0, 1.0, 2.0]"
    own = f"""
    @{REGISTER[DIALECT]}("{GEEV}")
    def geev(parts, left, right, a, re, im, info):
        assert (parts, left, right) == (1, 0, 0)
        re.copyfrom(numpy.full(re.shape, 7, "float32"))
        im.copyfrom(numpy.zeros(im.shape, "float32"))
        info.copyfrom(numpy.zeros(info.shape, "int32"))
    """
    assert load_elsewhere(library, own).strip() == "[7.0, 7.0, 7.0]"


def test_without_scipy_only_the_call_fails(monkeypatch, random):
    a = random_matrix(random, (3, 3))
    executable = tvm_hlo_frontend.build(*mod_and_params(tvm_hlo_frontend.from_hlo(lower(eig, a))))
    monkeypatch.setitem(sys.modules, "scipy.linalg", None)
    with pytest.raises(HostFunctionError, match=rf"{GEEV}.*install scipy"):
        executable(a)
    monkeypatch.undo()
    assert np.isfinite(executable(a)[0]).all()


def test_libraries_without_host_functions_are_exported_silently(tmp_path, random):
    executable = tvm_hlo_frontend.build(
        *mod_and_params(tvm_hlo_frontend.from_hlo(lower(hessenberg, random_matrix(random, (3, 3)))))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        executable.export_library(tmp_path / "hessenberg.so")
