"""Modules with many index operations at once, so that a test compiles few of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tvm_hlo_frontend.hlo.ir.attributes import CompareAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.module import HloComputation, HloInstruction, HloModule
from tvm_hlo_frontend.hlo.ir.shape import array_shape, element_type_of

Body = Callable[[ComputationBuilder, Sequence[HloInstruction]], HloInstruction]


class Bundle:
    """Collects instructions whose operands are parameters of their own; `module` returns all results as a tuple."""

    def __init__(self) -> None:
        self.builder = ComputationBuilder("main")
        self.arguments: list[np.ndarray] = []
        self.results: list[HloInstruction] = []

    def parameter(self, value: Any) -> HloInstruction:
        """A new parameter with a value."""
        array = np.asarray(value)
        self.arguments.append(array)
        shape = array_shape(element_type_of(array.dtype), array.shape)
        return self.builder.parameter(len(self.arguments) - 1, shape)

    def add(
        self, opcode: str, operands: Sequence[Any], attributes: Any = None, bodies: Sequence[HloComputation] = ()
    ) -> HloInstruction:
        """An instruction that is a result of the module; operands that are no instructions become parameters."""
        instructions = [o if isinstance(o, HloInstruction) else self.parameter(o) for o in operands]
        made = self.builder.add(opcode, instructions, None, attributes, bodies)
        if made.shape.is_tuple:
            from tvm_hlo_frontend.hlo.ir.attributes import TupleIndexAttributes

            for index in range(len(made.shape.tuple_shapes)):
                self.results.append(
                    self.builder.add("get-tuple-element", [made], attributes=TupleIndexAttributes(index))
                )
        else:
            self.results.append(made)
        return made

    def module(self) -> HloModule:
        return module("bundle", self.builder.build(self.builder.add("tuple", self.results)))


def body(types: Sequence[str], write: Body, name: str = "body") -> HloComputation:
    """Computation on scalars of these types."""
    builder = ComputationBuilder(name)
    root = write(builder, [builder.parameter(number, array_shape(kind)) for number, kind in enumerate(types)])
    return builder.build(root)


def binary(opcode: str, kind: str) -> HloComputation:
    """opcode(first, second)."""
    return body([kind, kind], lambda b, p: b.add(opcode, p))


def second(kind: str) -> HloComputation:
    """The second parameter: overwrite."""
    return body([kind, kind], lambda b, p: p[1])


def comparison(direction: str, order: str, kind: str, operands: int = 1) -> HloComputation:
    """Comparator of sort on the first of some operands, or the select body of select-and-scatter."""
    return body([kind] * 2 * operands, lambda b, p: b.add("compare", p[:2], None, CompareAttributes(direction, order)))


def values(shape: Sequence[int], dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    """Distinct small numbers in random order where they fit."""
    count = int(np.prod(shape))
    return np.random.default_rng(seed).permutation(count).reshape(shape).astype(dtype)
