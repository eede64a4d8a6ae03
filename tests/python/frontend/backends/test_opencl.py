"""Programs compiled for OpenCL, run by PoCL on the CPU: XLA:CPU's numbers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.support.devices import OF_HALF, Tensor, address_of, tensor
from tests.support.dialect_marks import DIALECT
from tests.support.programs import PROGRAMS, f32
from tvm_hlo_frontend import SignatureError, TargetError, build, from_jax, mod_and_params
from tvm_hlo_frontend.oracle.comparison import difference

pytest.importorskip("pyopencl", reason="PoCL runs what is compiled for OpenCL: pip install -e '.[pocl]'")

from tools.support.pocl import Pocl

# that every device has
MOST_THREADS = 256


def ran(function, *arrays):
    """Results of a program for OpenCL, and what was launched."""
    with Pocl().opened() as pocl:
        executable = build(*mod_and_params(from_jax(function, *arrays)), target="opencl")
        assert executable.device == "opencl"
        return executable(*arrays), pocl


def check(function, *arrays, rtol=None):
    got, pocl = ran(function, *arrays)
    wanted = jax.tree.leaves(jax.jit(function)(*arrays))
    for ours, theirs in zip(jax.tree.leaves(got), wanted, strict=True):
        found = difference(ours, np.asarray(theirs), rtol)
        assert not found.wrong, f"{found}: {ours} instead of {theirs}"
    for text in pocl.sources:
        assert "barrier(" not in text
        assert "__local" not in text
    assert all(extents["threadIdx.x"] <= MOST_THREADS for _, extents in pocl.launches)
    assert all(extent > 0 for _, extents in pocl.launches for extent in extents.values())


COMPUTED = [name for name in PROGRAMS if DIALECT == "relax" or name not in OF_HALF]


@pytest.mark.parametrize("name", COMPUTED)
def test_programs_have_the_numbers_of_xla(name):
    check(*PROGRAMS[name])


def branches(x, which):
    """A loop that no kernel runs: its body has branches."""
    choices = [lambda v: v * 2, lambda v: jnp.sort(v, 0) + 1, lambda v: v @ v]
    return lax.fori_loop(0, 4, lambda i, c: lax.switch((which + i) % 3, choices, c * 0.5), x)


def test_loops_of_the_virtual_machine_run_kernels_of_the_device():
    check(branches, f32(4, 4), np.int32(1))


WIDE = {
    "f64": (
        lambda x: (jnp.tanh(x), x / 3 + 1e-20, jnp.where(x > 0, x, -x), jnp.sqrt(x), x.sum()),
        np.linspace(-2, 3, 11),
    ),
    "s64": (
        lambda x: (x // 3, x * 7 - (1 << 40), jnp.where(x > 0, x, -x), jnp.sort(x)),
        np.arange(-(1 << 41), 1 << 41, 1 << 38),
    ),
    "u64": (lambda x: (x // 3, x + np.uint64(1 << 63), jnp.where(x > 9, x, x >> 1)), np.arange(20, dtype="uint64")),
}


def several(x, z, narrow):
    return x + 1, x, x.reshape(-1), z * 2, narrow * 2


SEVERAL = (f32(2, 3), f32(2, 3) + 1j, f32(4).astype(jnp.bfloat16))


def test_results_stay_on_the_device_and_go_back_as_arguments():
    with Pocl().opened():
        run = build(*mod_and_params(from_jax(several, *SEVERAL)), target="opencl")
        here = tensor(SEVERAL[0], "opencl")
        results = run.on_device(here, *SEVERAL[1:])
        assert all(isinstance(each, Tensor) and each.device == here.device for each in results)
        again = run.on_device(results[0], results[3], results[4])
    for got, wanted in zip(results, several(*SEVERAL), strict=True):
        assert_stored(got, wanted)
    for got, wanted in zip(again, several(SEVERAL[0] + 1, SEVERAL[1] * 2, SEVERAL[2] * 2), strict=True):
        assert_stored(got, wanted)
    addresses = [address_of(each) for each in (here, *results)]
    assert len(set(addresses)) == len(addresses)


def assert_stored(got, wanted):
    """An array of main: complex numbers are pairs, bf16 is its bits."""
    wanted = np.asarray(wanted)
    if wanted.dtype == jnp.bfloat16:
        wanted = wanted.view("uint16")
    if wanted.dtype.kind == "c":
        wanted = wanted.reshape(*wanted.shape, 1).view("float32")
    np.testing.assert_array_equal(got.numpy(), wanted)


def test_what_does_not_fit_on_the_device_is_refused():
    with Pocl().opened():
        run = build(*mod_and_params(from_jax(several, *SEVERAL)), target="opencl")
        here = tensor(SEVERAL[0], "opencl")
        with pytest.raises(SignatureError, match="takes 3 arrays"):
            run.on_device(here)
        with pytest.raises(SignatureError, match=r"input z takes float32\[2, 3, 2\] on a device, not float32\[2, 3\]"):
            run.on_device(here, here, SEVERAL[2])
        with pytest.raises(SignatureError, match=r"input x takes float32\[2, 3\], not float64"):
            run.on_device(SEVERAL[0].astype("float64"), *SEVERAL[1:])
        with pytest.raises(TargetError, match=r"an argument is on cpu.*is compiled for .*opencl"):
            run.on_device(tensor(SEVERAL[0]), *SEVERAL[1:])
    with pytest.raises(TargetError, match="compiled for a CPU"):
        build(*mod_and_params(from_jax(several, *SEVERAL))).on_device(*SEVERAL)


def test_a_device_without_f64_is_named_with_what_needs_it():
    with jax.enable_x64(True), Pocl(lacking=["cl_khr_fp64"]).opened():
        executable = build(*mod_and_params(from_jax(lambda rows: rows + 1, np.ones(3))), target="opencl")
        with pytest.raises(TargetError, match=r"for 'opencl' has no f64 \(cl_khr_fp64\).*with rows; .*'llvm'"):
            executable(np.ones(3))


@pytest.mark.parametrize("name", WIDE)
def test_types_of_64_bits(name):
    with jax.enable_x64(True):
        check(*WIDE[name])
