"""What both languages say and refuse of devices that are no CPU."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm

from ..errors import TargetError
from .base import Compiled, RunBorrowed, RunFlat
from .executors import pooled
from .results import flat_tensors
from .signature import Signature, host_calls_of

# what TVM asks for the text of OpenCL kernels before it is compiled
POSTPROCESS = "tvm_callback_opencl_postproc"
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


@dataclass(frozen=True)
class Arrays:
    """How a TVM makes its arrays.

    Attributes
    ----------
    kind : type
    of_numpy : callable
        ``of_numpy(array, device)`` copies an array there.
    of_dlpack : callable
        ``of_dlpack(array)`` is in the same memory.
    empty : callable
        ``empty(shape, dtype, device)``.
    """

    kind: type
    of_numpy: Callable[[np.ndarray, Any], Any]
    of_dlpack: Callable[[Any], Any]
    empty: Callable[[Any, str, Any], Any]

    def placed(self, device: Any, array: Any) -> Any:
        """One of them on a device: what is there already as it is, of numpy's a copy; TargetError if it is
        elsewhere."""
        if isinstance(array, np.ndarray):
            return self.of_numpy(array, device)
        tensor: Any = array if isinstance(array, self.kind) else self.of_dlpack(array)
        if tensor.device != device:
            raise TargetError(f"an argument is on {tensor.device}, and the module is compiled for {device}")
        return tensor

    def copied(self, tensor: Any) -> Any:
        """The same numbers in other memory of the same device."""
        return tensor.copyto(self.empty(tensor.shape, tensor.dtype, tensor.device))


def keeping(
    compiled: Compiled, signature: Signature, parallel: bool, arrays: Arrays, start: Callable[[Any], Callable[..., Any]]
) -> RunBorrowed:
    """Run on arrays of the device or of numpy, and leave results there, none of them in the memory of an argument.

    ``start(device)`` gives main, which takes arrays of the device and gives such, nested or not.
    """
    own = frozenset(compiled.own)

    def make() -> tuple[Callable[..., Any], Any]:
        device = existing(compiled.device)
        return start(device), device

    def run(executor: tuple[Callable[..., Any], Any], given: list[Any]) -> list[Any]:
        main, device = executor
        try:
            results = flat_tensors(main(*[arrays.placed(device, array) for array in given]))
        except Exception as error:
            refuse_double(error, compiled, signature)
            raise
        return [each if number in own else arrays.copied(each) for number, each in enumerate(results)]

    return pooled(make, run, parallel)


def copied_back(run: RunBorrowed) -> RunFlat:
    """`run_flat` of an Executable for a device, of what leaves results there."""
    return lambda given: [each.numpy() for each in run(given)]
