"""cholesky and triangular-solve, and the kernels behind the private custom-calls "tvm_hlo.cholesky" and
"tvm_hlo.triangular_solve" (rules 73 and 74)."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from tools.support.compare import check, compare, run_tvm
from tools.support.oracle import run_xla

from tests.support.dialect_marks import DIALECT
from tests.support.emitted import calls_of, code_of, compiled_kernel
from tests.support.linalg_cases import adjoint, assert_close, one_instruction, positive_definite, random_matrix, wide
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import CholeskyAttributes, TriangularSolveAttributes
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.rewrites import Capabilities, decompose

SIZES = (1, 2, 3, 17, 64, 65, 130, 256)


def cholesky(a: np.ndarray, lower: bool = True):
    return one_instruction("cholesky", [a], CholeskyAttributes(lower))


def solve(a, b, left=True, lower=True, unit=False, transpose="NO_TRANSPOSE"):
    return one_instruction("triangular-solve", [a, b], TriangularSolveAttributes(left, lower, unit, transpose))


def triangle(
    random: np.random.Generator, n: int, lower: bool, dtype: str = "float32", batch: tuple[int, ...] = ()
) -> np.ndarray:
    """Well-conditioned triangular matrices with NaN in the other triangle."""
    a = random_matrix(random, (*batch, n, n), dtype) / max(n, 1) ** 0.5 + 2 * np.eye(n)
    other = np.triu_indices(n, 1) if lower else np.tril_indices(n, -1)
    a[(..., *other)] = np.nan
    return a.astype(dtype)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rule73_cholesky_of_every_size(n, dtype, random):
    a = positive_definite(random, (n, n), dtype)
    lower = n % 2 == 0
    (got,) = run_tvm(cholesky(a, lower), [a])
    wanted = np.linalg.cholesky(wide(a))
    assert_close(got, wanted if lower else wanted.T, 10)


@pytest.mark.parametrize("lower", [True, False])
def test_rule73_cholesky_is_xlas_with_zeros_in_the_other_triangle(lower, random):
    a = positive_definite(random, (2, 3, 7, 7))
    (got,) = check(cholesky(a, lower), [a], rtol=1e-5)
    assert not np.triu(got, 1).any() if lower else not np.tril(got, -1).any()


@pytest.mark.parametrize("lower", [True, False])
def test_rule73_cholesky_ignores_the_other_triangle(lower, random):
    a = positive_definite(random, (9, 9))
    stored = a.copy()
    stored[np.triu_indices(9, 1) if lower else np.tril_indices(9, -1)] = np.nan
    (got,) = run_tvm(cholesky(stored, lower), [stored])
    wanted = np.linalg.cholesky(wide(a))
    assert_close(got, wanted if lower else wanted.T, 10)


@pytest.mark.parametrize("n", [5, 70])
def test_rule73_failures_are_nan_and_stay_alone(n, random):
    a = positive_definite(random, (5, n, n))
    a[1, n - 2, n - 2] = -1.0  # fails late
    a[2] = 0.0  # a pivot of zero fails
    a[3, 0, 0] = np.nan
    (got,) = run_tvm(cholesky(a), [a])
    assert np.isnan(got[1:4]).all() and np.isfinite(got[[0, 4]]).all()
    if n < 10:
        compare([got[:3]], [run_xla(cholesky(a[:3]), [a[:3]])[0]], rtol=1e-5)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("n", [3, 65])
def test_rule73_cholesky_of_complex_matrices(n, lower, random):
    a = positive_definite(random, (2, n, n), "complex64")
    (got,) = run_tvm(cholesky(a, lower), [a])
    wanted = np.linalg.cholesky(wide(a))
    assert_close(got, wanted if lower else adjoint(wanted), 20)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["f16", "bf16"])
def test_rule73_narrow_types_are_factored_in_f32(dtype, random):
    a = positive_definite(random, (6, 6)).astype(dtype)
    (got,) = run_tvm(cholesky(a), [a])
    assert got.dtype == a.dtype
    exact = np.linalg.cholesky(a.astype(np.float64)).astype(dtype)
    np.testing.assert_allclose(got.astype(np.float64), exact.astype(np.float64), rtol=float(ml_dtypes.finfo(dtype).eps))


@pytest.mark.parametrize("transpose", ["NO_TRANSPOSE", "TRANSPOSE", "ADJOINT"])
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("left", [True, False])
def test_rule74_every_form_ignores_the_other_triangle(left, lower, transpose, random):
    unit = transpose == "TRANSPOSE"
    dtype = "complex64" if transpose == "ADJOINT" else "float32"
    a, b = triangle(random, 7, lower, dtype, (2,)), random_matrix(random, (2, 7, 3) if left else (2, 3, 7), dtype)
    (got,) = run_tvm(solve(a, b, left, lower, unit, transpose), [a, b])
    full = np.where(np.isnan(a), 0, wide(a))
    if unit:
        full[:, np.arange(7), np.arange(7)] = 1
    operator = {"NO_TRANSPOSE": full, "TRANSPOSE": full.swapaxes(1, 2), "ADJOINT": adjoint(full)}[transpose]
    inverse = np.linalg.inv(operator)
    assert_close(got, inverse @ wide(b) if left else wide(b) @ inverse, 100)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rule74_triangular_solve_of_every_size(n, dtype, random):
    lower, left = n % 2 == 0, n % 3 != 0
    columns = 1 if n == 256 else 5
    a, b = triangle(random, n, lower, dtype), random_matrix(random, (n, columns) if left else (columns, n), dtype)
    (got,) = run_tvm(solve(a, b, left, lower), [a, b])
    full = np.where(np.isnan(a), 0, wide(a))
    assert_close(got, np.linalg.solve(full, wide(b)) if left else np.linalg.solve(full.T, wide(b).T).T, 200)


def test_rule74_solution_is_xlas(random):
    a, b = np.tril(triangle(random, 6, True)).astype(np.float32), random_matrix(random, (6, 4))
    a = np.nan_to_num(a)
    check(solve(a, b), [a, b], rtol=1e-5)


def test_rule74_unit_diagonal_ignores_the_stored_one():
    a = np.array([[4, 0, 0], [2, 4, 0], [1, 2, 4]], np.float32)
    b = np.array([[1], [1], [2]], np.float32)
    (got,) = check(solve(a, b, unit=True), [a, b])
    np.testing.assert_array_equal(got, [[1], [-1], [3]])


def test_rule74_singular_matrices_give_infinities():
    """As LAPACK, which JAX uses on the CPU; XLA's expander multiplies by an inverse and gives NaN there."""
    a, b = np.diag([1.0, 0.0]).astype(np.float32), np.ones((2, 1), np.float32)
    (got,) = run_tvm(solve(a, b), [a, b])
    np.testing.assert_array_equal(got, [[1], [np.inf]])


