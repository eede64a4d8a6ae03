"""An array program as statements."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from ...analysis.array_program import ArrayNode, ArrayProgram
from ...analysis.emission_order import emission_order
from ...tensor_ir.compat import tir
from . import convolutions, elements, folds, indexing, products, sorting, sums, windows
from .value import Memory, Storage, Value, number, ravel, without_memory

# operations of one expression; beyond, its parts are stored
MAX_COST = 24

Emit = Callable[["Frame", ArrayNode, list[Value]], Value]


class Frame:
    """One run of a program: its values, and how often each is still needed."""

    def __init__(self, storage: Storage, captured: Sequence[Value], program: ArrayProgram) -> None:
        self.storage, self.captured, self.program = storage, captured, program
        self.values: dict[int, Value] = {}
        self.several: dict[int, list[Value]] = {}
        self.uses = Counter(program.results)
        for node in program.nodes:
            self.uses.update(node.operands)

    def run(self, parameters: Sequence[Value]) -> list[Value]:
        """The program's results for its parameters."""
        for index in emission_order(self.program):
            node = self.program.nodes[index]
            operands = [self.values[operand] for operand in node.operands if operand in self.values]
            self.uses.subtract(node.operands)
            if node.opcode == "parameter":
                self.values[index] = parameters[node.attributes[0]]
            elif not node.element_type:
                self.several[index] = SEVERAL[node.opcode](self, node, operands)
            elif node.opcode == "part":
                self.values[index] = self.several[node.operands[0]][node.attributes[0]]
            else:
                self.values[index] = self._kept(index, NODES[node.opcode](self, node, operands))
        return [self.values[index] for index in self.program.results]

    def _kept(self, index: int, value: Value) -> Value:
        """The value, stored now if it is a number, is needed twice or is long."""
        again = self.uses[index] > 1 and value.cost > self.storage.recomputed
        if value.cost and (not value.dimensions or again or value.cost > MAX_COST):
            return self.storage.stored(value)
        return value

    def run_inside(self, program: ArrayProgram, parameters: Sequence[Value]) -> list[Value]:
        """Results of a program within this one."""
        return Frame(self.storage, self.captured, program).run(parameters)

    def claim(self, value: Value, element_type: str) -> Memory:
        """Memory with the elements of `value`, which is not needed any more, to write on: all others that read it are
        stored before."""
        memory = value.memory
        if memory is None:
            memory = self.storage.new(value.size, element_type)
            self.storage.fill(memory, value)
            return memory
        for index, other in self.values.items():
            if self.uses[index] > 0 and memory.number in other.reads:
                self.values[index] = self.storage.stored(other)
        for index, parts in self.several.items():
            for part, other in enumerate(parts):
                if self.uses[index] > 0 and memory.number in other.reads:
                    parts[part] = self.storage.stored(other)
        return memory


def _update(frame: Frame, node: ArrayNode, operands: list[Value]) -> Value:
    """dynamic-update-slice: in the memory of the operand."""
    x, update, *starts = operands
    first = elements.clamped_starts(frame.storage, starts, node.dimensions, update.dimensions)
    if x.memory is not None and x.memory.number in update.reads:
        update = frame.storage.stored(update)
    memory = frame.claim(x, node.element_type)
    for index in frame.storage.indices(update.dimensions):
        place = ravel([start + i for start, i in zip(first, index)], node.dimensions)
        memory.store(place, update.at(index))
    return frame.storage.whole(memory, node.element_type, node.dimensions)


def _scatter(frame: Frame, node: ArrayNode, operands: list[Value]) -> Value:
    """scatter: in the memory of the operand."""
    x, *rest = (frame.storage.loaded(operand) for operand in operands)
    if x.memory is not None:
        rest = [frame.storage.stored(each) if x.memory.number in each.reads else each for each in rest]
    memory = frame.claim(x, node.element_type)
    indexing.scatter_into(frame.storage, node, memory, *rest)
    return frame.storage.whole(memory, node.element_type, node.dimensions)


