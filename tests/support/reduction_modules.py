"""Modules with reductions for the tests: scalar bodies by name, and many cases in one module (compiling is slow)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tools.support.compare import run_tvm
from tools.support.oracle import run_xla

from tvm_hlo_frontend.hlo.ir.attributes import (
    Attributes,
    CompareAttributes,
    DimensionsAttributes,
    TupleIndexAttributes,
    Window,
    WindowAttributes,
    WindowDimension,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.module import HloComputation, HloInstruction, HloModule
from tvm_hlo_frontend.hlo.ir.shape import array_shape, element_type_of

Parameters = list[HloInstruction]


def compare_node(b: ComputationBuilder, direction: str, x: HloInstruction, y: HloInstruction) -> HloInstruction:
    """compare with the type that belongs to its operands."""
    kind = {"float": "FLOAT", "signed": "SIGNED"}.get(x.shape.kind, "UNSIGNED")
    return b.add("compare", [x, y], attributes=CompareAttributes(direction, kind))


def jax_argument(b: ComputationBuilder, p: Parameters, direction: str = "GT") -> HloInstruction:
    """The body of jax.numpy.argmax (GT) and argmin (LT)."""
    value, index, other, other_index = p
    better = compare_node(b, direction, value, other)
    wins = b.add("or", [better, compare_node(b, "NE", value, value)])
    tie = b.add("and", [compare_node(b, "EQ", value, other), compare_node(b, "LT", index, other_index)])
    first = b.add("or", [wins, tie])
    return b.add("tuple", [b.add("select", [wins, value, other]), b.add("select", [first, index, other_index])])


def tensorflow_argument(b: ComputationBuilder, p: Parameters) -> HloInstruction:
    """The body of tf.argmax (xla/client/lib/arithmetic.cc): which NaN wins depends on the order."""
    value, index, other, other_index = p
    greater = compare_node(b, "GE", value, other)
    chosen = b.add("select", [greater, index, other_index])
    lower = b.add("minimum", [index, other_index])
    equal = compare_node(b, "EQ", value, other)
    return b.add("tuple", [b.add("select", [greater, value, other]), b.add("select", [equal, lower, chosen])])


def sum_and_product(b: ComputationBuilder, p: Parameters) -> HloInstruction:
    """Two results, the second of which needs the old first accumulator."""
    return b.add("tuple", [b.add("add", [p[0], p[2]]), b.add("subtract", [p[1], b.add("multiply", [p[0], p[3]])])])


def horner(b: ComputationBuilder, p: Parameters) -> HloInstruction:
    """acc * 3 + x: neither commutative nor associative."""
    return b.add("add", [b.add("multiply", [p[0], b.constant(3, p[0].shape.element_type)]), p[1]])


def nested_call(b: ComputationBuilder, p: Parameters) -> HloInstruction:
    """add inside a call, operands swapped."""
    kind = p[0].shape.element_type
    inner = ComputationBuilder("inner")
    x, y = (inner.parameter(number, array_shape(kind)) for number in range(2))
    callee = inner.build(inner.add("add", [y, x]))
    return b.add("call", [p[1], p[0]], p[0].shape, called_computations=[callee])


def widened_sum(b: ComputationBuilder, p: Parameters) -> HloInstruction:
    """f16 sum computed in f32."""
    wide = array_shape("f32")
    total = b.add("add", [b.add("convert", [operand], wide) for operand in p])
    return b.add("convert", [total], p[0].shape)


def selected_max(b: ComputationBuilder, p: Parameters) -> HloInstruction:
    """max of integers as compare and select."""
    return b.add("select", [compare_node(b, "GE", p[0], p[1]), p[0], p[1]])


def log_sum_exp(b: ComputationBuilder, p: Parameters) -> HloInstruction:
    """The body of jax.lax.cumlogsumexp."""
    x, y = p
    difference = b.add("subtract", [x, y])
    smaller = b.add("exponential", [b.add("negate", [b.add("abs", [difference])])])
    total = b.add("add", [b.add("maximum", [x, y]), b.add("log-plus-one", [smaller])])
    return b.add("select", [compare_node(b, "NE", difference, difference), b.add("add", [x, y]), total])


BODIES: dict[str, Callable[[ComputationBuilder, Parameters], HloInstruction]] = {
    **{
        opcode: (lambda b, p, opcode=opcode: b.add(opcode, [p[0], p[1]]))
        for opcode in ("add", "multiply", "maximum", "minimum", "and", "or", "xor", "subtract")
    },
    "swapped_maximum": lambda b, p: b.add("maximum", [p[1], p[0]]),
    "last": lambda b, p: p[1],
    "argmax": jax_argument,
    "argmin": lambda b, p: jax_argument(b, p, "LT"),
    "tf_argmax": tensorflow_argument,
    "sum_and_product": sum_and_product,
    "horner": horner,
    "log_sum_exp": log_sum_exp,
    "nested_call": nested_call,
    "widened_sum": widened_sum,
    "selected_max": selected_max,
}


def body(name: str, types: Sequence[str]) -> HloComputation:
    """Body `name` on accumulators and elements of `types`."""
    b = ComputationBuilder(f"body_{name}")
    parameters = [b.parameter(number, array_shape(kind)) for number, kind in enumerate((*types, *types))]
    return b.build(BODIES[name](b, parameters))


@dataclass(frozen=True, eq=False)
class Case:
    """A reduce (`dimensions`) or reduce-window (`window`) with a body.

    Attributes
    ----------
    name : str
        Starts with the number of the rule of HLO's semantics.
    body : str
    data : tuple of numpy.ndarray or "iota"
        "iota" is an index operand that counts along `dimensions[0]`, as s32.
    inits : tuple
    dimensions : tuple of int or None
    window : tuple of WindowDimension
    runtime_init : bool
        Pass init values as parameters.
    rtol : float
    """

    name: str
    body: str
    data: tuple
    inits: tuple
    dimensions: tuple[int, ...] | None = None
    window: tuple[WindowDimension, ...] = ()
    runtime_init: bool = False
    rtol: float = 1e-5

    @property
    def types(self) -> list[str]:
        return ["s32" if isinstance(x, str) else element_type_of(x.dtype) for x in self.data]


def add_case(b: ComputationBuilder, case: Case, arguments: list[np.ndarray]) -> list[HloInstruction]:
    """Add the instruction of a case; its array results. New parameters go to `arguments`."""

    def parameter(array: np.ndarray) -> HloInstruction:
        arguments.append(array)
        return b.parameter(len(arguments) - 1, array_shape(element_type_of(array.dtype), array.shape))

    operands = []
    for data in case.data:
        if isinstance(data, str):
            shape = array_shape("s32", case.data[0].shape)
            operands.append(b.add("iota", [], shape, DimensionsAttributes(case.dimensions[:1])))
        else:
            operands.append(parameter(data))
    for init, kind in zip(case.inits, case.types):
        constant = b.constant(init, kind)
        value = constant.attributes.literal
        operands.append(parameter(np.array(value)) if case.runtime_init else constant)
    attributes: Attributes = (
        WindowAttributes(Window(case.window)) if case.window else DimensionsAttributes(case.dimensions)
    )
    opcode = "reduce-window" if case.window else "reduce"
    made = b.add(opcode, operands, attributes=attributes, called_computations=[body(case.body, case.types)])
    if not made.shape.is_tuple:
        return [made]
    return [b.add("get-tuple-element", [made], None, TupleIndexAttributes(i)) for i in range(len(case.data))]


def module_of(cases: Sequence[Case]) -> tuple[HloModule, list[np.ndarray], list[int]]:
    """(module whose root is a tuple of all results, its arguments, how many results each case has)."""
    b = ComputationBuilder("main")
    arguments: list[np.ndarray] = []
    results = [add_case(b, case, arguments) for case in cases]
    root = b.add("tuple", [result for part in results for result in part])
    return module("cases", b.build(root)), arguments, [len(part) for part in results]


def split(arrays: Sequence[np.ndarray], counts: Sequence[int]) -> list[list[np.ndarray]]:
    """Flat results by case."""
    rest = list(arrays)
    return [[rest.pop(0) for _ in range(count)] for count in counts]


def run_cases(cases: Sequence[Case], xla: bool = True) -> dict[str, tuple[list[Any], list[Any]]]:
    """Results of TVM and of XLA:CPU (empty without `xla`) by name of the case."""
    hlo, arguments, counts = module_of(cases)
    ours = split(run_tvm(hlo, arguments), counts)
    theirs = split(run_xla(hlo, arguments), counts) if xla else [[] for _ in cases]
    return {case.name: pair for case, *pair in zip(cases, ours, theirs)}
