"""f16 in OpenCL's kernels without OpenCL's f16: its numbers, all of them, through conversions and arithmetic."""

from __future__ import annotations

from tests.support.dialect_marks import DIALECT, skip_file

if DIALECT != "relax":
    skip_file("relax", "Relay refuses f16 on devices")

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tvm_hlo_frontend import build, from_jax, mod_and_params
from tvm_hlo_frontend.errors import ConversionError
from tvm_hlo_frontend.schedules.gpu.half import without_half
from tvm_hlo_frontend.tensor_ir.compat import tir

pytest.importorskip("pyopencl", reason="PoCL runs what is compiled for OpenCL: pip install -e '.[pocl]'")

from tools.support.pocl import Pocl

ALL = np.arange(1 << 16, dtype="uint16").view("float16")
NUMBERS = ALL[~np.isnan(ALL)]
OTHERS = np.random.default_rng(0).permutation(ALL)
FINITE = NUMBERS[np.isfinite(NUMBERS)].astype("float32")
# the middles between neighbours, what is next to them, and anything
MIDDLES = (np.sort(FINITE)[1:] + np.sort(FINITE)[:-1]) / 2
EDGES = np.concatenate(
    [
        MIDDLES,
        np.nextafter(MIDDLES, np.float32(np.inf)),
        np.nextafter(MIDDLES, np.float32(-np.inf)),
        np.random.default_rng(1).integers(0, 1 << 32, 1 << 16, dtype="uint32").view("float32"),
        np.array([65519.996, 65520, -65520, 2**-25, -(2**-25), 1e-40, np.inf, -np.inf, np.nan], "float32"),
    ]
)


def on_pocl(function, *arrays):
    """Results, whose kernels have no f16."""
    with Pocl().opened() as pocl:
        results = build(*mod_and_params(from_jax(function, *arrays)), target="opencl")(*arrays)
    for text in pocl.sources:
        assert "half" not in text.replace("hlo_from_half", "").replace("hlo_to_half", "").replace("half_bits", "")
        assert "cl_khr_fp16" not in text
    return jax.tree.leaves(results)


def assert_same(got, wanted):
    """Equal bits, of NaN any."""
    assert got.dtype == wanted.dtype
    word = f"uint{8 * got.dtype.itemsize}"
    is_nan = np.isnan(wanted) if wanted.dtype.kind == "f" else np.zeros(wanted.shape, bool)
    wrong = np.flatnonzero(np.where(is_nan, ~np.isnan(got), got.view(word) != wanted.view(word)))
    for first in wrong[:1]:
        pytest.fail(f"{wrong.size} differ, the first at {first}: {got[first]!r} is not {wanted[first]!r}")


def test_all_numbers_are_converted_from_f16():
    def function(x):
        return tuple(x.astype(dtype) for dtype in ("float32", "int32", "uint8", "bool"))

    got = on_pocl(function, ALL)
    assert_same(got[0], ALL.astype("float32"))
    for ours, theirs in zip(got, jax.jit(function)(ALL), strict=True):
        assert_same(ours, np.asarray(theirs))


def test_numbers_are_rounded_to_f16_to_nearest_even():
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = EDGES.astype("float16")
    (got,) = on_pocl(lambda x: x.astype("float16"), EDGES)
    assert_same(got, wanted)


def test_integers_are_rounded_to_f16():
    integers = np.arange(-70000, 70000, dtype="int32")
    with np.errstate(over="ignore"):
        assert_same(on_pocl(lambda x: x.astype("float16"), integers)[0], integers.astype("float16"))


def test_f64_is_rounded_to_f16_once():
    with jax.enable_x64(True):
        wide = np.concatenate([MIDDLES.astype("float64") * (1 + sign * 1e-12) for sign in (-1, 0, 1)])
        assert_same(on_pocl(lambda x: x.astype("float16"), wide)[0], wide.astype("float16"))


def test_what_moves_f16_keeps_all_of_its_bits():
    moved = on_pocl(lambda x: (x[::-1], jnp.concatenate([x, x]), lax.select(x > 1, x, x), -x, jnp.abs(x)), ALL)
    bits = ALL.view("uint16")
    wanted = [bits[::-1], np.concatenate([bits, bits]), bits, bits ^ 0x8000, bits & 0x7FFF]
    for got, word in zip(moved, wanted, strict=True):
        np.testing.assert_array_equal(got.view("uint16"), word)


OPERATIONS = {
    "add": jnp.add,
    "subtract": jnp.subtract,
    "multiply": jnp.multiply,
    "divide": jnp.divide,
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "less": jnp.less,
    "root": lambda x, y: jnp.sqrt(x),
}


def test_operations_are_rounded_as_xla_rounds_them():
    got = on_pocl(lambda x, y: tuple(each(x, y) for each in OPERATIONS.values()), ALL, OTHERS)
    for ours, function in zip(got, OPERATIONS.values(), strict=True):
        assert_same(ours, np.asarray(jax.jit(function)(ALL, OTHERS)))


def test_constants_of_f16_are_what_they_are():
    tiny, large = np.float16(2**-24), np.float16(65504)
    got = on_pocl(lambda x: (x * tiny, x + large, jnp.where(x > 0, np.float16(np.nan), -np.float16(np.inf))), NUMBERS)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        wanted = [NUMBERS * tiny, NUMBERS + large]
    for ours, theirs in zip(got, wanted):
        assert_same(ours, theirs)
    assert_same(got[2], np.where(NUMBERS > 0, np.float16(np.nan), -np.float16(np.inf)))


def kernel(dtype):
    """A kernel that converts one number to f16."""
    kind = tir.const(0.0, dtype).ty
    x, y = (tir.decl_buffer((1,), each, name) for each, name in ((dtype, "x"), ("float16", "y")))
    pointers = [tir.Var(name, type(x.data.ty)(each, "global")) for each, name in ((kind, "px"), (y.ty.dtype, "py"))]
    parts = [tir.DeclBuffer(each, data=pointer) for each, pointer in zip((x, y), pointers)]
    store = tir.BufferStore(y, tir.Cast("float16", tir.BufferLoad(x, [0])), [0])
    return tir.PrimFunc(pointers, tir.SeqStmt([*parts, store]))


def test_what_would_be_rounded_twice_is_refused():
    assert "float16" not in without_half(kernel("float32")).script()
    with pytest.raises(ConversionError, match="as exactly as with it"):
        without_half(kernel("float64"))


def test_kernels_without_f16_stay_as_they_are():
    x = tir.decl_buffer((1,), "float32", "x")
    function = tir.PrimFunc([x], tir.BufferStore(x, tir.BufferLoad(x, [0]) + 1.0, [0]))
    assert without_half(function).same_as(function)
