"""Executables on memory of a framework: no copies where the executor can do without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..backends.base import RunBorrowed
from ..backends.select import backend
from ..errors import SignatureError
from .executable import Executable, run_of_arrays


@dataclass(frozen=True)
class Borrowing:
    """An executable for arrays of the DLPack protocol, as main takes and gives them (see `hlo.ir.storage`).

    Attributes
    ----------
    borrow : callable
        An array that is contiguous and begins at a multiple of `arguments.ALIGNMENT` bytes, to what `run` takes: on the
        same memory where the executor can do that.
    run : callable
        A list of what `borrow` gave for each of the inputs, to the list of results, none of which shares memory with
        anything else. Nothing is checked. Any number of threads may call it at the same time.
    """

    borrow: Callable[[Any], Any]
    run: RunBorrowed


def borrowing(executable: Executable) -> Borrowing:
    """An executable on borrowed memory.

    Raises
    ------
    SignatureError
        If sizes of the module are unknown until a call.
    """
    signature = executable.signature
    if signature.sizes or signature.cuts or signature.values:
        raise SignatureError("memory can be borrowed where all sizes are known")
    return Borrowing(backend().borrow, run_of_arrays(executable))
