"""The table: every operation with an XLA kernel and its case."""

from __future__ import annotations

import importlib

from .case import Case
from .generic import generic_case

FAMILIES = ("arrays", "control", "math", "nn", "quantized", "random", "resources", "xla")


def kernels() -> dict[str, list[dict[str, frozenset[int]]]]:
    """XLA's kernels by operation; XLA's own operations are registered by their Python module."""
    from tensorflow.compiler.tf2xla.python import xla  # noqa: F401

    from tvm_hlo_frontend.frameworks.tensorflow.unsupported import kernels as registered

    return registered()


def load_cases() -> dict[str, Case]:
    """Case of every operation with an XLA kernel, by operation."""
    registered = kernels()
    written: dict[str, Case] = {}
    for family in FAMILIES:
        for case in importlib.import_module(f".cases_{family}", __package__).cases():
            if case.op in written:
                raise ValueError(f"{case.op} has two cases")
            written[case.op] = case
    unknown = sorted(set(written) - set(registered))
    if unknown:
        raise ValueError(f"cases of operations without an XLA kernel: {', '.join(unknown)}")
    return {op: written.get(op) or generic_case(op, registered[op][0]) for op in sorted(registered)}
