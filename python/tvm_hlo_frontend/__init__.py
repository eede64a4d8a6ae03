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

from typing import TYPE_CHECKING, Any

from .errors import (
    ConversionError,
    HloFrontendError,
    HloParseError,
    HloVerificationError,
    HostFunctionError,
    Refusal,
    RegistryError,
    SignatureError,
    UnknownDimensionsError,
    UnsupportedHloError,
    UnsupportedInstruction,
)
from .hooks import install
from .registry import converter, custom_call_converter

if TYPE_CHECKING:
    from .dialects import mod_and_params
    from .frameworks.jax import from_jax
    from .frameworks.lowered import LoweringError
    from .frameworks.pytorch import from_pytorch
    from .frameworks.stablehlo import from_stablehlo
    from .frameworks.tensorflow import from_tensorflow
    from .frontend import from_hlo
    from .report import report_of
    from .runtime import Executable, build
    from .signature import Signature, signature_of

__version__ = "0.1.0"
__all__ = [
    "ConversionError",
    "Executable",
    "HloFrontendError",
    "HloParseError",
    "HloVerificationError",
    "HostFunctionError",
    "LoweringError",
    "Refusal",
    "RegistryError",
    "Signature",
    "SignatureError",
    "UnknownDimensionsError",
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
    "Executable": "runtime",
    "LoweringError": "frameworks.lowered",
    "Signature": "signature",
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


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


install()
