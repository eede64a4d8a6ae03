"""Targets of `build`: what there is no code for is refused before anything is compiled."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tvm

import tvm_hlo_frontend
from tests.support.dialect_marks import DIALECT, relax_only
from tvm_hlo_frontend import TargetError, mod_and_params
from tvm_hlo_frontend.deploy import targets


@pytest.fixture(scope="module")
def converted():
    return mod_and_params(tvm_hlo_frontend.from_jax(lambda x: jnp.tanh(x) + 1, np.ones(4, "float32")))


UNKNOWN = [
    "metal",
    {"kind": "metal"},
    "ext_dev",
    tvm.target.Target("metal"),
    *(["opencl"] if DIALECT == "relay" else []),
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


@relax_only("Relay has no schedules for devices")
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


@relax_only("Relay has no schedules for devices")
def test_every_instruction_that_calls_the_host_is_named_once():
    def function(x):
        return jax.lax.cond(x[0, 0] > 0, lambda x: jnp.linalg.eigvals(x), lambda x: jnp.linalg.eigvals(x + 1), x)

    with pytest.raises(TargetError) as raised:
        on_device(function, np.eye(3, dtype="float32"))
    named = re.findall(r"by %(\S+) \(custom-call\(tvm_hlo.geev\)\) in computation %(\S+?),? ", str(raised.value))
    assert len(named) == len(set(named)) == 2, raised.value


@relax_only("Relay has no schedules for devices")
def test_unknown_sizes_are_refused():
    symbol = jax.ShapeDtypeStruct(jax.export.symbolic_shape("n, 3"), "float32")
    with pytest.raises(TargetError, match="sizes that are known when it is called; `specialize` compiles"):
        on_device(lambda x: x + 1, symbol)


@relax_only("Relay has no schedules for devices")
@pytest.mark.skipif(tvm.cuda().exist, reason="there is a GPU")
def test_a_gpu_has_to_be_named_where_there_is_none():
    with pytest.raises(TargetError, match=r"'cuda' does not say for which GPU.*sm_80"):
        on_device(jnp.tanh, np.ones(4, "float32"), target="cuda")


@relax_only("Relay has no schedules for devices")
@pytest.mark.skipif(tvm.cuda().exist, reason="there is a GPU")
def test_a_machine_without_the_device_says_so():
    run = on_device(jnp.tanh, np.ones(4, "float32"), target={"kind": "cuda", "arch": "sm_80"})
    assert run.device == "cuda"
    with pytest.raises(TargetError, match="compiled for 'cuda', and this machine has no such device"):
        run(np.ones(4, "float32"))
