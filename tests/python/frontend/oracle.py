"""Runs HLO on XLA:CPU in this process: the reference of the numeric tests.

XLA:CPU aborts the process on some faulty modules and on optimised CPU HLO; give it unoptimised, verified modules.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np


def _serialize(module: Any) -> bytes:
    if isinstance(module, (bytes, bytearray)):
        return bytes(module)
    if hasattr(module, "as_serialized_hlo_module_proto"):
        return module.as_serialized_hlo_module_proto()
    from tvm_hlo_frontend.hlo.writer import to_proto

    return to_proto(module)


@functools.cache
def _backend() -> tuple[Any, Any]:
    import jax
    from jaxlib import lapack, xla_client

    lapack._lapack.initialize()  # without it a lapack_* custom call is a segmentation fault
    device = jax.devices("cpu")[0]
    options = xla_client.CompileOptions()
    options.env_option_overrides = [("xla_allow_excess_precision", False)]
    return device, options


def compile_xla(module: Any) -> Any:
    """Loaded executable of an HloModule, a jaxlib XlaComputation or the bytes of a HloModuleProto."""
    from jaxlib import _hlo, _jax, xla_client

    device, options = _backend()
    mlir = _jax.mlir.xla_computation_to_mlir_module(_hlo.XlaComputation(_serialize(module)))
    return device.client.compile_and_load(mlir, xla_client.DeviceList((device,)), options)


def run_xla(module: Any, args: Any) -> list[np.ndarray]:
    """Results of the module on XLA:CPU, a tuple root flattened to its leaves.

    Parameters
    ----------
    module : HloModule, XlaComputation or bytes of a HloModuleProto
    args : sequence of arrays
        One per entry parameter, with exactly its dtype and shape.

    Returns
    -------
    list of numpy.ndarray
    """
    return execute(compile_xla(module), args)


def execute(executable: Any, args: Any) -> list[np.ndarray]:
    """Flat results of a loaded executable."""
    import jax

    device, _ = _backend()
    with jax.enable_x64(True):  # device_put narrows 64-bit arguments otherwise
        arrays = [jax.device_put(np.asarray(arg), device) for arg in args]
    results = executable.execute_sharded(arrays)
    return [np.asarray(shards[0]) for shards in results.disassemble_into_single_device_arrays()]
