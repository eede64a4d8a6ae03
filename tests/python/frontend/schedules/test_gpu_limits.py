"""What devices cannot run is refused with the kernel's name, and kernels of every kind keep to it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tvm
from jax import lax

from tests.support.devices import device_code, function_of
from tests.support.dialect_marks import relax_only, relay_only
from tests.support.programs import PROGRAMS, f32
from tvm_hlo_frontend import TargetError, build, from_jax, mod_and_params
from tvm_hlo_frontend.schedules.gpu import faults_of, schedule_for_device
from tvm_hlo_frontend.schedules.gpu.threads import launch
from tvm_hlo_frontend.tensor_ir.compat import call_intrinsic, dtype_of, tir
from tvm_hlo_frontend.tensor_ir.trees import AllocBuffer, Bind, sequence

TARGET = tvm.target.Target("opencl")
LARGE = jax.ShapeDtypeStruct((1 << 16, 1 << 16), "float32")


def compiled(function, *arrays):
    """The code of a program, whose arrays need not be there."""
    return device_code(build(*mod_and_params(from_jax(function, *arrays)), target="opencl"))


def loop(variable, extent, body, axis):
    thread = tir.IterVar(None, tir.Var(axis, dtype_of(variable)), 1, axis)
    extent = tir.const(extent, dtype_of(variable))
    return tir.For(variable, tir.const(0, dtype_of(variable)), extent, tir.ForKind.THREAD_BINDING, body, thread)


X = tir.decl_buffer((1 << 20,), "float32", "x")
UNIT = tir.Var("unit", "int32")
STORE = tir.BufferStore(X, tir.const(1.0, "float32"), [UNIT])
FAULTS = {
    "threadIdx.x has 2048 trips, and there may be 256": loop(UNIT, 2048, STORE, "threadIdx.x"),
    f"blockIdx.x has {1 << 31} trips": loop(tir.Var("b", "int64"), 1 << 31, STORE, "blockIdx.x"),
    "threads wait for each other": launch(
        4, UNIT, tir.SeqStmt([tir.Evaluate(call_intrinsic("int32", "tvm_storage_sync", "shared")), STORE])
    ),
    "or share memory": launch(
        4, UNIT, sequence([AllocBuffer(tir.decl_buffer((4,), "float32", "s", scope="shared")), STORE])
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_no_device_runs_is_a_fault(fault):
    (found,) = faults_of(function_of(FAULTS[fault], X), TARGET)
    assert fault in found


def stored(index, size=1 << 32, dtype="int64"):
    buffer = tir.decl_buffer((tir.const(size, dtype),), "float32", "y")
    return function_of(launch(1 << 16, UNIT, tir.BufferStore(buffer, tir.const(1.0, "float32"), [index])), buffer)


def test_subscripts_that_have_no_32_bits_are_a_fault():
    wide = tir.Cast("int64", UNIT)
    assert faults_of(stored(UNIT * 70000 + 1), TARGET) == [
        "elements of y are counted in 32 bits, and there are too many"
    ]
    assert faults_of(stored(tir.Cast("int64", UNIT * 70000)), TARGET)
    assert not faults_of(stored(wide * tir.const(70000, "int64")), TARGET)
    assert not faults_of(stored(UNIT * 30000), TARGET)
    assert not faults_of(stored(UNIT * 70000, 1 << 20, "int32"), TARGET)  # what the subscripts of small arrays may be


def test_values_that_subscripts_are_computed_from_count_as_well():
    value = tir.Var("row", "int32")
    large = tir.decl_buffer((tir.const(1 << 32, "int64"),), "float32", "y")
    body = tir.BufferStore(large, tir.const(1.0, "float32"), [tir.Cast("int64", value)])
    for factor, count in ((70000, 1), (3, 0)):
        statement = sequence([Bind(value, UNIT * factor), body])
        assert len(faults_of(function_of(launch(1 << 16, UNIT, statement), large), TARGET)) == count


@relax_only("Relay's modules have no PrimFuncs; their builds, of the same programs, check them")
@pytest.mark.parametrize("name", PROGRAMS)
def test_kernels_of_every_kind_keep_to_what_devices_run(name):
    mod, _ = mod_and_params(from_jax(*PROGRAMS[name]))
    for _, function in mod.functions_items():
        if isinstance(function, tir.PrimFunc):
            assert faults_of(schedule_for_device(function, TARGET), TARGET) == []


def test_every_build_holds_kernels_to_the_limits_of_the_target():
    mod, params = mod_and_params(from_jax(jnp.tanh, f32(40)))
    with pytest.raises(TargetError, match=r"in the kernel \w+, threadIdx.x has 40 trips, and there may be 16"):
        build(mod, params, target={"kind": "opencl", "max_num_threads": 16})


WIDE = {
    "each element": lambda x: jnp.tanh(x).T + 1,
    "movement": lambda x: jnp.concatenate([jnp.pad(x, ((1, 1), (0, 0))), x]),
    "softmax": lambda x: jax.nn.softmax(x, -1),
    "sums of rows": lambda x: x.sum(1),
    "gather": lambda x: x[jnp.array([5, 1 << 15])],
}
REFUSED = {
    "a fold": (lambda x: jnp.argmax(x, 1), "in the kernel fold, elements of x0 are counted in 32 bits"),
    "a sort": (lambda x: jnp.sort(x, 1), "arrays of 2\\^31 elements and more, which these take: .*sort"),
    "a product": (lambda x: x @ x, "arrays of 2\\^31 elements and more, which these take: .*dot"),
    "transforms": (jnp.fft.rfft, "in the kernel fft, elements of x0, .* are counted in 32 bits"),
    "a body": (
        lambda x: lax.reduce(x, np.float32(1), lambda a, b: a * np.float32(0.5) + b, (1,)),
        "in the kernel fold, elements of x0",
    ),
}


@relax_only("Relay's kernels count in 32 bits")
@pytest.mark.parametrize("name", WIDE)
def test_arrays_of_more_than_32_bits_have_wide_subscripts(name):
    text = compiled(WIDE[name], LARGE)
    assert "convert_long(get_group_id(0))" in text or "convert_long(get_local_id(0))" in text


@relay_only("Relax's kernels count in 64 bits where each element has a thread")
@pytest.mark.parametrize("name", [*WIDE, *REFUSED])
def test_large_arrays_are_refused(name):
    function = WIDE[name] if name in WIDE else REFUSED[name][0]
    with pytest.raises(TargetError, match=r"for 'opencl', as it has arrays of 2\^31 elements and more: .*65536, 65536"):
        compiled(function, LARGE)


@relax_only("Relay refuses the arrays")
@pytest.mark.parametrize("name", REFUSED)
def test_kernels_that_count_large_arrays_in_32_bits_are_refused(name):
    function, reason = REFUSED[name]
    with pytest.raises(TargetError, match=rf"cannot be compiled for 'opencl': .*{reason}"):
        compiled(function, LARGE)
