"""Launches of PrimFuncs on devices, as IR and as text: no device is needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import jax.numpy as jnp
import numpy as np
import pytest
import tvm
from tvm import te

from tests.support.devices import device_code, function_of
from tests.support.dialect_marks import DIALECT, relax_only, relay_only
from tests.support.programs import PROGRAMS, f32
from tvm_hlo_frontend import build, from_jax, mod_and_params
from tvm_hlo_frontend.schedules.gpu import WORDS, schedule_for_device
from tvm_hlo_frontend.schedules.gpu.words import in_words_of
from tvm_hlo_frontend.tensor_ir.compat import tir

CUDA = {"kind": "cuda", "arch": "sm_80"}
NVCC = shutil.which("nvcc")
# of each kind of kernel one
COMPILED = ("f16", "functions of the library", "narrow integers", "scatter", "sort", "truth values")


def source(function, *arrays, target="opencl"):
    """What a program becomes in the language of a device."""
    return device_code(build(*mod_and_params(from_jax(function, *arrays)), target=target))


@relax_only("Relay has no schedules for CUDA")
@pytest.mark.skipif(NVCC is None, reason="nvcc is not installed")
@pytest.mark.parametrize("name", COMPILED)
def test_nvcc_compiles_kernels_of_cuda(name, tmp_path):
    (tmp_path / "kernels.cu").write_text(source(*PROGRAMS[name], target=CUDA))
    command = [NVCC, "-w", "-arch=sm_80", "-cubin", "-o", "kernels.cubin", "kernels.cu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def kernels(text):
    """The first lines of all kernels."""
    return [line for line in text.splitlines() if line.startswith("__kernel") and line.endswith("{")]


def test_what_is_too_much_for_a_thread_lies_in_memory_of_the_device():
    few, much = source(*PROGRAMS["many sorts"]), source(*PROGRAMS["a long sort"])
    assert "ulong* restrict" not in "".join(kernels(few))
    assert "  ulong packed" in few
    assert "__global ulong* restrict numbers" in "".join(kernels(much))


def test_no_memory_has_two_names_in_a_kernel():
    lines = kernels(source(*PROGRAMS["a scatter of many rows"]))
    scatters = [found for found in (re.findall(r"restrict (hlo_scatter\w*)", line) for line in lines) if found]
    assert scatters
    assert all(len(found) == 1 for found in scatters)


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("value", [1.4426950408889634, 12583166.0, 1e-20, 0.5, -0.0, 3.4028234663852886e38])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_constants_are_read_back_as_they_are(kind, value, dtype):
    words, number = WORDS[kind], np.dtype(dtype).type(value)
    buffer = tir.decl_buffer((1,), dtype, "x")
    function = function_of(tir.BufferStore(buffer, tir.const(float(number), dtype), [0]), buffer)
    stored = in_words_of(function, words).body.value
    if isinstance(stored, tir.FloatImm):
        assert np.dtype(dtype).type(words.printed[dtype](float(number))) == number
    else:
        name, bits = words.from_bits[dtype]
        assert str(stored.args[0].value) == name
        assert np.array(int(stored.args[1].value), bits).view(dtype) == number


def test_kernels_of_many_operations_have_short_names():
    def function(x):
        for number in range(12):
            x = jnp.tanh(x[number:] * 2)[:-1]
        return x

    names = [line.split("(")[0].split()[-1] for line in kernels(source(function, f32(200)))]
    if DIALECT == "relax":  # TVM 0.17 has short names itself
        assert any("_long0_" in name for name in names)
    assert names
    assert all(len(name) < 128 for name in names)


def test_scheduled_once():
    x = te.placeholder((4,), "float32")
    function = te.create_prim_func([x, te.compute((4,), lambda i: x[i] + x[i])])
    target = tvm.target.Target("opencl")
    scheduled = schedule_for_device(function, target)
    assert schedule_for_device(scheduled, target) is scheduled


@relay_only("Relax asks no tuner")
def test_a_build_leaves_nothing_registered():
    source(jnp.tanh, f32(4))
    for name in ("tvm_callback_opencl_postproc", "relay.backend.tir_converter.hlo_for_device"):
        assert tvm.get_global_func(name, allow_missing=True) is None
    assert tvm.meta_schedule.Database.current() is None


@relax_only("Relay compiles no CUDA")
def test_a_build_leaves_the_process_as_it_was(monkeypatch):
    from tvm_hlo_frontend.backends.relax.devices import exact_code

    monkeypatch.setenv("TVM_CUDA_COMPILE_MODE", "nvrtc")
    before = dict(os.environ)
    with exact_code(tvm.target.Target({**CUDA, "host": {"kind": "llvm"}})):
        assert os.environ["TVM_CUDA_COMPILE_MODE"] == "nvcc"
        assert os.environ["TVM_CUDA_NVCC_NO_FAST_MATH"] == "1"
    assert dict(os.environ) == before
    with exact_code(tvm.target.Target("opencl")):
        assert tvm.get_global_func("tvm_callback_opencl_postproc", allow_missing=True) is not None
    assert tvm.get_global_func("tvm_callback_opencl_postproc", allow_missing=True) is None