def _loop(frame: Frame, node: ArrayNode, operands: list[Value]) -> list[Value]:
    """while, within a program: in the memory of the operands that nobody needs any more."""
    condition, body = node.programs
    changed = body.changed_leaves
    given = [frame.storage.loaded(x) for x in operands]
    taken: set[int] = set()
    memories: dict[int, Memory] = {}
    for leaf in changed:
        x = given[leaf]
        needed = frame.uses[node.operands[leaf]] > 0 or (x.memory is not None and x.memory.number in taken)
        memories[leaf] = frame.claim(without_memory(x) if needed else x, x.element_type)
        taken.add(memories[leaf].number)
    for leaf, x in enumerate(given):
        if leaf not in memories:
            given[leaf] = without_memory(frame.storage.stored(x) if x.reads & taken else x)
    run_loop(frame, condition, body, given, memories)
    return [final_value(frame.storage, memories[leaf], x) if leaf in memories else x for leaf, x in enumerate(given)]


def final_value(storage: Storage, memory: Memory, like: Value | ArrayNode) -> Value:
    """What a memory holds now, in the type and dimensions of another value."""
    if not like.dimensions:
        return storage.scalar(like.element_type, memory.load(0, like.element_type))
    return storage.whole(memory, like.element_type, like.dimensions)


def run_loop(
    frame: Frame, condition: ArrayProgram, body: ArrayProgram, given: Sequence[Value], memories: dict[int, Memory]
) -> None:
    """Trips on `memories`, which hold the leaves that change; `given` are all leaves at the start (rule 78)."""
    storage, loops = frame.storage, frame.storage.loops
    going = loops.scratch(1, "int32", "going")

    def state(owned: bool) -> list[Value]:
        values = []
        for leaf, x in enumerate(given):
            if leaf in memories and not x.dimensions:
                (now,) = loops.values([memories[leaf].load(0, x.element_type)], "state")
                values.append(number(x.element_type, now))
            elif leaf in memories:
                values.append(storage.whole(memories[leaf], x.element_type, x.dimensions, owned))
            else:
                values.append(x)
        return values

    def look() -> None:
        (answer,) = frame.run_inside(condition, state(False))
        going[0] = answer.scalar().astype("int32")

    look()
    with loops.repeat(going[0] != 0):
        results = frame.run_inside(body, state(True))
        _store_state(storage, {leaf: results[leaf] for leaf in memories}, memories)
        look()


def _store_state(storage: Storage, results: dict[int, Value], memories: dict[int, Memory]) -> None:
    """Put results into the memories of their leaves, some of which they may be computed from."""
    pending = {leaf: x for leaf, x in results.items() if x.memory is None or x.memory.number != memories[leaf].number}
    written = {memories[leaf].number for leaf in pending}
    for leaf, x in pending.items():
        own = {memories[leaf].number}
        if (x.reads & written) - own or x.moved & own:
            pending[leaf] = storage.stored(x)
    for leaf, x in pending.items():
        storage.fill(memories[leaf], x)


def _choice(frame: Frame, node: ArrayNode, operands: list[Value]) -> list[Value]:
    """conditional: true takes branch 0, an index out of range the last one (rule 77)."""
    storage, loops = frame.storage, frame.storage.loops
    selector, *rest = [storage.loaded(x) for x in operands]
    shapes = [node.programs[0].nodes[result] for result in node.programs[0].results]
    memories = [storage.new(math.prod(shape.dimensions), shape.element_type) for shape in shapes]
    chosen = selector.scalar()
    if selector.element_type == "pred":
        chosen = tir.Select(chosen, tir.const(0, "int32"), tir.const(1, "int32"))
    last, first = len(node.programs) - 1, 0
    chosen = loops.in_memory(chosen.astype("int32"))
    for branch, program in enumerate(node.programs):
        count = sum(each.opcode == "parameter" for each in program.nodes)
        given = [without_memory(x) for x in rest[first : first + count]]
        first += count
        outside = tir.any(chosen < 0, chosen >= last)
        with loops.when(outside if branch == last else chosen == branch):
            for memory, result in zip(memories, frame.run_inside(program, given)):
                storage.fill(memory, result)
    return [final_value(storage, memory, shape) for memory, shape in zip(memories, shapes)]


