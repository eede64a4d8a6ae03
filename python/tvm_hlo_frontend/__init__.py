"""XLA HLO to TVM: whatever lowers to HLO runs in TVM, with XLA's numbers.

>>> from tvm import relay
>>> import tvm_hlo_frontend
>>> mod, params = relay.frontend.from_hlo(proto)

or with today's TVM

>>> from tvm import relax
>>> import tvm_hlo_frontend
>>> mod = relax.frontend.from_hlo(proto)
"""

from __future__ import annotations

from typing import Any

from .errors import (
    ConversionError,
    HloFrontendError,
    HloParseError,
    HloVerificationError,
    HostFunctionError,
    RegistryError,
    SignatureError,
    UnsupportedHloError,
    UnsupportedInstruction,
)
from .hooks import install
from .registry import converter, custom_call_converter

__version__ = "0.1.0"
__all__ = [
    "ConversionError",
    "HloFrontendError",
    "HloParseError",
    "HloVerificationError",
    "HostFunctionError",
    "RegistryError",
    "SignatureError",
    "UnsupportedHloError",
    "UnsupportedInstruction",
    "build",
    "converter",
    "custom_call_converter",
    "from_hlo",
    "from_jax",
    "from_pytorch",
    "from_stablehlo",
    "from_tensorflow",
    "mod_and_params",
    "report_of",
    "signature_of",
]

# name -> module; imported on first use, so that `hlo/` and the command line start without TVM
_LAZY = {
    "from_hlo": "frontend",
    "mod_and_params": "dialects",
    "build": "runtime",
    "report_of": "report",
    "signature_of": "signature",
    "from_jax": "frameworks.jax",
    "from_pytorch": "frameworks.pytorch",
    "from_stablehlo": "frameworks.stablehlo",
    "from_tensorflow": "frameworks.tensorflow",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LAZY[name]}", __name__), name)


install()
