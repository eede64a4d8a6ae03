"""Targets of `build`: what there is no code for is refused before anything is compiled."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
import tvm

import tvm_hlo_frontend
from tvm_hlo_frontend import TargetError, mod_and_params


@pytest.fixture(scope="module")
def converted():
    return mod_and_params(tvm_hlo_frontend.from_jax(lambda x: jnp.tanh(x) + 1, np.ones(4, "float32")))


@pytest.mark.parametrize("target", ["opencl", {"kind": "opencl"}, "metal", "ext_dev", tvm.target.Target("opencl")])
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
