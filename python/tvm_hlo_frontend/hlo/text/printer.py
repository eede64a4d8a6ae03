"""HLO text: for people, and close enough to XLA's own that its parser reads it back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir.attributes import ConstantAttributes, Literal, ParameterAttributes
from ..ir.module import HloComputation, HloInstruction, HloModule, Metadata
from .attributes import attribute_words, quoted

_ROWS = 1 << 16  # of an array without elements, which may have any number
_SMALL = 16  # elements of a constant that is printed in full without being asked for


def to_text(module: HloModule, *, large_constants: bool = False, metadata: bool = True) -> str:
    """HLO text of a module.

    Parameters
    ----------
    module : HloModule
    large_constants : bool
        Print constants of more than 16 elements in full instead of as ``{...}``; only such text can be read back.
    metadata : bool
        Print where instructions came from.

    Returns
    -------
    str
    """
    lines = [f"HloModule {module.name}{_aliases(module)}"]
    for computation in module.computations:
        lines += ["", *_computation_lines(computation, computation is module.entry, large_constants, metadata)]
    return "\n".join(lines) + "\n"


def _aliases(module: HloModule) -> str:
    if not module.aliases:
        return ""
    entries = [
        f"{_index(alias.result)}: ({alias.parameter}, {_index(alias.index)}, may-alias)" for alias in module.aliases
    ]
    return f", input_output_alias={{ {', '.join(entries)} }}"


def _index(index: tuple[int, ...]) -> str:
    return "{" + ", ".join(map(str, index)) + "}"


def computation_to_text(computation: HloComputation, *, large_constants: bool = False, metadata: bool = False) -> str:
    """HLO text of one computation."""
    return "\n".join(_computation_lines(computation, False, large_constants, metadata))


def instruction_to_text(instruction: HloInstruction, *, large_constants: bool = False, metadata: bool = False) -> str:
    """One line of HLO text."""
    words = [_call(instruction, large_constants), *attribute_words(instruction)]
    if metadata and str(instruction.metadata):
        words.append(_metadata(instruction.metadata))
    return f"{instruction.name} = {instruction.shape} {', '.join(words)}"


def _computation_lines(computation: HloComputation, is_entry: bool, large_constants: bool, metadata: bool) -> list[str]:
    lines = [f"{'ENTRY ' if is_entry else ''}{computation.name} {{"]
    for instruction in computation.instructions:
        line = instruction_to_text(instruction, large_constants=large_constants, metadata=metadata)
        lines.append(f"  {'ROOT ' if instruction is computation.root else ''}{line}")
    return [*lines, "}"]


def _call(instruction: HloInstruction, large_constants: bool) -> str:
    attributes = instruction.attributes
    if isinstance(attributes, ParameterAttributes):
        arguments = str(attributes.number)
    elif isinstance(attributes, ConstantAttributes):
        arguments = _literal(attributes.literal, large_constants)
    else:
        arguments = ", ".join(operand.name for operand in instruction.operands)
    return f"{instruction.opcode}({arguments})"


def _literal(literal: Literal, large_constants: bool) -> str:
    if isinstance(literal, tuple):
        return "(" + ", ".join(_literal(part, large_constants) for part in literal) + ")"
    if literal.ndim == 0:
        return _element(literal[()])
    rows = math.prod(size for size in literal.shape if size)
    if (literal.size > _SMALL and not large_constants) or (literal.size == 0 and rows > _ROWS):
        return "{...}"
    return _nested(literal)


def _nested(array: np.ndarray) -> str:
    if array.ndim == 0:
        return _element(array[()])
    return "{" + ", ".join(_nested(part) for part in array) + "}"


def _element(value: Any) -> str:
    """One element; floats in the shortest way that reads back exactly."""
    kind = value.dtype.kind
    if kind == "b":
        return "true" if value else "false"
    if kind == "c":
        return f"({_element(value.real)}, {_element(value.imag)})"
    if kind in "iu" or value.dtype.name.startswith(("int", "uint")):
        return str(int(value))
    if kind == "f" and value.dtype.itemsize >= 4:
        return str(value)
    return repr(float(value))  # narrow floats: exact as a double


def _metadata(metadata: Metadata) -> str:
    words = []
    if metadata.op_type:
        words.append(f"op_type={quoted(metadata.op_type)}")
    if metadata.op_name:
        words.append(f"op_name={quoted(metadata.op_name)}")
    if metadata.source_file:
        words.append(f"source_file={quoted(metadata.source_file)} source_line={metadata.source_line}")
    return "metadata={" + " ".join(words) + "}"
