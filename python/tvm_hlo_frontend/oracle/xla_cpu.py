"""HLO on XLA:CPU through jaxlib's client, in this process: what results and latencies are compared with.

XLA:CPU ends the whole process on some faulty modules and on optimised HLO; give it unoptimised, verified modules.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import XlaMissingError
from ..hlo.ir.module import HloModule
from ..hlo.proto.writer import to_proto


@dataclass(frozen=True)
class XlaProgram:
    """A compiled module and the device that all its arguments live on."""

    executable: Any
    device: Any

    def put(self, arrays: Sequence[Any]) -> list[Any]:
        """Device arrays of exactly the dtypes given, for arguments that stay the same over many runs."""
        import jax

        with jax.enable_x64(True):  # 64-bit arguments become 32-bit ones otherwise
            return [jax.device_put(np.asarray(array), self.device) for array in arrays]

    def run(self, arguments: Sequence[Any]) -> list[Any]:
        """Run on device arrays in HLO parameter order and wait; device arrays, a tuple root flattened."""
        results = self.executable.execute_sharded(list(arguments)).disassemble_into_single_device_arrays()
        return [shards[0].block_until_ready() for shards in results]

    def __call__(self, *arrays: Any) -> list[np.ndarray]:
        """numpy arrays in, numpy arrays out."""
        return [np.asarray(result) for result in self.run(self.put(arrays))]


def compile_xla(module: Any, *, excess_precision: bool = True, optimized: bool = True) -> XlaProgram:
    """Compile a module with XLA's own options.

    Parameters
    ----------
    module : HloModule, XlaComputation or bytes of a HloModuleProto
        Unoptimised.
    excess_precision : bool
        XLA's default lets narrow floats keep the precision of wider ones between instructions; False rounds every
        result as HLO says.
    optimized : bool
        False compiles in about half the time, without LLVM's optimizations.

    Returns
    -------
    XlaProgram

    Raises
    ------
    XlaMissingError
        If jax or a jaxlib of the right age is missing.
    """
    device = _cpu()
    try:
        from jaxlib import _hlo, _jax, xla_client  # type: ignore[attr-defined]
    except ImportError as error:
        raise XlaMissingError(f"this jaxlib does not offer XLA's client as jaxlib 0.10 does: {error}") from error
    options = xla_client.CompileOptions()
    overrides: list[tuple[str, Any]] = [] if excess_precision else [("xla_allow_excess_precision", False)]
    if not optimized:
        overrides.append(("xla_backend_optimization_level", 0))
    options.env_option_overrides = overrides
    mlir = _jax.mlir.xla_computation_to_mlir_module(_hlo.XlaComputation(serialized(module)))
    executable = device.client.compile_and_load(mlir, xla_client.DeviceList((device,)), options)
    return XlaProgram(executable, device)


def serialized(module: Any) -> bytes:
    """Bytes of the HloModuleProto of an HloModule, a jaxlib XlaComputation or such bytes themselves."""
    if isinstance(module, HloModule):
        return to_proto(module)
    if hasattr(module, "as_serialized_hlo_module_proto"):
        return module.as_serialized_hlo_module_proto()
    return bytes(module)


@functools.cache
def _cpu() -> Any:
    try:
        import jax
        from jaxlib import lapack
    except ImportError as error:
        raise XlaMissingError(f"XLA:CPU needs jax and jaxlib: pip install jax ({error})") from error
    # XLA calls LAPACK through pointers that only this fills in; without them it ends the process
    lapack._lapack.initialize()
    try:
        return jax.devices("cpu")[0]
    except RuntimeError as error:
        raise XlaMissingError(f"JAX has no CPU here, name it in JAX_PLATFORMS: {error}") from error
