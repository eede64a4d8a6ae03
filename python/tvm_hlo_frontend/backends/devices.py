"""What both languages say and refuse of devices that are no CPU."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import tvm

from ..errors import TargetError
from .base import Compiled
from .signature import Signature, host_calls_of

# what the code of kernels with f64 says where the compiler of OpenCL has none
NO_DOUBLE = "Double precision floating point not supported"


def is_device(target: Any) -> bool:
    """Whether a target is no CPU."""
    return "cpu" not in target.keys


def reasons_of_sizes(signature: Signature) -> list[str]:
    """Why a module whose sizes are known when it is called has no code for a device."""
    if signature.sizes or any(isinstance(size, str) for each in signature.parameters for size in each.dimensions):
        return ["sizes that are known when it is called; `specialize` compiles for each shape"]
    return []


def reasons_of_host(functions: Collection[str], mod: Any) -> list[str]:
    """Why a module that calls functions of the host has no code for a device, with the instructions that call them."""
    callers: dict[str, list[str]] = {}
    for each in host_calls_of(mod):
        callers.setdefault(each.function, []).append(each.place)
    reasons = []
    for name in sorted(functions):
        by = "".join(f", by {place}" for place in callers.get(name, ()))
        reasons.append(f"a call of {name}, a function of the host{by}")
    return reasons


def refusal(reasons: Sequence[str], target: Any) -> TargetError:
    """The error for what a module has that there is no code of for a device."""
    return TargetError(
        f"this module cannot be compiled for '{target.kind.name}', as it has {'; '.join(reasons)}; build for "
        f"'llvm', by default the CPU of this machine"
    )


def refuse_faults(error: Exception, target: Any, reasons: Sequence[str]) -> None:
    """TargetError for an error that came of kernels that no device runs, for these reasons."""
    raise TargetError(f"this module cannot be compiled for '{target.kind.name}': {'; '.join(reasons)}") from error


def finished_code(code: str) -> str:
    """The text of OpenCL's kernels with truth values as bytes: they may not have pointers to bool."""
    return code.replace("__global bool*", "__global uchar*")


def refuse_double(error: Exception, compiled: Compiled, signature: Signature) -> None:
    """TargetError if an error is that of a device without f64: no runtime of TVM's tells before its compiler does."""
    if NO_DOUBLE not in str(error):
        return
    named = [each.name for each in signature.parameters if each.element_type in ("f64", "c128")]
    raise TargetError(
        f"this machine's device for '{compiled.device}' has no f64 (cl_khr_fp64), in which the module computes"
        f"{', with ' + ', '.join(named) if named else ''}; give the program 32-bit types, or build for 'llvm'"
    ) from error


def existing(kind: str) -> Any:
    """The device of a kind; TargetError if there is none."""
    device = tvm.device(kind)
    if not device.exist:
        raise TargetError(
            f"the module is compiled for '{kind}', and this machine has no such device that its TVM can use; run it "
            f"where there is one, or build for 'llvm'"
        )
    return device
