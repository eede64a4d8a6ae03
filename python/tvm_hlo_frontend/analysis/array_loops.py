"""Loops that one kernel runs from beginning to end: everything but what is large or has kernels of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from ..hlo.ir.attributes import ConvolutionDimensionNumbers, Window, WindowDimension
from ..hlo.ir.module import HloInstruction
from ..hlo.opcodes import ELEMENTWISE
from .array_body import array_programs
from .array_program import ArrayNode, ArrayProgram
from .windows import match_cumulative

# operations of a trip on one thread, and of products and element-wise ones, which several share; beyond, kernels of
# its own pay
MAX_WORK, MAX_SHARED_WORK = 1 << 22, 1 << 27
# bytes of all that the nodes of a trip may have to store
MAX_STORED = 1 << 28


@dataclass(frozen=True)
class ArrayLoop:
    """A while loop as array programs on the leaves of its state, and the constant arrays that they read."""

    condition: ArrayProgram
    body: ArrayProgram
    captured: tuple[np.ndarray, ...]


Computes = Callable[[ArrayNode, ArrayProgram], bool]


def any_node(node: ArrayNode, program: ArrayProgram) -> bool:
    """Whatever a node of a program is."""
    return True


def but_for(computes: Computes, opcodes: Collection[str]) -> Computes:
    """`computes` of all but some opcodes, which mean something else in one conversion."""
    return lambda node, program: node.opcode not in opcodes and computes(node, program)


def match_array_loop(instruction: HloInstruction, computes: Computes) -> ArrayLoop | None:
    """The array programs of a `while`; None if a part of it has none, or its trips are worth kernels of their own.

    Parameters
    ----------
    instruction : HloInstruction
    computes : callable
        ``computes(node, program)``: whether kernels define a node of the program.
    """
    body, condition = instruction.called_computations
    matched = array_programs([condition, body])
    if matched is None:
        return None
    programs, captured = matched
    for program in programs:
        alone, shared = work(program)
        if alone > MAX_WORK or shared > MAX_SHARED_WORK or _stored(program) > MAX_STORED:
            return None
        if not is_defined(program, computes):
            return None
    return ArrayLoop(programs[0], programs[1], tuple(captured))


def is_defined(program: ArrayProgram, computes: Computes) -> bool:
    """Whether kernels define all nodes of a program and of those inside it."""
    inner = [part for node in program.nodes for part in node.programs]
    return all(computes(node, program) for node in program.nodes) and all(is_defined(part, computes) for part in inner)


def work(program: ArrayProgram) -> tuple[int, int]:
    """Operations of one run, of loops within it those of a trip: what one thread does alone, and what several share."""
    alone = shared = 0
    for node in program.nodes:
        if node.opcode == "dot" or node.opcode in ELEMENTWISE:
            shared += _operations(node, program)
        else:
            alone += _operations(node, program)
        for part in node.programs:
            inner = work(part)
            alone, shared = alone + inner[0], shared + inner[1]
    return alone, shared


def _operations(node: ArrayNode, program: ArrayProgram) -> int:
    sizes = [program.nodes[operand].dimensions for operand in node.operands]
    if node.opcode in ("parameter", "part", "captured", "reshape", "slice", "dynamic-slice", "broadcast"):
        return 0
    if node.opcode == "dot":
        return math.prod(node.dimensions) * math.prod(sizes[0][axis] for axis, _ in node.attributes[0])
    if node.opcode == "convolution":
        features = ConvolutionDimensionNumbers(*node.attributes[1]).kernel_output_feature
        return math.prod(node.dimensions) * (math.prod(sizes[1]) // sizes[1][features])
    if node.opcode == "reduce":
        return math.prod(sizes[0])
    if node.opcode == "reduce-window":
        return _window_work(node, sizes[0])
    if node.opcode in ("sort", "topk"):
        return 4 * math.prod(sizes[0]) * max(sizes[0], default=1).bit_length()
    if node.opcode in ("dynamic-update-slice", "scatter"):
        return math.prod(sizes[1 if node.opcode != "scatter" else 2])
    return math.prod(node.dimensions)


def _window_work(node: ArrayNode, sizes: tuple[int, ...]) -> int:
    windows, results = node.attributes
    if match_cumulative(Window(tuple(WindowDimension(*each) for each in windows)), sizes) is not None:
        return math.prod(sizes)
    return math.prod(results) * math.prod(size for size, *_ in windows)


def _stored(program: ArrayProgram) -> int:
    views = ("parameter", "captured", "reshape", "broadcast", "transpose", "slice", "iota")
    total = 0
    for node in program.nodes:
        in_place = node.opcode == "part" and program.nodes[node.operands[0]].opcode == "while"
        if node.opcode not in views and not in_place:
            total += 8 * math.prod(node.dimensions)
        total += sum(_stored(part) for part in node.programs)
    return total
