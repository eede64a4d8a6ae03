"""Element-wise opcodes: what they mean is in ``kernels/scalar``, what is native in the dialects' tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...analysis.scalar_expression import ScalarExpression, ScalarNode
from ...backends.values import Tensor
from ...hlo.ir.attributes import CompareAttributes, ConstantAttributes, ReducePrecisionAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import BY_NAME
from ...hlo.opcodes import ELEMENTWISE_BINARY, ELEMENTWISE_UNARY
from ...kernels.spec import KernelSpec
from ..context import ConversionContext
from ..rules import ConverterTable

table = ConverterTable()

# complex numbers are pairs before converters see them
_UNARY = [opcode for opcode in ELEMENTWISE_UNARY if opcode not in ("imag", "real")]
# the others have converters of their own
_BINARY = [opcode for opcode in ELEMENTWISE_BINARY if opcode not in ("add", "complex", "multiply", "power", "subtract")]


def map_folded(
    ctx: ConversionContext,
    instruction: HloInstruction,
    operands: Sequence[Tensor],
    attributes: tuple[str | int, ...] = (),
    exact: bool = False,
) -> Tensor:
    """`ctx.map` with operands that are one constant number made part of the scalar expression.

    A kernel without scalar operands keeps the layout of its tensor operand, so convolutions around it need no
    transposition.
    """
    opcode, result_type = instruction.opcode, instruction.shape.element_type
    constants = [constant_element(operand) for operand in instruction.operands]
    kept = [tensor for tensor, constant in zip(operands, constants) if constant is None]
    if len(kept) == len(operands) or not any(tensor.rank == instruction.shape.rank for tensor in kept):
        return ctx.map(opcode, result_type, operands, attributes, exact)
    if not exact:
        native = ctx.dialect.map(opcode, result_type, operands, attributes)
        if native is not None:
            return native
    nodes: list[ScalarNode] = []
    for tensor, constant in zip(operands, constants):
        if constant is None:
            number = sum(node.opcode == "parameter" for node in nodes)
            nodes.append(ScalarNode("parameter", tensor.element_type, (), (number,)))
        else:
            nodes.append(ScalarNode("constant", tensor.element_type, (), (constant.tobytes().hex(),)))
    nodes.append(ScalarNode(opcode, result_type, tuple(range(len(nodes))), attributes))
    return ctx.map_expression(ScalarExpression(tuple(nodes), (len(nodes) - 1,)), kept)


def constant_element(instruction: HloInstruction) -> np.generic | None:
    """The number in a constant of one element, also broadcast; None for anything else."""
    while instruction.opcode in ("broadcast", "reshape", "copy"):
        instruction = instruction.operands[0]
    if instruction.opcode != "constant":
        return None
    literal = instruction.attributes_as(ConstantAttributes).literal
    return literal.reshape(-1)[0] if isinstance(literal, np.ndarray) and literal.size == 1 else None


@table.converter(*_UNARY, broadcasting=True, how="kernel")
def convert_unary(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """Element-wise function of one operand."""
    return map_folded(ctx, instruction, [operand])


@table.converter(*_BINARY, broadcasting=True, how="kernel")
def convert_binary(ctx: ConversionContext, instruction: HloInstruction, left: Tensor, right: Tensor) -> Tensor:
    """Element-wise function of two operands."""
    return map_folded(ctx, instruction, [left, right])


@table.converter("add", "subtract", "multiply", broadcasting=True, how="native")
def convert_arithmetic(ctx: ConversionContext, instruction: HloInstruction, left: Tensor, right: Tensor) -> Tensor:
    """Sum, difference or product: the dialect's own where its simplifiers cannot reach it (analysis/arithmetic)."""
    if instruction.shape.kind == "float" and is_zero_or_nan(instruction):
        kind = instruction.shape.element_type
        nodes = (ScalarNode("parameter", kind, (), (0,)), ScalarNode("subtract", kind, (0, 0)))
        return ctx.map_expression(ScalarExpression(nodes, (1,)), [left])
    return map_folded(ctx, instruction, [left, right], exact=instruction in ctx.exact)


