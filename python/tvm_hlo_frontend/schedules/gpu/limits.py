"""What the kernels of a device must keep to, read off their launches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import tvm

from ...tensor_ir.compat import analyzer, dtype_of, tir
from ...tensor_ir.trees import Bind, BlockRealize, Call, Load, bind_range, buffers_of, source_of, walk
from ..tensor_blocks.blocks import static
from .words import name_of

# of a block, where a target does not say
MOST_THREADS = 1024
# of CUDA along x; OpenCL counts them in as many bits as an address has
MOST_BLOCKS = (1 << 31) - 1
# elements that 32 bits count
COUNTED = 1 << 31
SUMS = (tir.Add, tir.Sub, tir.Mul)
# what threads of a block do together
TOGETHER = frozenset({"tvm_storage_sync", "tvm_thread_allreduce", "tvm_warp_shuffle"})


def faults_of(function: Any, target: Any) -> list[str]:
    """Why a device would not run the launches of a function, or with other numbers than a CPU.

    More threads or blocks than there may be; threads that wait for each other or share memory, which no schedule here
    makes; subscripts of large arrays that are computed in 32 bits and do not fit.
    """
    most = int(target.attrs.get("max_num_threads", MOST_THREADS))
    faults = []
    for axis, extent in launched(function.body):
        limit = most if axis.startswith("threadIdx") else MOST_BLOCKS
        if extent > limit:
            faults.append(f"{axis} has {extent} trips, and there may be {limit}")
    if waits(function.body):
        faults.append("threads wait for each other or share memory")
    accesses = large_accesses(function.body)
    found = ranges(function) if accesses else (None, {})
    named = [buffer.name for buffer, index in accesses if exceeds_32_bits(flat(buffer, index), *found)]
    if named:
        faults.append(f"elements of {', '.join(dict.fromkeys(named))} are counted in 32 bits, and there are too many")
    return faults


def launched(body: Any) -> list[tuple[str, int]]:
    """Axes of all launches, with their extents."""
    found: list[tuple[str, int]] = []

    def loop(node: Any) -> None:
        if node.kind == tir.ForKind.THREAD_BINDING:
            found.append((str(node.thread_binding.thread_tag), static(node.extent) or 0))

    walk(body, (tir.For, loop))
    return found


def waits(body: Any) -> bool:
    """Whether threads of a block do something together."""
    found: list[Any] = []

    def call(node: Any) -> None:
        if name_of(node) in TOGETHER:
            found.append(node)

    walk(body, (Call, call))
    return bool(found) or any(buffer.scope().startswith("shared") for buffer in buffers_of(body))


def large_accesses(body: Any) -> list[tuple[Any, Any]]:
    """Accesses of arrays of more elements than 32 bits count: the array, and the subscripts."""
    found: list[tuple[Any, Any]] = []

    def access(buffer: Any, indices: Any) -> None:
        if math.prod(static(size) or 0 for size in buffer.shape) >= COUNTED:
            found.append((buffer, indices))

    def load(node: Any) -> None:
        access(source_of(node), node.indices)

    def store(node: Any) -> None:
        access(node.buffer, node.indices)

    walk(body, [(Load, load), (tir.BufferStore, store)])
    return found


def flat(buffer: Any, indices: Any) -> Any:
    """The number of an element, in the types in which TVM computes it."""
    number, *rest = indices
    for index, size in zip(rest, list(buffer.shape)[1:]):
        number = tir.Add(*promoted(tir.Mul(*promoted(number, size)), index))
    return number


def promoted(a: Any, b: Any) -> tuple[Any, Any]:
    """Two integers in the wider of their types."""
    wide = max(dtype_of(a), dtype_of(b), key=lambda dtype: int(dtype[3:]))
    cast_a, cast_b = (each if dtype_of(each) == wide else tir.Cast(wide, each) for each in (a, b))
    return cast_a, cast_b


def ranges(function: Any) -> tuple[Any, dict[Any, Any]]:
    """An analyzer that knows the ranges of all loops, and the values of the variables that have one."""
    known, values = analyzer(), dict[Any, Any]()

    def loop(node: Any) -> None:
        bind_range(known, node.loop_var, tvm.ir.Range.from_min_extent(node.min, node.extent))

    def bind(node: Any) -> None:
        values[node.var] = node.value
        if dtype_of(node.var).startswith("int"):
            bind_range(known, node.var, node.value)

    def block(node: Any) -> None:
        values.update({axis.var: value for axis, value in zip(node.block.iter_vars, node.iter_values)})
        for axis in node.block.iter_vars:
            bind_range(known, axis.var, axis.dom)

    walk(function.body, [(tir.For, loop), (BlockRealize, block)])
    # behind the loops, which bound them
    walk(function.body, (Bind, bind))
    return known, values


def exceeds_32_bits(index: Any, known: Any, values: dict[Any, Any]) -> bool:
    """Whether a subscript, or what it is computed from, may be a sum or product of 32 bits that has more."""
    for expression in computed_from(index, values):
        sums: list[Any] = []
        walk(expression, (SUMS, sums.append))
        for each in sums:
            bound = known.const_int_bound(each)
            if dtype_of(each) == "int32" and not -COUNTED <= bound.min_value <= bound.max_value < COUNTED:
                return True
    return False


def computed_from(index: Any, values: dict[Any, Any]) -> Iterator[Any]:
    """A subscript, and the values of the variables that it and those are computed from."""
    pending, seen = [index], set[Any]()
    while pending:
        expression = pending.pop()
        yield expression
        variables: list[Any] = []
        walk(expression, (tir.Var, variables.append))
        for variable in variables:
            if variable in values and variable not in seen:
                seen.add(variable)
                pending.append(values[variable])
