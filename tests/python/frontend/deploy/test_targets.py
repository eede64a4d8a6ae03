"""Targets of `build`: what there is no code for is refused before anything is compiled."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tvm

import tvm_hlo_frontend
from tests.support.dialect_marks import DIALECT, relax_only, relay_only
from tvm_hlo_frontend import TargetError, mod_and_params
from tvm_hlo_frontend.backends.devices import existing
from tvm_hlo_frontend.deploy import targets


@pytest.fixture(scope="module")
def converted():
    return mod_and_params(tvm_hlo_frontend.from_jax(lambda x: jnp.tanh(x) + 1, np.ones(4, "float32")))


UNKNOWN = [
    "metal",
    {"kind": "metal"},
    "ext_dev",
    tvm.target.Target("metal"),
    *([{"kind": "cuda", "arch": "sm_80"}] if DIALECT == "relay" else []),
]


@pytest.mark.parametrize("target", UNKNOWN)
def test_targets_without_schedules_are_refused(converted, target):
    kind = target["kind"] if isinstance(target, dict) else str(getattr(target, "kind", target)).split()[0]
    with pytest.raises(TargetError, match=rf"{kind}.* is no CPU.*build for 'llvm'"):
        tvm_hlo_frontend.build(*converted, target=target)


@pytest.mark.parametrize(
    "target", ["llvm", "llvm -mcpu=x86-64", '{"kind": "llvm", "mcpu": "x86-64"}', {"kind": "llvm"}]
)
def test_targets_of_cpus_as_users_write_them(converted, target):
    np.testing.assert_array_equal(
        tvm_hlo_frontend.build(*converted, target=target)(np.zeros(4, "float32")), np.ones(4, "float32")
    )


PROCESSORS = {
    "sse4_2": "llvm",
    "avx2 fma f16c": "llvm -mcpu=core-avx2",
    "avx2 fma f16c avx512f avx512bw avx512dq avx512vl": "llvm -mcpu=skylake-avx512",
    "avx2 fma f16c avx512f avx512bw avx512dq avx512vl avx512_vbmi2": "llvm -mcpu=skylake-avx512 -mattr=-prefer-256-bit",
}


@pytest.mark.parametrize("flags", PROCESSORS)
def test_the_target_of_this_machine_is_that_of_its_processor(converted, monkeypatch, flags):
    monkeypatch.setattr(targets.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(targets, "cpu_flags", lambda: frozenset(flags.split()))
    target = targets.cpu_target()
    assert targets.target_text(target) == PROCESSORS[flags]
    # compiled, and not run: this machine may be another
    tvm_hlo_frontend.build(*converted, target=target)


def test_lists_and_numbers_of_targets_as_text():
    target = {"kind": "llvm", "mcpu": "core-avx2", "mattr": ["+avx2", "+fma"], "num-cores": 2}
    assert targets.target_text(target) == "llvm -mcpu=core-avx2 -mattr=+avx2,+fma -num-cores=2"


def on_device(function, *arrays, target="opencl"):
    converted = tvm_hlo_frontend.from_jax(function, *arrays)
    return tvm_hlo_frontend.build(*mod_and_params(converted), target=target)


@pytest.mark.parametrize("kernel", ["geev", "gees"])
def test_functions_of_the_host_are_refused_with_the_instructions_that_call_them(kernel):
    def function(x):
        return jnp.linalg.eig(x)[0] if kernel == "geev" else jax.lax.linalg.schur(x)[0]

    name = {"geev": "eig", "gees": "schur"}[kernel]
    with pytest.raises(TargetError) as raised:
        on_device(function, np.eye(3, dtype="float32"))
    assert re.search(
        rf"for 'opencl', as it has a call of \S*{kernel}, a function of the host, "
        rf"by %{kernel}\S* \(custom-call\(tvm_hlo.{kernel}\)\) in computation %main\S*, from jit\(function\)/{name} "
        rf"\S*test_targets.py:\d+; build for 'llvm'",
        str(raised.value),
    ), raised.value


def test_every_instruction_that_calls_the_host_is_named_once():
    def function(x):
        return jax.lax.cond(x[0, 0] > 0, lambda x: jnp.linalg.eigvals(x), lambda x: jnp.linalg.eigvals(x + 1), x)

    with pytest.raises(TargetError) as raised:
        on_device(function, np.eye(3, dtype="float32"))
    named = re.findall(r"by %(\S+) \(custom-call\(tvm_hlo.geev\)\) in computation %(\S+?),? ", str(raised.value))
    assert len(named) == len(set(named)) == 2, raised.value


def test_unknown_sizes_are_refused():
    symbol = jax.ShapeDtypeStruct(jax.export.symbolic_shape("n, 3"), "float32")
    with pytest.raises(TargetError, match="sizes that are known when it is called; `specialize` compiles"):
        on_device(lambda x: x + 1, symbol)


@relax_only("Relay has no schedules for CUDA")
@pytest.mark.skipif(tvm.cuda().exist, reason="there is a GPU")
def test_a_gpu_has_to_be_named_where_there_is_none():
    with pytest.raises(TargetError, match=r"'cuda' does not say for which GPU.*sm_80"):
        on_device(jnp.tanh, np.ones(4, "float32"), target="cuda")


@relax_only("Relay has no schedules for CUDA")
@pytest.mark.skipif(tvm.cuda().exist, reason="there is a GPU")
def test_a_machine_without_the_device_says_so():
    run = on_device(jnp.tanh, np.ones(4, "float32"), target={"kind": "cuda", "arch": "sm_80"})
    assert run.device == "cuda"
    with pytest.raises(TargetError, match="compiled for 'cuda', and this machine has no such device"):
        run(np.ones(4, "float32"))


def test_a_kind_of_device_that_is_not_there_is_named():
    with pytest.raises(TargetError, match="compiled for 'metal', and this machine has no such device"):
        existing("metal")


@relay_only("Relax computes f16 in words")
def test_f16_is_refused_with_its_inputs():
    with pytest.raises(TargetError, match=r"for 'opencl', as it has f16, in x, which with this TVM no device computes"):
        on_device(lambda x, y: x * 2 + y, np.ones(4, "float16"), np.float32(1))
    with pytest.raises(TargetError, match=r"as it has f16, which with this TVM"):
        on_device(lambda x: x.astype("float16").astype("float32"), np.ones(4, "float32"))


@relay_only("Relax has TIR in its modules")
def test_kernels_that_tvm_would_compile_for_the_host_are_refused(monkeypatch):
    from tvm_hlo_frontend.backends.relay import devices

    # as if TVM had planned it for the host
    monkeypatch.setattr(devices.tvm.target.Target, "current", lambda allow_none=True: tvm.target.Target("llvm"))
    with pytest.raises(TargetError, match=r"in the kernel \w+, TVM compiles it for llvm"):
        on_device(jnp.tanh, np.ones(4, "float32"))


@relay_only("Relax has TIR in its modules")
def test_kernels_without_threads_are_no_code(monkeypatch):
    from tvm_hlo_frontend.backends.relay import devices

    monkeypatch.setattr(devices, "schedule_for_device", lambda function, target: function)
    with pytest.raises(TargetError, match=r"in the kernel \w+, it has no threads"):
        on_device(jnp.tanh, np.ones(4, "float32"))


@relay_only("Relax has TIR in its modules")
def test_kernels_that_tvm_schedules_itself_are_refused(monkeypatch):
    from tvm_hlo_frontend.backends.relay import devices

    monkeypatch.setattr(devices, "ScheduleFnDatabase", lambda found: tvm.meta_schedule.database.MemoryDatabase())
    with pytest.raises(TargetError, match=r"in the kernel \w+, TVM has made a schedule of its own"):
        on_device(lambda x: jax.lax.sort(x, dimension=1), np.ones((1, 4, 1), "float32"))
