"""A program as a test that one can paste."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tvm_hlo_frontend.hlo.ir.module import HloModule
from tvm_hlo_frontend.hlo.text.printer import to_text

_TEST = '''\
def test_random_program():
    text = """
{text}"""
    arguments = [
{arguments}
    ]
    check(hlo_module_from_text(text).as_serialized_hlo_module_proto(), arguments{plain})
'''
_PLAIN = {"graph": ", plain=True", "vm": ', plain="vm"', "rewrites": ")  # the rewritten module on XLA"}


def test_of(module: HloModule, arguments: Sequence[np.ndarray], road: str) -> str:
    """Source of a test of a module on a road; what large arrays hold is left to a generator."""
    lines = "\n".join(f"        {array_text(np.asarray(array))}," for array in arguments)
    return _TEST.format(text=to_text(module), arguments=lines, plain=_PLAIN.get(road, ""))


def array_text(array: np.ndarray) -> str:
    """An array as an expression of numpy."""
    name = array.dtype.name
    dtype = f"ml_dtypes.{name}" if array.dtype.kind == "V" or name.startswith(("bfloat", "float8", "float4")) else name
    if dtype == name:
        dtype = f"np.{'bool_' if name == 'bool' else name}"
    numbers = array.astype(np.float64) if array.dtype.kind == "V" else array
    return f"np.array({_list(numbers)}, {dtype}).reshape({array.shape})"


def _list(array: np.ndarray) -> str:
    return str(array.ravel().tolist()).replace("nan", "np.nan").replace("inf", "np.inf")
