"""Programs compiled for OpenCL, run by PoCL on the CPU: XLA:CPU's numbers."""

from __future__ import annotations

from tests.support.dialect_marks import DIALECT, skip_file

if DIALECT != "relax":
    skip_file("relax", "there are schedules for devices in Relax alone")

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.programs import PROGRAMS
from tvm_hlo_frontend import TargetError, build, from_jax, mod_and_params
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


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_have_the_numbers_of_xla(name):
    check(*PROGRAMS[name])


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


def test_a_device_without_f64_is_named_with_what_needs_it():
    with jax.enable_x64(True), Pocl(lacking=["cl_khr_fp64"]).opened():
        executable = build(*mod_and_params(from_jax(lambda rows: rows + 1, np.ones(3))), target="opencl")
        with pytest.raises(TargetError, match=r"for 'opencl' has no f64 \(cl_khr_fp64\).*with rows; .*'llvm'"):
            executable(np.ones(3))


@pytest.mark.parametrize("name", WIDE)
def test_types_of_64_bits(name):
    with jax.enable_x64(True):
        check(*WIDE[name])
