"""Which instructions may have dimensions that are known only at run time."""

from __future__ import annotations

from collections.abc import Set

from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.ir.shape import Shape, Symbol
from ..hlo.ir.sizes import Size, variables

ELEMENTWISE = frozenset(
    {
        *("add", "subtract", "multiply", "divide", "maximum", "minimum", "negate", "abs"),
        *("exponential", "log", "tanh", "logistic", "sqrt", "rsqrt", "erf"),
    }
)
# what networks of dense layers consist of, which any dialect can leave open
DENSE = ELEMENTWISE | {"parameter", "broadcast", "dot", "tuple"}


def free_sizes(module: HloModule) -> Set[str]:
    """Names of the unknown sizes that are dimensions of the entry's parameters: whoever calls the compiled module
    chooses them."""
    symbols = (symbol for parameter in module.entry.parameters for symbol in _symbols(parameter.shape))
    return {symbol.name for symbol in symbols if isinstance(symbol, Size) and variables(symbol) == {symbol.name}}


def has_known_sizes(instruction: HloInstruction) -> bool:
    """Whether all dimensions of an instruction and of its operands are numbers."""
    return all(part.shape.is_static for part in (instruction, *instruction.operands))


def may_be_symbolic(instruction: HloInstruction, free: Set[str], any_opcode: bool) -> bool:
    """Whether a converter may take this instruction although its shape has symbols.

    Parameters
    ----------
    instruction : HloInstruction
    free : set of str
        Unknown sizes that those who call the compiled module say.
    any_opcode : bool
        Whether the dialect leaves sizes open in whatever converters can say.
    """
    return (any_opcode or instruction.opcode in DENSE) and all(
        isinstance(symbol, Size) and variables(symbol) <= free for symbol in _symbols(instruction.shape)
    )


def _symbols(shape: Shape) -> list[Symbol]:
    return [size for array in shape.arrays() for size in array.dimensions if isinstance(size, Symbol)]