def is_zero_or_nan(instruction: HloInstruction) -> bool:
    """Whether it is x - x or x + -x: TVM has LLVM assume that there is no NaN, and LLVM makes 0 of that."""
    left, right = instruction.operands
    if instruction.opcode == "subtract":
        return same_value(left, right)
    if instruction.opcode == "add" and "negate" in (left.opcode, right.opcode):
        negated, other = (left, right) if left.opcode == "negate" else (right, left)
        return same_value(negated.operands[0], other)
    return False


def same_value(left: HloInstruction, right: HloInstruction, depth: int = 8) -> bool:
    """Whether two instructions compute the same from the same operands, as far as LLVM would merge them."""
    if left is right:
        return True
    if depth == 0 or left.opcode != right.opcode or left.shape != right.shape or not left.operands:
        return False
    return left.attributes == right.attributes and all(
        same_value(a, b, depth - 1) for a, b in zip(left.operands, right.operands)
    )


@table.converter("select", broadcasting=True, how="kernel")
def convert_select(
    ctx: ConversionContext, instruction: HloInstruction, condition: Tensor, on_true: Tensor, on_false: Tensor
) -> Tensor:
    """select: a scalar condition chooses the whole tensor (rule 44)."""
    return map_folded(ctx, instruction, [condition, on_true, on_false])


@table.converter("clamp", broadcasting=True, how="native")
def convert_clamp(
    ctx: ConversionContext, instruction: HloInstruction, low: Tensor, value: Tensor, high: Tensor
) -> Tensor:
    """clamp: min(high, max(value, low)), NaN in any operand gives NaN; bounds may be scalars (rule 14)."""
    return map_folded(ctx, instruction, [low, value, high])


@table.converter("compare", broadcasting=True, how="kernel")
def convert_compare(ctx: ConversionContext, instruction: HloInstruction, left: Tensor, right: Tensor) -> Tensor:
    """compare: ordered, or by total order (rules 16 and 17)."""
    attributes = instruction.attributes_as(CompareAttributes)
    return map_folded(ctx, instruction, [left, right], (attributes.direction, attributes.type))


