"""Linear algebra that JAX lowers for CUDA and ROCm, today and in earlier years (rule 75)."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest
from tools.support.compare import compare, run_tvm
from tools.support.oracle import run_xla

from tests.support.linalg_cases import assert_close, assert_orthonormal_columns, lower, positive_definite, random_matrix
from tvm_hlo_frontend.convert.support import unsupported
from tvm_hlo_frontend.hlo.ir.attributes import CustomCallAttributes, TupleIndexAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape, element_type_of, tuple_shape
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.rewrites.capabilities import Capabilities
from tvm_hlo_frontend.rewrites.expansion import expand
from tvm_hlo_frontend.rewrites.linalg.custom_calls import EXPANSIONS

jax = pytest.importorskip("jax")
jnp, lax = jax.numpy, jax.lax

TYPED = "API_VERSION_TYPED_FFI"
GPUS = [("cuda", "float32")]


def algebra(a, tall, wide, spd):
    """Results that are unique, of everything that JAX calls a library for."""
    q, r = jnp.linalg.qr(tall)
    values, vectors = jnp.linalg.eigh(spd)
    parts = [jnp.linalg.svd(matrix, full_matrices=full) for matrix in (tall, wide) for full in (False, True)]
    form, diagonal, beside, taus = lax.linalg.tridiagonal(spd)
    packed, scales = jnp.linalg.qr(tall, mode="raw")
    bands = [jnp.real(spd[..., k, :]) for k in range(3)]
    return (
        jnp.linalg.cholesky(spd),
        jnp.linalg.solve(a, tall),
        lax.linalg.lu(a)[2],
        q @ r,
        values,
        (vectors * values[..., None, :]) @ vectors.conj().mT,
        [s for _, s, _ in parts],
        [(u[..., : s.shape[-1]] * s[..., None, :]) @ vt[..., : s.shape[-1], :] for u, s, vt in parts],
        [jnp.linalg.svd(matrix, compute_uv=False) for matrix in (tall, wide)],
        [form, diagonal, beside, taus],
        [lax.linalg.ormqr(packed.mT, scales, tall, left=True, transpose=flag) for flag in (False, True)],
        lax.linalg.tridiagonal_solve(bands[0], bands[1] + 4, bands[2], jnp.real(tall)),
    )


@pytest.mark.parametrize(("platform", "dtype"), GPUS)
def test_rule75_what_jax_lowers_for_gpus_gives_what_xla_gives_for_the_cpu(platform, dtype, random):
    a, tall = random_matrix(random, (2, 4, 4), dtype), random_matrix(random, (2, 4, 3), dtype)
    arguments = [a, tall, random_matrix(random, (2, 3, 4), dtype), positive_definite(random, (2, 4, 4), dtype)]
    hlo = lower(algebra, *arguments, platform=platform)
    targets = {getattr(instruction.attributes, "target", "") for instruction in read(hlo).instructions}
    library = {"cuda": "cusolver", "rocm": "hipsolver"}[platform]
    assert {f"{library}_{name}_ffi" for name in ("potrf", "getrf", "geqrf", "syevd", "sytrd", "ormqr")} <= targets
    compare(run_tvm(hlo, arguments), run_xla(lower(algebra, *arguments), arguments), rtol=2e-4)


class Calls:
    """A module of custom-calls, results of all of them one after another."""

    def __init__(self) -> None:
        self.builder, self.arguments, self.results = ComputationBuilder("main"), [], []

    def array(self, value):
        self.arguments.append(value)
        shape = array_shape(element_type_of(value.dtype), value.shape)
        return self.builder.parameter(len(self.arguments) - 1, shape)

    def call(self, target, operands, results, config=b"", version="API_VERSION_STATUS_RETURNING"):
        shapes = [array_shape(element_type_of(np.dtype(dtype)), dimensions) for dimensions, dtype in results]
        shape = tuple_shape(*shapes) if len(shapes) > 1 else shapes[0]
        attributes = CustomCallAttributes(target, version, config)
        call = self.builder.add("custom-call", [self.array(each) for each in operands], shape, attributes)
        parts = [call]
        if len(shapes) > 1:
            add = self.builder.add
            parts = [add("get-tuple-element", [call], part, TupleIndexAttributes(i)) for i, part in enumerate(shapes)]
        place = len(self.results)
        self.results += parts
        return slice(place, place + len(parts))

    def module(self):
        return module("calls", self.builder.build(self.builder.add("tuple", self.results)))


def fields(kind, *values):
    """A C struct of ints whose first names an element type."""
    return struct.pack(f"<{len(values) + 1}i", ["float32", "float64", "complex64", "complex128"].index(kind), *values)


def info(batch=2):
    return ((batch,), "int32")


def work(dtype="float32", size=7):
    return ((size,), dtype)


def matrices(random):
    """(square with well-conditioned triangles, tall, complex and wide, symmetric positive definite)."""
    return (
        random_matrix(random, (2, 3, 3)) + 3 * np.eye(3, dtype=np.float32),
        random_matrix(random, (2, 4, 3)),
        random_matrix(random, (2, 3, 4), "complex64"),
        positive_definite(random, (2, 3, 3)),
    )


A, TALL, WIDE, SPD = matrices(np.random.default_rng(73))


def test_rule75_calls_of_the_years_before_the_typed_interface():
    """Options are fields of a C struct, and there is workspace among the results."""
    f, c, square = "float32", "complex64", ((2, 3, 3), "float32")
    calls = Calls()
    upper = calls.call("cusolver_potrf", [SPD], [square, info(), work("int8")], fields(f, 1, 2, 0, 3, 0, 7))
    factors = calls.call(
        "cublas_getrf_batched", [A], [square, ((2, 3), "int32"), info(), work("int8")], fields(f, 2, 3)
    )
    reflectors = calls.call(
        "hipblas_geqrf_batched", [TALL], [(TALL.shape, f), ((2, 3), f), work("int8"), work("int8")], fields(f, 2, 4, 3)
    )
    left = calls.call(
        "cublas_trsm_batched", [A, TALL.mT.copy()], [((2, 3, 4), f), work("int8"), work("int8")],
        fields(f, 2, 3, 4, 0, 1, 1, 0),
    )  # fmt: skip
    right = calls.call(
        "hipblas_trsm_batched", [A, TALL], [(TALL.shape, f), work("int8"), work("int8")],
        fields(f, 2, 4, 3, 142, 122, 111, 132),
    )  # fmt: skip
    eigen = calls.call("hipsolver_syevj", [A], [square, ((2, 3), f), info(), work()], fields(f, 121, 2, 3, 7))
    wide = calls.call(
        "hipsolver_gesvd", [WIDE],
        [(WIDE.shape, c), ((2, 3), f), ((2, 4, 4), c), ((2, 3, 3), c), info(), work(c)],
        fields(c, 2, 4, 3, 7) + b"AA\0\0",
    )  # fmt: skip
    values = calls.call(
        "cusolver_gesvdj", [WIDE],
        [(WIDE.shape, c), ((2, 3), f), ((2, 3, 3), c), ((2, 4, 3), c), info(), work(c)],
        fields(c, 2, 3, 4, 7, 1, 1),
    )  # fmt: skip
    band = np.ones((2, 3), np.float32)
    solution = calls.call(
        "cusparse_gtsv2_f32", [band, 4 * band, 0 * band, TALL.mT.copy()], [((2, 3, 4), f), work("uint8")]
    )
    got = run_tvm(calls.module(), calls.arguments)
    assert_close(np.triu(got[upper][0]), np.linalg.cholesky(SPD).mT, 50)
    assert (got[factors][1] >= np.arange(1, 4)).all() and not got[factors][2].any()
    packed, _, *rest = got[reflectors]
    assert_close(np.triu(packed[:, :3]).mT @ np.triu(packed[:, :3]), TALL.mT @ TALL, 100)
    assert not any(array.any() for array in rest)
    assert_close(np.triu(A).mT @ got[left][0], TALL.mT, 300)
    unit = np.tril(A, -1) + np.eye(3, dtype=np.float32)
    assert_close(got[right][0] @ unit, TALL, 300)
    symmetric = np.triu(A) + np.triu(A, 1).mT
    assert_close(got[eigen][1], np.linalg.eigvalsh(symmetric), 100)
    _, s, vt, u, *_ = got[wide]
    assert_close((u * s[:, None, :]) @ vt[:, :3], WIDE, 100)
    assert_orthonormal_columns(vt.mT)
    _, s, u, v, *_ = got[values]
    assert_close((u * s[:, None, :]) @ v.conj().mT, WIDE, 100)
    bands = np.diag([4.0, 4, 4]) + np.diag([1.0, 1], -1)
    assert_close((bands @ got[solution][0]).astype(np.float32), TALL.mT, 50)


# columns are the known answers of Random123 for ThreeFry-2x32 with 20 rounds
KEYS_AND_COUNTERS = [
    [0, 0xFFFFFFFF, 0x13198A2E],
    [0, 0xFFFFFFFF, 0x03707344],
    [0, 0xFFFFFFFF, 0x243F6A88],
    [0, 0xFFFFFFFF, 0x85A308D3],
]
WORDS = [[0x6B200159, 0x1CB996FC, 0xC4923A9C], [0x99BA4EFE, 0xBB002BE7, 0x483DF7A0]]


def test_rule75_other_calls():
    """Whole products of reflectors, general eigenproblems packed as LAPACK packs them, updates, permutations, bits."""
    f, c = "float32", "complex64"
    pairs = np.array([[0, -2, 0], [1, 0, 0], [3, 1, 5]], np.float32)
    flags = b"{left = true, right = true}"
    calls = Calls()
    packed, taus = TALL, np.zeros((2, 3), np.float32)
    product = calls.call("cusolver_orgqr", [packed, taus], [(TALL.shape, f), info(), work()], fields(f, 2, 4, 3, 3, 7))
    eigen = calls.call(
        "cusolver_geev_ffi", [pairs], [((3, 3), f), ((3,), c), ((3, 3), f), ((3, 3), f), ((), "int32")], flags, TYPED
    )
    hybrid = calls.call(
        "cuhybrid_eig_real", [pairs], [((3,), f), ((3,), f), ((3, 3), c), ((3, 3), c), ((), "int32")], flags, TYPED
    )
    one, half = np.float32(1), np.float32(0.5)
    update = calls.call(
        "cusolver_syrk_ffi", [TALL[0], np.eye(4, dtype=f), np.array(one), np.array(half)], [((4, 4), f)],
        b"{transpose = false}", TYPED,
    )  # fmt: skip
    swaps = np.array([[2, 2, 3], [0, 9, -1]], np.int32)
    order = calls.call("cuda_lu_pivots_to_permutation", [swaps], [((2, 5), "int32")], b"\0" * 16)
    words = [np.array([row], np.uint32) for row in KEYS_AND_COUNTERS]
    bits = calls.call("cu_threefry2x32", words, [((1, 3), "uint32")] * 2, struct.pack("<q", 3))
    got = run_tvm(calls.module(), calls.arguments)
    np.testing.assert_array_equal(got[product][0], np.broadcast_to(np.eye(4, 3), (2, 4, 3)))
    _, w, left, right, _ = got[eigen]
    real, imaginary, hybrid_left, hybrid_right, _ = got[hybrid]
    np.testing.assert_array_equal(w, real + 1j * imaginary)
    for vectors, unpacked in ((left, hybrid_left), (right, hybrid_right)):
        for j in range(3):
            k = j - (w[j].imag < 0)
            column = vectors[:, k] + (1j * np.sign(w[j].imag) * vectors[:, k + 1] if w[j].imag else 0)
            np.testing.assert_allclose(column, unpacked[:, j], atol=1e-6)
    assert_close((pairs @ hybrid_right).astype(c), (hybrid_right * w).astype(c), 100)
    assert_close(got[update][0], TALL[0] @ TALL[0].T + np.eye(4, dtype=f) / 2, 20)
    np.testing.assert_array_equal(got[order][0], [[2, 0, 3, 1, 4], [0, 1, 2, 3, 4]])
    np.testing.assert_array_equal(got[bits], np.array(WORDS, np.uint32)[:, None])


def test_pivots_are_left_to_a_kernel():
    calls = Calls()
    calls.call("cu_lu_pivots_to_permutation", [np.zeros((2, 3), np.int32)], [((2, 5), "int32")], b"{}", TYPED)
    made = expand(calls.module(), Capabilities(frozenset()), EXPANSIONS)
    targets = [each.attributes.target for each in made.instructions if each.opcode == "custom-call"]
    assert targets == ["tvm_hlo.pivots_to_permutation"]


@pytest.mark.parametrize(
    ("target", "config", "words"),
    [
        ("cusolver_potrf", fields("float64", 0, 1, 0, 3, 0, 7), "calls a library for GPUs"),  # of another type
        ("cusolver_potrf", b"", "calls a library for GPUs"),
        ("cusolver_csrlsvqr", b"", "lower the program for another platform"),
        ("cu_cholesky_update_ffi", b"", "lowering_platforms"),
        ("tpu_custom_call", b"", r"kernel for TPUs \(Pallas, Mosaic\).*another platform"),
        ("mosaic_gpu_v2", b"", r"kernel for GPUs \(Pallas, Mosaic\)"),
        ("triton_kernel_call_ffi", b"", "Triton kernel"),
        ("__gpu$xla.gpu.triton", b"", "Triton kernel"),
        ("__cublas$gemm", b"", "before optimisations"),
        ("__cudnn$convForward", b"", "before optimisations"),
    ],
)
def test_calls_that_say_too_little_or_hold_device_code_are_refused_with_advice(target, config, words):
    calls = Calls()
    calls.call(target, [SPD], [(SPD.shape, "float32"), info(), work("int8")], config)
    (refusal,) = [each for each in unsupported(calls.module()) if target in each.opcode]
    assert re.search(words, refusal.reason)
