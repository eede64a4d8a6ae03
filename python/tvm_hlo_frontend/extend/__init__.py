"""What extensions import, and all that they need: converters and kernels of one's own.

These names are stable: docs/stable.md says what that means. Importing this module imports no TVM; `kernel`, `tir` and
`dtype_of` do when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backends.base import Dialect
from ..backends.values import Tensor, Token, Value
from ..convert.context import ConversionContext
from ..convert.table import converter, custom_call_converter
from ..errors import RegistryError, UnsupportedInstruction
from ..hlo.ir.module import HloComputation, HloInstruction, HloModule
from ..hlo.ir.shape import Shape
from ..kernels.spec import KernelSpec

if TYPE_CHECKING:
    from ..kernels.library import kernel
    from ..tensor_ir.compat import dtype_of, tir

__all__ = [
    "ConversionContext",
    "Dialect",
    "HloComputation",
    "HloInstruction",
    "HloModule",
    "KernelSpec",
    "RegistryError",
    "Shape",
    "Tensor",
    "Token",
    "UnsupportedInstruction",
    "Value",
    "converter",
    "custom_call_converter",
    "dtype_of",
    "kernel",
    "tir",
]

# name -> module; these import TVM
_LAZY = {"dtype_of": "tensor_ir.compat", "kernel": "kernels.library", "tir": "tensor_ir.compat"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"..{_LAZY[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
