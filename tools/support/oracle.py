"""Runs HLO on XLA:CPU in this process: the reference of the numeric tests.

XLA:CPU aborts the process on some faulty modules and on optimised CPU HLO; give it unoptimised, verified modules.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tvm_hlo_frontend.oracle import xla_cpu
from tvm_hlo_frontend.oracle.xla_cpu import serialized

__all__ = ["compile_xla", "execute", "run_xla", "serialized"]


def compile_xla(module: Any) -> xla_cpu.XlaProgram:
    """Program of an HloModule, a jaxlib XlaComputation or the bytes of a HloModuleProto; every result is rounded."""
    return xla_cpu.compile_xla(module, excess_precision=False)


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


def execute(program: xla_cpu.XlaProgram, args: Any) -> list[np.ndarray]:
    """Flat results of a compiled program."""
    return program(*args)
