"""The table: every operation with an XLA kernel and its case."""

from __future__ import annotations

from . import (
    cases_arrays,
    cases_control,
    cases_math,
    cases_nn,
    cases_quantized,
    cases_random,
    cases_resources,
    cases_xla,
)
from .case import Case
from .generic import generic_case

MODULES = (
    cases_arrays,
    cases_control,
    cases_math,
    cases_nn,
    cases_quantized,
    cases_random,
    cases_resources,
    cases_xla,
)


def kernels() -> dict[str, list[dict[str, frozenset[int]]]]:
    """XLA's kernels by operation; XLA's own operations are registered by their Python module."""
    from tensorflow.compiler.tf2xla.python import xla  # noqa: F401

    from tvm_hlo_frontend.frameworks.tensorflow.unsupported import kernels as registered

    return registered()


def load_cases() -> dict[str, Case]:
    """Case of every operation with an XLA kernel, by operation."""
    registered = kernels()
    written: dict[str, Case] = {}
    for module in MODULES:
        for case in module.cases():
            if case.op in written:
                raise ValueError(f"{case.op} has two cases")
            written[case.op] = case
    unknown = sorted(set(written) - set(registered))
    if unknown:
        raise ValueError(f"cases of operations without an XLA kernel: {', '.join(unknown)}")
    return {op: written.get(op) or generic_case(op, registered[op][0]) for op in sorted(registered)}
