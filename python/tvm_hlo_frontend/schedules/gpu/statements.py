"""Statements whose loops are final, as launches: a parallel loop has a thread for each of its trips, what stands
between such loops one thread alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from typing import Any

from ...tensor_ir.compat import dtype_of, is_call, tir
from ...tensor_ir.primitives import bits_of
from ...tensor_ir.trees import (
    AllocBuffer,
    Bind,
    DeclBuffer,
    Load,
    flattened,
    mapped,
    memory_of,
    nothing,
    sequence,
    source_of,
    walk,
)
from ..tensor_blocks.blocks import static
from .threads import launch

Place = Callable[[Any, Sequence[Any]], tuple[Any, list[Any]]]

# memory of a thread that stays with it; more is taken from the device's
LOCAL_BYTES = 1024
# how an address is read as a number
READ, WRITTEN = "tvm_struct_get", ("tvm_stack_alloca", "tvm_struct_set")


def launches_of(statement: Any) -> tuple[list[Any], list[Any]]:
    """Blocks that do what `statement` does, in order, and the buffers of the device that they share."""
    parts = flattened(without_addresses(statement))
    views, parts = with_one_name(parts)
    shared = [part.buffer for part in parts if isinstance(part, AllocBuffer)]
    parts = [part for part in parts if not isinstance(part, AllocBuffer)]
    segments = segments_of(parts)
    blocks = []
    for segment in segments:
        if is_parallel(segment):
            variable, count, body = segment.loop_var, int(segment.extent), segment.body
        else:
            variable, count, body = tir.Var("unit", "int32"), 1, segment
        body, own = with_memory(serial(body), variable, count)
        shared += own
        # views are of the whole function
        blocks.append(launch(count, variable, sequence([*views, body])))
    return blocks, shared


def with_one_name(parts: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Views of buffers, one each, and the other statements, which read and write those buffers through them alone:
    kernels of devices are compiled as if pointers never met."""
    views: dict[Any, Any] = {}
    chosen: dict[Any, Any] = {}
    for part in parts:
        if isinstance(part, DeclBuffer):
            (source,) = part.data.args
            first = views.setdefault(source, part)
            chosen[part.buffer] = chosen[source] = first.buffer

    def place(buffer: Any, indices: Sequence[Any]) -> tuple[Any, list[Any]]:
        flat, *rest = indices
        for index, size in zip(rest, list(buffer.shape)[1:]):
            flat = flat * size + index
        return chosen[buffer], [flat]

    if not views:
        return [], list(parts)
    others = [part for part in parts if not isinstance(part, DeclBuffer)]
    return list(views.values()), [with_places(part, chosen, place) for part in others]


def with_places(statement: Any, buffers: Container[Any], place: Place) -> Any:
    """`statement`, which reads and writes `buffers` at ``place(buffer, indices)``."""

    def load(node: Any) -> Any:
        source = source_of(node)
        return tir.BufferLoad(*place(source, node.indices)) if memory_of(source) in buffers else node

    def store(node: Any) -> Any:
        if memory_of(node.buffer) not in buffers:
            return node
        buffer, indices = place(node.buffer, node.indices)
        return tir.BufferStore(buffer, node.value, indices)

    return mapped(statement, [(Load, load), (tir.BufferStore, store)])


def segments_of(parts: Sequence[Any]) -> list[Any]:
    """`parts` in as many pieces as there are launches: one for all if a variable is read beyond the piece that binds
    it."""
    segments: list[list[Any]] = []
    for part in parts:
        if is_parallel(part) or not segments or is_parallel(segments[-1][-1]):
            segments.append([part])
        else:
            segments[-1].append(part)
    bound = [{part.var for part in segment if isinstance(part, Bind)} for segment in segments]
    made = [sequence(segment) for segment in segments]
    for number, statement in enumerate(made):
        others = set[Any]().union(*bound[:number])
        if others & variables_read(statement):
            return [sequence(parts)]
    return made


def is_parallel(statement: Any) -> bool:
    """Whether a statement is a loop whose trips may run side by side."""
    if not isinstance(statement, tir.For) or statement.kind != tir.ForKind.PARALLEL:
        return False
    return static(statement.min) == 0 and bool(static(statement.extent))


def variables_read(statement: Any) -> set[Any]:
    """All variables anywhere in a statement."""
    found: set[Any] = set()
    walk(statement, (tir.Var, found.add))
    return found


def serial(statement: Any) -> Any:
    """A statement whose loops run one trip after the other in the thread that meets them."""

    def loop(node: Any) -> Any:
        if node.kind not in (tir.ForKind.PARALLEL, tir.ForKind.VECTORIZED):
            return node
        return tir.For(node.loop_var, node.min, node.extent, tir.ForKind.SERIAL, node.body)

    return mapped(statement, (tir.For, loop))


def with_memory(statement: Any, variable: Any, count: int) -> tuple[Any, list[Any]]:
    """What one of `count` threads runs, with the memory that it allocates: small arrays are its own, of others it has
    the part `variable` of an array of the device, which are returned."""
    made: dict[Any, Any] = {}
    shared: list[Any] = []

    def allocation(node: Any) -> Any:
        buffer = node.buffer
        sizes = [int(size) for size in buffer.shape]
        bits = max(8, bits_of(dtype_of(buffer)))
        if math.prod(sizes) * bits // 8 <= LOCAL_BYTES:
            made[memory_of(buffer)] = tir.decl_buffer(sizes, dtype_of(buffer), buffer.name, scope="local")
            return AllocBuffer(made[memory_of(buffer)])
        made[memory_of(buffer)] = tir.decl_buffer([count, *sizes], dtype_of(buffer), buffer.name)
        shared.append(made[memory_of(buffer)])
        return nothing()

    statement = mapped(statement, (AllocBuffer, allocation))

    def place(buffer: Any, indices: Sequence[Any]) -> tuple[Any, list[Any]]:
        buffer = made[memory_of(buffer)]
        return buffer, [variable, *indices] if any(buffer.same_as(each) for each in shared) else list(indices)

    return with_places(statement, made, place), shared


def without_addresses(statement: Any) -> Any:
    """A statement that takes results for memory of their own, which those of devices are: it compares no addresses (see
    `tensor_ir.loops.Loops.apart`)."""

    def is_named(node: Any, *names: str) -> bool:
        return is_call(node) and str(getattr(node.op, "name", "")).endswith(names)

    def comparison(node: Any) -> Any:
        return tir.const(True, "bool") if is_named(node.a, READ) and is_named(node.b, READ) else node

    def written(node: Any) -> Any:
        return nothing() if is_named(node.value, *WRITTEN) else node

    return mapped(statement, [(tir.NE, comparison), ((Bind, tir.Evaluate), written)])
