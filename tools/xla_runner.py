"""HLO bytes on XLA:CPU through jaxlib's client: the yardstick for latencies and for calibrations."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class XlaProgram:
    """A compiled module and the device all its arguments live on."""

    executable: Any
    device: Any

    def put(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        """Device arrays, for arguments that stay the same over many runs."""
        import jax

        return [jax.device_put(np.asarray(array), self.device) for array in arrays]

    def run(self, arguments: Sequence[Any]) -> list[Any]:
        """Run on device arrays in HLO parameter order and wait; device arrays, a tuple root flattened."""
        results = self.executable.execute_sharded(list(arguments)).disassemble_into_single_device_arrays()
        return [shards[0].block_until_ready() for shards in results]

    def __call__(self, *arrays: np.ndarray) -> list[np.ndarray]:
        """numpy arrays in, numpy arrays out."""
        return [np.asarray(result) for result in self.run(self.put(arrays))]


@functools.cache
def _device() -> Any:
    import jax
    from jaxlib import lapack

    # XLA calls LAPACK through pointers that only this fills in
    lapack._lapack.initialize()
    return jax.devices("cpu")[0]


def compile_hlo(hlo: bytes) -> XlaProgram:
    """XlaProgram of a serialized, unoptimised HloModuleProto, with XLA's default options."""
    from jaxlib import _hlo, _jax, xla_client

    device = _device()
    mlir = _jax.mlir.xla_computation_to_mlir_module(_hlo.XlaComputation(hlo))
    executable = device.client.compile_and_load(mlir, xla_client.DeviceList((device,)), xla_client.CompileOptions())
    return XlaProgram(executable, device)