def test_rule47_matrices_without_elements():
    a, b = np.zeros((0, 0), np.float32), np.zeros((0, 3), np.float32)
    assert run_tvm(cholesky(a), [a])[0].shape == (0, 0)
    assert run_tvm(solve(a, b), [a, b])[0].shape == (0, 3)


@pytest.mark.parametrize("plain", [True, "vm"])
def test_plain_relay_build(plain, random):
    a = positive_definite(random, (2, 20, 20))
    check(cholesky(a), [a], rtol=1e-5, plain=plain)


def test_rewrites_say_opcodes_as_kernel_calls_on_real_tensors(random):
    """Structure: complex operands are split in front of the call and joined behind it."""
    types = frozenset({"f32", "f64", "s32", "c64"})
    a = positive_definite(random, (3, 3), "complex64")
    rewritten = decompose(cholesky(a), Capabilities(types))
    opcodes = [instruction.opcode for instruction in rewritten.entry.instructions]
    assert opcodes.count("custom-call") == 1 and {"real", "imag", "complex"} <= set(opcodes)
    (call,) = (i for i in rewritten.entry.instructions if i.opcode == "custom-call")
    assert call.attributes.target == "tvm_hlo.cholesky"
    assert [str(operand.shape) for operand in call.operands] == ["f32[3,3]", "f32[3,3]"]


def test_names_and_metadata_stay_for_messages(random):
    import jax

    from tests.support.linalg_cases import lower

    hlo = read(lower(jax.numpy.linalg.cholesky, positive_definite(random, (3, 3)), platform="tpu"))
    rewritten = decompose(hlo, Capabilities(frozenset({"f32"})))
    (call,) = (i for i in rewritten.instructions if i.opcode == "custom-call")
    assert "cholesky" in call.metadata.op_name


def test_equal_problems_are_compiled_once():
    """The kernel's name carries no batch rank and no instruction name."""
    from tvm_hlo_frontend import from_hlo
    from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
    from tvm_hlo_frontend.hlo.ir.shape import array_shape
    from tvm_hlo_frontend.hlo.proto.writer import to_proto

    builder = ComputationBuilder("main")
    a, b = (builder.parameter(i, array_shape("f32", (4, 4))) for i in range(2))
    factors = [builder.add("cholesky", [x], x.shape, CholeskyAttributes(True)) for x in (a, b)]
    mod, _ = mod_and_params(from_hlo(to_proto(module("two", builder.build(builder.add("add", factors))))))
    assert calls_of(mod).count("cholesky") == 2
    if DIALECT == "relay":
        specs = [line.split("__dict__")[1] for line in str(mod).splitlines() if "hlo.kernel" in line]
        assert len(specs) == 2 and specs[0] == specs[1]
    else:
        assert sorted(variable.name_hint for variable in mod.get_global_vars()) == ["cholesky", "main"]


@pytest.mark.parametrize("name", ["cholesky", "triangular_solve"])
@pytest.mark.parametrize("target", ["c", "llvm -mtriple=aarch64-linux-gnu"])
def test_kernels_generate_code_for_other_targets(name, target):
    from tvm import te

    from tvm_hlo_frontend.deploy.executable import with_deep_stack
    from tvm_hlo_frontend.kernels.spec import KernelSpec

    parameters = {
        "cholesky": {"lower": True},
        "triangular_solve": {"left_side": True, "lower": True, "unit_diagonal": False, "transpose": "TRANSPOSE"},
    }[name]
    spec = KernelSpec(name, parameters)
    inputs = [te.placeholder((2, 5, 5), "float32") for _ in range(1 if name == "cholesky" else 2)]
    assert with_deep_stack(lambda: code_of(compiled_kernel(spec, inputs, [((2, 5, 5), "float32")], target)))