def _elementwise(frame: Frame, node: ArrayNode, operands: list[Value]) -> Value:
    if elements.is_long(node):  # TVM's passes take exponential time in how deep long operations lie in each other
        operands = [frame.storage.stored(x) if x.cost >= elements.LONG_COST else x for x in operands]
    return elements.elementwise(node, operands)


def _moved(function: Callable[[ArrayNode, Value], Value]) -> Emit:
    def emit(frame: Frame, node: ArrayNode, operands: list[Value]) -> Value:
        (x,) = operands
        return function(node, x)

    return emit


def _broadcast(frame: Frame, node: ArrayNode, operands: list[Value]) -> Value:
    (x,) = operands
    return elements.broadcast(node, frame.storage.loaded(x) if x.size < math.prod(node.dimensions) else x)


def _in_memory(function: Callable[..., Value]) -> Emit:
    def emit(frame: Frame, node: ArrayNode, operands: list[Value]) -> Value:
        return function(frame.storage, node, *operands)

    return emit


def _dynamic_slice(frame: Frame, node: ArrayNode, operands: list[Value]) -> Value:
    return elements.dynamic_slice(frame.storage, node, operands[0], operands[1:])


def _concatenate(frame: Frame, node: ArrayNode, operands: list[Value]) -> Value:
    return elements.concatenate(frame.storage, node, operands)


def _captured(frame: Frame, node: ArrayNode, operands: list[Value]) -> Value:
    return frame.captured[node.attributes[0]]


def _constant(frame: Frame, node: ArrayNode, operands: list[Value]) -> Value:
    return elements.scalar_constant(node)


def _iota(frame: Frame, node: ArrayNode, operands: list[Value]) -> Value:
    return elements.iota(node)


def _fold(frame: Frame, node: ArrayNode, operands: list[Value]) -> list[Value]:
    return folds.fold(frame.storage, node, frame.program, operands)


def _sort(frame: Frame, node: ArrayNode, operands: list[Value]) -> list[Value]:
    return sorting.sort(frame.storage, node, operands)


def _first(frame: Frame, node: ArrayNode, operands: list[Value]) -> list[Value]:
    return sorting.topk(frame.storage, node, operands[0])


def _windows(frame: Frame, node: ArrayNode, operands: list[Value]) -> list[Value]:
    return windows.reduce_window(frame.storage, node, operands)


def _lone(several: Callable[[Frame, ArrayNode, list[Value]], list[Value]]) -> Emit:
    """The one result of what may have several."""
    return lambda frame, node, operands: several(frame, node, operands)[0]


class _Nodes(dict[str, Emit]):
    """Statements by opcode; what has none is element-wise."""

    def __missing__(self, opcode: str) -> Emit:
        return _elementwise


SEVERAL: dict[str, Callable[[Frame, ArrayNode, list[Value]], list[Value]]] = {
    "conditional": _choice,
    "reduce": _fold,
    "reduce-window": _windows,
    "sort": _sort,
    "topk": _first,
    "while": _loop,
}
NODES: dict[str, Emit] = _Nodes(
    {
        "broadcast": _broadcast,
        "captured": _captured,
        "concatenate": _concatenate,
        "convolution": _in_memory(convolutions.convolution),
        "dot": _in_memory(products.dot),
        "dynamic-slice": _dynamic_slice,
        "dynamic-update-slice": _update,
        "gather": _in_memory(indexing.gather),
        "iota": _iota,
        "pad": _in_memory(elements.pad),
        "reduce": _in_memory(sums.reduce),
        "reduce-window": _lone(_windows),
        "reshape": _moved(elements.reshape),
        "reverse": _moved(elements.reverse),
        "scalar": _constant,
        "scatter": _scatter,
        "sort": _lone(_sort),
        "slice": _moved(elements.slice_),
        "transpose": _moved(elements.transpose),
    }
)
