"""Eigenvalues of general matrices and Schur forms: calls of the host's LAPACK (`host_lapack`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import te

from ...tensor_ir.compat import tir
from ..spec import HOST_PREFIX, KernelSpec
from ..table import KernelTable
from . import host_lapack

table = KernelTable()

Results = Sequence[tuple[tuple[int, ...], str]]


@table.kernel("geev", "extern", host_function=HOST_PREFIX + "geev")
def geev(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """a[B, n, n] -> eigenvalues[B, n] and the eigenvectors[B, n, n] that are wanted, all as real and imaginary parts,
    and info[B] (LAPACK geev). Parameters: ``left``, ``right``."""
    return _host_call(HOST_PREFIX + "geev", [spec.parameters["left"], spec.parameters["right"]], inputs, results)


@table.kernel("gees", "extern", host_function=HOST_PREFIX + "gees")
def gees(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """a[B, n, n] -> T[B, n, n], Z[B, n, n] if wanted, eigenvalues[B, n] as real and imaginary parts, and info[B]
    (LAPACK gees). Parameter: ``vectors``."""
    return _host_call(HOST_PREFIX + "gees", [spec.parameters["vectors"]], inputs, results)


def _host_call(function: str, flags: Sequence[bool], inputs: Sequence[Any], results: Results) -> list[Any]:
    """One call for the whole batch: (number of inputs, flags …, inputs …, results …)."""
    host_lapack.register()

    def body(ins: Sequence[Any], outs: Sequence[Any]) -> Any:
        return tir.call_packed(function, len(inputs), *(int(flag) for flag in flags), *ins, *outs)

    shapes, dtypes = [shape for shape, _ in results], [dtype for _, dtype in results]
    return list(te.extern(shapes, list(inputs), body, name="host_" + function.rpartition(".")[2], dtype=dtypes))