@table.converter("reduce-precision", broadcasting=True, how="kernel")
def convert_reduce_precision(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """reduce-precision: to nearest even, denormals to zero, overflow to infinity (rule 33)."""
    attributes = instruction.attributes_as(ReducePrecisionAttributes)
    parameters = (attributes.exponent_bits, attributes.mantissa_bits)
    return map_folded(ctx, instruction, [operand], parameters)


@table.converter("convert", broadcasting=True, how="kernel")
def convert_convert(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """convert: floats to integers saturate with NaN to 0, integers wrap, pred is x != 0 (rules 26 to 31)."""
    target = instruction.shape.element_type
    return operand if target == operand.element_type else ctx.map("convert", target, [operand])


@table.converter("power", broadcasting=True, how="kernel")
def convert_power(ctx: ConversionContext, instruction: HloInstruction, base: Tensor, exponent: Tensor) -> Tensor:
    """power: by squaring for integers (rule 9), libm's pow for floats; small constant exponents are products."""
    kind = instruction.shape.element_type
    if instruction.shape.kind != "float":
        operands = [ctx.materialize(x, instruction.shape) for x in (base, exponent)]
        return ctx.dialect.kernel(KernelSpec("integer_power"), operands, [instruction.shape])[0]
    number = constant_element(instruction.operands[1])
    constant = None if number is None else float(number)
    if exponent.dimensions.count(1) == exponent.rank:
        if constant == 1.0:
            return base
        if constant in (2.0, 3.0):
            square = ctx.map("multiply", kind, [base, base], exact=True)
            return square if constant == 2.0 else ctx.map("multiply", kind, [square, base], exact=True)
        if constant == -1.0:
            one = ctx.dialect.reshape(ctx.scalar(1, kind), [1] * base.rank)
            return ctx.map("divide", kind, [one, base])
    return map_folded(ctx, instruction, [base, exponent])


@table.converter("stochastic-convert", how="rewrite")
def refuse_stochastic_convert(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Tensor:
    """stochastic-convert: up where the random operand is below the fraction of a float, else down (rule 34)."""
    ctx.refuse("XLA defines it for signed integers alone; convert to one, or round explicitly")


@table.converter("bitcast-convert", broadcasting=True, how="composition")
def convert_bitcast(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """bitcast-convert: the last dimension is the parts of a wider type, little endian (rule 32)."""
    source, target = BY_NAME[operand.element_type], BY_NAME[instruction.shape.element_type]
    if "pred" in (source.kind, target.kind) and source is not target:
        ctx.refuse("a pred has no bits to reinterpret; use convert or compare")
    if source.bits == target.bits:
        return _as_bits(ctx, operand, target.name)
    word = f"u{source.bits}"
    if source.bits > target.bits:
        return _as_bits(ctx, _split(ctx, _as_bits(ctx, operand, word), target.bits), target.name)
    operand = ctx.materialize(operand, instruction.operands[0].shape)
    return _as_bits(ctx, _join(ctx, _as_bits(ctx, operand, word), target.bits), target.name)


def _as_bits(ctx: ConversionContext, x: Tensor, element_type: str) -> Tensor:
    return x if x.element_type == element_type else ctx.map("bitcast-convert", element_type, [x])


def _amount(ctx: ConversionContext, value: int, x: Tensor) -> Tensor:
    return ctx.dialect.reshape(ctx.scalar(value, x.element_type), [1] * x.rank)


def _split(ctx: ConversionContext, x: Tensor, bits: int) -> Tensor:
    """Words to a new last dimension of their parts, lowest first."""
    parts = []
    for position in range(BY_NAME[x.element_type].bits // bits):
        shifted = ctx.map("shift-right-logical", x.element_type, [x, _amount(ctx, position * bits, x)])
        part = ctx.map("convert", f"u{bits}", [shifted])
        parts.append(ctx.dialect.reshape(part, [*part.dimensions, 1]))
    return ctx.dialect.concatenate(parts, x.rank)


def _join(ctx: ConversionContext, x: Tensor, bits: int) -> Tensor:
    """The last dimension as the parts of words."""
    *outer, count = x.shape.sizes
    word = f"u{bits}"
    result = None
    for position in range(count):
        starts, limits = [0] * x.rank, [*outer, position + 1]
        starts[-1] = position
        part = ctx.dialect.reshape(ctx.dialect.slice(x, starts, limits, [1] * x.rank), outer)
        wide = ctx.map("convert", word, [part])
        shifted = ctx.map("shift-left", word, [wide, _amount(ctx, position * (bits // count), wide)])
        result = shifted if result is None else ctx.map("or", word, [result, shifted])
    assert result is not None
    return result


@table.converter("real", broadcasting=True, how="rewrite")
def convert_real(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """real: a real number is its own real part (rule 31)."""
    return operand if operand.element_type == instruction.shape.element_type else _refuse_complex(ctx, instruction)


@table.converter("imag", broadcasting=True, how="rewrite")
def convert_imag(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """imag: 0 for a real number."""
    if operand.element_type != instruction.shape.element_type:
        return _refuse_complex(ctx, instruction)
    return ctx.dialect.reshape(ctx.scalar(0, operand.element_type), [1] * instruction.shape.rank)


@table.converter("complex", broadcasting=True, how="rewrite")
def convert_complex(ctx: ConversionContext, instruction: HloInstruction, real: Tensor, imaginary: Tensor) -> Tensor:
    """complex: pairs of real tensors are made by a rewrite, not here."""
    return _refuse_complex(ctx, instruction)


def _refuse_complex(ctx: ConversionContext, instruction: HloInstruction) -> Tensor:
    return ctx.refuse(f"{instruction.opcode} on complex numbers, which TVM tensors do not carry")
