"""Shapes that follow again: what is mutated gets past the verifier more often when the rest agrees with it."""

from __future__ import annotations

import dataclasses
from typing import Any

from tvm_hlo_frontend.errors import HloFrontendError
from tvm_hlo_frontend.hlo.ir.attributes import ParameterAttributes
from tvm_hlo_frontend.hlo.ir.module import HloComputation, HloInstruction, HloModule
from tvm_hlo_frontend.hlo.ir.shape import Shape
from tvm_hlo_frontend.hlo.proto.reader import module_from_proto, parse_module_proto
from tvm_hlo_frontend.hlo.proto.writer import to_proto
from tvm_hlo_frontend.hlo.shape_inference import infer_shape


def repaired(data: bytes) -> bytes:
    """The module with inferred shapes, if it can be read; else as it is."""
    try:
        return to_proto(_with_inferred_shapes(module_from_proto(parse_module_proto(data))))
    except Exception:  # the faults of what is made here are found where it is judged
        return data


def _with_inferred_shapes(module: HloModule) -> HloModule:
    done: dict[HloComputation, HloComputation] = {}
    for computation in module.computations:
        new: dict[HloInstruction, HloInstruction] = {}
        for each in computation.instructions:
            operands = tuple(new[operand] for operand in each.operands)
            called = tuple(done[callee] for callee in each.called_computations)
            new[each] = dataclasses.replace(
                each, operands=operands, called_computations=called, shape=_shape(each, operands, called)
            )
        done[computation] = HloComputation(computation.name, tuple(new.values()), new[computation.root])
    return HloModule(module.name, tuple(done.values()), done[module.entry], module.aliases)


def _shape(each: HloInstruction, operands: Any, called: Any) -> Shape:
    if isinstance(each.attributes, ParameterAttributes):
        return each.shape
    try:
        found = infer_shape(each.opcode, [operand.shape for operand in operands], each.attributes, called, each.shape)
    except HloFrontendError:
        return each.shape
    return each.shape if found is None else found
