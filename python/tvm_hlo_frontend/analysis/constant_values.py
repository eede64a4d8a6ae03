"""What instructions compute from constants, where numpy computes exactly that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..hlo.ir.attributes import CompareAttributes, ConstantAttributes, DimensionsAttributes, SliceAttributes
from ..hlo.ir.module import HloInstruction

_INTEGERS = frozenset("s8 s16 s32 s64 u8 u16 u32 u64".split())
_FLOATS = frozenset({"f32", "f64"})
_KNOWN = _INTEGERS | _FLOATS | {"pred"}
# the order of the zeros and what becomes of NaN are not numpy's
_OF_INTEGERS: Mapping[str, Callable[..., Any]] = {
    "minimum": np.minimum,
    "maximum": np.maximum,
}
_OF_BITS: Mapping[str, Callable[..., Any]] = {
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.invert,
}
_OF_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "abs": np.abs,
    "add": np.add,
    "multiply": np.multiply,
    "negate": np.negative,
    "subtract": np.subtract,
}
_OF_ALL: Mapping[str, Callable[..., Any]] = {
    "copy": np.asarray,
    "opt-barrier": np.asarray,
    "select": np.where,
}
_DIRECTIONS: Mapping[str, Callable[..., Any]] = {
    "EQ": np.equal,
    "NE": np.not_equal,
    "LT": np.less,
    "LE": np.less_equal,
    "GT": np.greater,
    "GE": np.greater_equal,
}


def constant_value(instruction: HloInstruction) -> np.ndarray | None:
    """Elements of a constant; None for all else."""
    if not isinstance(instruction.attributes, ConstantAttributes) or not instruction.shape.is_array:
        return None
    return np.asarray(instruction.attributes.literal).reshape(instruction.shape.sizes)


def computed(instruction: HloInstruction, operands: Sequence[np.ndarray]) -> np.ndarray | None:
    """Elements of an instruction's result.

    Parameters
    ----------
    instruction : HloInstruction
    operands : sequence of numpy.ndarray
        Elements of its operands.

    Returns
    -------
    numpy.ndarray or None
        None for what is not known to be the same with numpy, such as results that are not normal numbers: whether
        those are zero depends on the processor's state.
    """
    kinds = [instruction.shape.element_type, *(operand.shape.element_type for operand in instruction.operands)]
    if not operands or not instruction.shape.is_static or not _KNOWN.issuperset(kinds):
        return None
    function = _function(instruction)
    if function is None:
        return None
    with np.errstate(all="ignore"):  # integers wrap
        value = np.asarray(function(*operands))
    if instruction.shape.kind == "float" and not (np.isfinite(value) & ((value == 0) | (abs(value) >= _TINY))).all():
        return None
    return value


_TINY = np.finfo(np.float32).tiny


def _function(instruction: HloInstruction) -> Callable[..., Any] | None:
    opcode, attributes, shape = instruction.opcode, instruction.attributes, instruction.shape
    given = instruction.operands[0].shape
    if isinstance(attributes, CompareAttributes):
        return _DIRECTIONS[attributes.direction] if attributes.type != "TOTALORDER" else None
    if isinstance(attributes, SliceAttributes):
        part = tuple(map(slice, attributes.starts, attributes.limits, attributes.strides))
        return lambda x: x[part]
    if isinstance(attributes, DimensionsAttributes):
        return _moved(instruction, attributes.dimensions)
    if opcode == "reshape":
        return lambda x: x.reshape(shape.sizes)
    if opcode == "bitcast-convert":
        return (lambda x: x.view(shape.numpy_dtype)) if shape.bits == given.bits and shape.kind != "pred" else None
    if opcode == "convert":
        return None if given.kind == "float" and shape.kind != "float" else lambda x: x.astype(shape.numpy_dtype)
    tables = [_OF_ALL]
    if shape.kind != "pred":
        tables.append(_OF_NUMBERS)
    if shape.kind != "float":
        tables += [_OF_BITS, _OF_INTEGERS]
    return next((table[opcode] for table in tables if opcode in table), None)


def _moved(instruction: HloInstruction, dimensions: Sequence[int]) -> Callable[..., Any] | None:
    sizes = instruction.shape.sizes
    if instruction.opcode == "concatenate":
        return lambda *parts: np.concatenate(parts, dimensions[0])
    if instruction.opcode == "transpose":
        return lambda x: x.transpose(dimensions)
    if instruction.opcode == "reverse":
        axes = tuple(dimensions)
        return lambda x: np.flip(x, axes)
    if instruction.opcode != "broadcast":
        return None
    aligned = [1] * len(sizes)
    for axis, size in zip(dimensions, instruction.operands[0].shape.sizes):
        aligned[axis] = size
    return lambda x: np.broadcast_to(x.reshape(aligned), sizes)
