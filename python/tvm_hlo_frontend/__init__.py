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

from .deprecated import install_old_names
from .errors import (
    CheckError,
    ConversionError,
    HloFrontendError,
    HloLimitError,
    HloParseError,
    HloVerificationError,
    HostFunctionError,
    LoweringError,
    Refusal,
    RegistryError,
    SignatureError,
    TargetError,
    UnknownDimensionsError,
    UnsupportedHloError,
    UnsupportedInstruction,
)
from .frameworks.hooks import install

if TYPE_CHECKING:
    from .backends.select import mod_and_params
    from .backends.signature import Signature, signature_of
    from .convert.report import report_of
    from .convert.table import converter, custom_call_converter
    from .deploy.build_cache import BuildCache
    from .deploy.executable import Executable, build
    from .deploy.specialized import SpecializedExecutable, load_specialized, specialize
    from .frameworks.jax import from_jax
    from .frameworks.pytorch import from_pytorch
    from .frameworks.stablehlo import from_stablehlo
    from .frameworks.tensorflow import from_tensorflow
    from .frontend import from_hlo
    from .hlo.limits import Limits
    from .oracle.check import Check
    from .oracle.compare import ComparisonReport, compare

__all__ = [
    "BuildCache",
    "Check",
    "CheckError",
    "ComparisonReport",
    "ConversionError",
    "Executable",
    "HloFrontendError",
    "HloLimitError",
    "HloParseError",
    "HloVerificationError",
    "HostFunctionError",
    "Limits",
    "LoweringError",
    "Refusal",
    "RegistryError",
    "Signature",
    "SignatureError",
    "SpecializedExecutable",
    "TargetError",
    "UnknownDimensionsError",
    "UnsupportedHloError",
    "UnsupportedInstruction",
    "build",
    "compare",
    "converter",
    "custom_call_converter",
    "from_hlo",
    "from_jax",
    "from_pytorch",
    "from_stablehlo",
    "from_tensorflow",
    "load_specialized",
    "mod_and_params",
    "report_of",
    "signature_of",
    "specialize",
]

# name -> module; imported on first use, so that `hlo/` and the command line start without TVM
_LAZY = {
    "BuildCache": "deploy.build_cache",
    "Executable": "deploy.executable",
    "Signature": "backends.signature",
    "SpecializedExecutable": "deploy.specialized",
    "build": "deploy.executable",
    "Check": "oracle.check",
    "ComparisonReport": "oracle.compare",
    "Limits": "hlo.limits",
    "compare": "oracle.compare",
    "converter": "convert.table",
    "custom_call_converter": "convert.table",
    "from_hlo": "frontend",
    "from_jax": "frameworks.jax",
    "from_pytorch": "frameworks.pytorch",
    "from_stablehlo": "frameworks.stablehlo",
    "from_tensorflow": "frameworks.tensorflow",
    "load_specialized": "deploy.specialized",
    "mod_and_params": "backends.select",
    "report_of": "convert.report",
    "signature_of": "backends.signature",
    "specialize": "deploy.specialized",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LAZY[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, "__version__"})


install()
install_old_names()
