"""Which instructions may have dimensions that are known only at run time: what networks of dense layers consist of."""

from __future__ import annotations

from collections.abc import Set

from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.ir.shape import Shape, Symbol

ELEMENTWISE = frozenset(
    {
        *("add", "subtract", "multiply", "divide", "maximum", "minimum", "negate", "abs"),
        *("exponential", "log", "tanh", "logistic", "sqrt", "rsqrt", "erf"),
    }
)
OPCODES = ELEMENTWISE | {"parameter", "broadcast", "dot", "tuple"}


def free_symbols(module: HloModule) -> Set[Symbol]:
    """Symbols of the entry's parameters: sizes that whoever calls the compiled module chooses."""
    return {symbol for parameter in module.entry.parameters for symbol in _symbols(parameter.shape)}


def may_be_symbolic(instruction: HloInstruction, symbols: Set[Symbol]) -> bool:
    """Whether a converter takes this instruction although its shape has symbols."""
    return instruction.opcode in OPCODES and all(
        symbol in symbols and symbol.bound is None for symbol in _symbols(instruction.shape)
    )


def _symbols(shape: Shape) -> list[Symbol]:
    return [size for array in shape.arrays() for size in array.dimensions if isinstance(size, Symbol)]
