"""Relax modules on devices that are no CPU."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import tvm
import tvm_ffi
from tvm import relax
from tvm.ir import Call
from tvm.tirx.compilation_pipeline import PIPELINE_MAP, get_default_tir_pipeline, register_tir_pipeline

from ...errors import TargetError
from ...schedules.gpu import COUNTED
from ...schedules.gpu.half import half_in_words, with_functions
from ...tensor_ir.compat import is_buffer, tir
from ..base import Compiled, RunBorrowed
from ..devices import (
    POSTPROCESS,
    Arrays,
    finished_code,
    is_device,
    keeping,
    reasons_of_host,
    reasons_of_sizes,
    refusal,
    refuse_faults,
)
from ..signature import Signature

ARRAYS = Arrays(tvm.runtime.Tensor, tvm.runtime.tensor, tvm.runtime.from_dlpack, tvm.runtime.empty)
# a pipeline of TVM's with a pass of this package
WITHOUT_HALF = "hlo_without_half"
# what TVM takes where it finds no GPU; CUDA's compilers of today do not know it
OLDEST_ARCHITECTURE = "sm_50"
# TVM has fast math, whose divisions, roots and denormals are inexact, turned off in nvcc alone
EXACT_CUDA = {"TVM_CUDA_COMPILE_MODE": "nvcc", "TVM_CUDA_NVCC_NO_FAST_MATH": "1"}
LONGEST_NAME = 100
# options of targets with several values
LISTS = ("keys", "mattr")
# functions of TVM's virtual machine, which run on the host for every device
OF_MACHINE = "vm.builtin."


def parsed_target(target: Any) -> Any:
    """tvm.target.Target of what users write, also of TVM 0.17's ``llvm -mcpu=…``, which today's TVM refuses; that of a
    device has a host.

    Raises
    ------
    TargetError
        If it does not say for which GPU, and there is none here.
    """
    if isinstance(target, str) and not target.startswith("{") and target.split()[1:]:
        kind, *options = target.split()
        attributes = dict(option.lstrip("-").split("=", 1) for option in options)
        target = {"kind": kind, **{name: option_value(name, text) for name, text in attributes.items()}}
    parsed = tvm.target.Target(target)
    if parsed.kind.name == "cuda" and parsed.attrs.get("arch") == OLDEST_ARCHITECTURE:
        raise TargetError(
            "target 'cuda' does not say for which GPU, and there is none here: build with target={'kind': 'cuda', "
            "'arch': 'sm_80'} or another architecture"
        )
    return parsed.with_host("llvm") if is_device(parsed) and parsed.host is None else parsed


def option_value(name: str, text: str) -> Any:
    """Value of an option of a target, in the type that today's TVM wants."""
    if name in LISTS:
        return text.split(",")
    return int(text) if text.isdecimal() else text


def refuse_for_device(mod: Any, signature: Signature, target: Any) -> None:
    """TargetError for what there is no code of for a device; it names every part that is refused."""
    reasons = reasons_of_sizes(signature)
    functions = {str(name) for _, function in mod.functions_items() for name in functions_of_host(function)}
    reasons += reasons_of_host(functions, mod)
    if reasons:
        raise refusal(reasons, target)


def refuse_kernels(error: Exception, mod: Any, target: Any, faults: Sequence[str]) -> None:
    """TargetError for an error that came of kernels that no device runs, or of arrays whose elements TVM does not
    count: kernels with statements count in 32 bits."""
    large = sorted(str(name.name_hint) for name, each in mod.functions_items() if is_large(each))
    if not faults and not large:
        return
    reasons = faults or [f"TVM fails on arrays of 2^31 elements and more, which these take: {', '.join(large)}"]
    refuse_faults(error, target, reasons)


def is_large(function: Any) -> bool:
    """Whether there is an array among what a function takes or computes of more elements than 32 bits count."""
    shapes: list[Any] = []
    if isinstance(function, tir.PrimFunc):
        shapes = [each.shape for each in function.params if is_buffer(each)]
    else:
        tvm_ffi.structural_walk(function, (relax.ShapeExpr, lambda shape: shapes.append(shape.values)))
    sizes = [[int(size) for size in shape if isinstance(size, tir.IntImm)] for shape in shapes]
    return any(math.prod(each) >= COUNTED for each in sizes)


def functions_of_host(function: Any) -> set[str]:
    """Names of the functions of the host that a function calls, those of the virtual machine aside."""
    found: set[str] = set()

    def packed(call: Any) -> None:
        if str(getattr(call.op, "name", "")).endswith("tvm_call_packed"):
            found.add(str(call.args[0].value))

    def called(name: Any) -> None:
        if not str(name.global_symbol).startswith(OF_MACHINE):
            found.add(str(name.global_symbol))

    tvm_ffi.structural_walk(
        function.body, (Call, packed) if isinstance(function, tir.PrimFunc) else (relax.ExternFunc, called)
    )
    return found


@contextlib.contextmanager
def exact_code(target: Any) -> Iterator[None]:
    """While this is open, TVM compiles kernels without fast math, and those of OpenCL take truth values as bytes: they
    may not have pointers to bool."""
    if not is_device(target):
        yield
        return
    if target.kind.name == "cuda":
        before = {name: os.environ[name] for name in EXACT_CUDA if name in os.environ}
        os.environ.update(EXACT_CUDA)
        try:
            yield
        finally:
            for name in EXACT_CUDA:
                del os.environ[name]
            os.environ.update(before)
        return
    tvm_ffi.register_global_func(POSTPROCESS, _finished_code, override=True)
    try:
        yield
    finally:
        tvm_ffi.registry.remove_global_func(POSTPROCESS)


def _finished_code(code: str, target: Any) -> str:
    return with_functions(finished_code(code))


@contextlib.contextmanager
def lowering(target: Any) -> Iterator[str]:
    """Name of the pipeline that lowers PrimFuncs while this is open: TVM's own, and for OpenCL without f16, which its
    devices need not have."""
    if target.kind.name != "opencl":
        yield "default"
        return

    def made() -> tuple[Any, Any, Any]:
        lower, of_host, of_device = get_default_tir_pipeline(target)
        return lower, of_host, lambda: tvm.transform.Sequential([of_device(), half_in_words])

    register_tir_pipeline(WITHOUT_HALF, made)
    try:
        yield WITHOUT_HALF
    finally:
        del PIPELINE_MAP[WITHOUT_HALF]


@tvm.transform.module_pass(opt_level=0, name="hlo.ShortNames")
def short_names(mod: Any, context: Any) -> Any:
    """Give functions of TIR with long names, as fused ones have, other ones: kernels are called alike, and compilers
    make files of those names."""
    builder, made = relax.BlockBuilder(), dict[str, Any]()
    for variable, function in mod.functions_items():
        name = variable.name_hint
        if isinstance(function, tir.PrimFunc) and len(name) > LONGEST_NAME:
            made[name] = builder.add_func(function, f"{name[:LONGEST_NAME]}_long{len(made)}")
    if not made:
        return mod

    def renamed(variable: Any) -> Any:
        return made.get(variable.name_hint, variable)

    functions = {
        renamed(variable): tvm_ffi.structural_map(function, (tvm.ir.GlobalVar, renamed))
        for variable, function in mod.functions_items()
    }
    return tvm.IRModule(functions, attrs=mod.attrs)


def run_kept(compiled: Compiled, signature: Signature, parallel: bool) -> RunBorrowed:
    """Run on arrays of the device or of numpy, and leave results there, see `keeping`."""
    return keeping(
        compiled, signature, parallel, ARRAYS, lambda device: relax.VirtualMachine(compiled.library, device)["main"]
    )
