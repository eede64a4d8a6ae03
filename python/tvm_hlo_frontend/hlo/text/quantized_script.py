"""StableHLO with quantized types to StableHLO of their integers, in a process of its own: MLIR's passes may end it.

``parsers.py`` runs the text of this file. Standard input is MLIR, standard output bytecode without quantized types;
nothing is written if there are none. Every operation means what StableHLO's specification says: dequantize, the
operation on real numbers, quantize. Products of integers whose zero points allow it are summed as 32 bit integers:
the same sums without rounding. StableHLO's own pass does the rest; what it gets wrong never reaches it: unsigned
storage (it reads the bits as signed), sums of different scales (it rounds twice), products whose results are no
accumulators (it truncates and wraps).
"""

from __future__ import annotations

import io
import re
import sys
from typing import Any, NamedTuple

from jaxlib.mlir import ir, passmanager
from jaxlib.mlir.dialects import chlo, stablehlo

REFUSED = 3
UNIFORM = re.compile(r"!quant\.uniform<([iu])(\d+)(?:<-?\d+:-?\d+>)?:(f32)(?::(\d+))?, (?:\{(.*)\}|([^{}]*))>")
# they move codes, or order them; operands and results are of one type
MOVEMENT = "reshape transpose broadcast_in_dim slice concatenate select maximum minimum".split()
ARITHMETIC = "add subtract multiply divide negate abs tanh logistic exponential sqrt rsqrt".split()
UNTOUCHED = "stablehlo.uniform_quantize stablehlo.uniform_dequantize stablehlo.constant func.return".split()
LOWERING = "builtin.module(func.func(stablehlo-legalize-quant-to-math))"
ADVICE = "make it plain arithmetic before (StableHLO's legalize-quantized-op-to-qdq and legalize-quant-to-math passes)"


class Refused(Exception):
    """What is quantized and cannot be converted."""


class Uniform(NamedTuple):
    """A quantized element type; a zero point for each scale, along `axis` if there is one."""

    signed: bool
    bits: int
    axis: int | None
    scales: tuple[float, ...]
    zeros: tuple[int, ...]


def uniform(element: str) -> Uniform | None:
    """The element type, None if it is not quantized; Refused if it is in another way."""
    if "!quant." not in element:
        return None
    found = UNIFORM.fullmatch(element)
    if found is None or (found[4] is None) != (found[5] is None):
        raise Refused(f"the quantized type {element}: only !quant.uniform of f32, per tensor or per axis, is supported")
    if found[1] == "u" or int(found[2]) not in (4, 8, 16, 32):
        raise Refused(f"the quantized type {element}: its storage is none of i4, i8, i16 and i32")
    pairs = [(scale + ":0").split(":")[:2] for scale in (found[5] or found[6]).split(",")]
    scales, zeros = zip(*((float(scale), int(zero)) for scale, zero in pairs))
    return Uniform(True, int(found[2]), None if found[4] is None else int(found[4]), scales, zeros)


def quantized(values: Any) -> list[Uniform | None]:
    """The quantized types of values, None for others."""
    return [uniform(str(value.type.element_type)) for value in values]


def real(value_type: Any) -> Any:
    """The type of the numbers that a quantized tensor stands for."""
    return ir.RankedTensorType.get(value_type.shape, ir.F32Type.get())


def replace(operation: Any, operands: list[Any], result: Any) -> Any:
    """The operation on other operands, with another type of its result, before itself."""
    attributes = {name: operation.attributes[name] for name in operation.attributes}
    with ir.InsertionPoint(operation), operation.location:
        return ir.Operation.create(operation.name, results=[result], operands=operands, attributes=attributes).result


def convert(operation: Any, name: str, operand: Any, result: Any) -> Any:
    """`operand` after uniform_quantize or uniform_dequantize."""
    with ir.InsertionPoint(operation), operation.location:
        return ir.Operation.create(f"stablehlo.{name}", results=[result], operands=[operand]).result


def finish(operation: Any, value: Any) -> None:
    """Put `value`, quantized if it has to be, in the place of the operation."""
    if value.type != operation.result.type:
        value = convert(operation, "uniform_quantize", value, operation.result.type)
    operation.result.replace_all_uses_with(value)
    operation.erase()


def on_real_numbers(operation: Any) -> None:
    """What the specification says: dequantize, compute, quantize."""
    operands = [
        value if kind is None else convert(operation, "uniform_dequantize", value, real(value.type))
        for value, kind in zip(operation.operands, quantized(operation.operands))
    ]
    finish(operation, replace(operation, operands, real(operation.result.type)))


def accumulator(operation: Any) -> str | None:
    """Element type of the 32 bit sums of a product; None if they are not exactly what it means."""
    left, right = quantized(operation.operands)
    if left is None or right is None or left.axis is not None or left.bits > 8 or right.bits > 8 or any(right.zeros):
        return None
    axis = right.axis
    if operation.name == "stablehlo.convolution":
        numbers = stablehlo.ConvDimensionNumbers(operation.attributes["dimension_numbers"])
        inputs = [numbers.input_batch_dimension, *numbers.input_spatial_dimensions, numbers.input_feature_dimension]
        kernel = [
            *numbers.kernel_spatial_dimensions,
            numbers.kernel_input_feature_dimension,
            numbers.kernel_output_feature_dimension,
        ]
        outputs = [numbers.output_batch_dimension, *numbers.output_spatial_dimensions, numbers.output_feature_dimension]
        ordered = all(list(order) == list(range(4)) for order in (inputs, kernel, outputs))
        dilated = "lhs_dilation" in operation.attributes
        if not ordered or dilated or (left.bits, right.bits) != (8, 8) or axis not in (None, 3):
            return None
    elif axis is not None:
        sides = stablehlo.DotDimensionNumbers(operation.attributes["dot_dimension_numbers"])
        batch, contracted = list(sides.rhs_batching_dimensions), list(sides.rhs_contracting_dimensions)
        if axis in batch or axis in contracted:
            return None
        free = [n for n in range(len(operation.operands[1].type.shape)) if n not in batch + contracted]
        axis = len(operation.operands[0].type.shape) - len(contracted) + free.index(axis)
    scales = [repr(left.scales[0] * scale) for scale in right.scales]
    return (
        f"!quant.uniform<i32:f32, {scales[0]}>"
        if axis is None
        else (f"!quant.uniform<i32:f32:{axis}, {{{','.join(scales)}}}>")
    )


def product(operation: Any) -> None:
    """Integers where they give the same sums."""
    element = accumulator(operation)
    if element is None:
        on_real_numbers(operation)
        return
    sums = ir.RankedTensorType.get(operation.result.type.shape, ir.Type.parse(element))
    if same(uniform(element), uniform(str(operation.result.type.element_type))):
        return
    value = replace(operation, list(operation.operands), sums)
    finish(operation, convert(operation, "uniform_dequantize", value, real(sums)))


def same(sums: Any, result: Uniform | None) -> bool:
    """Whether a result's codes are the sums themselves: its scales are the products, as 32 bit floats have them."""
    if result is None or any(result.zeros) or (result.bits, result.axis) != (sums.bits, sums.axis):
        return False
    return all(abs(given - exact) <= 2e-7 * exact for given, exact in zip(result.scales, sums.scales))


def prepare(operation: Any) -> None:
    """Make of one operation what the pass gets right; Refused if that is not known."""
    kinds = quantized([*operation.operands, *operation.results])
    name = operation.name.removeprefix("stablehlo.")
    if not any(kinds) or (operation.name in UNTOUCHED and not (name == "uniform_quantize" and kinds[0])):
        return
    if name == "uniform_quantize" and kinds[0]:
        finish(operation, convert(operation, "uniform_dequantize", operation.operands[0], real(operation.result.type)))
    elif name in MOVEMENT:
        moved = {kind for kind in kinds if kind}
        if len(moved) > 1 or any(kind.axis is not None for kind in moved):
            raise Refused(f"{operation.name} of different quantized types")
    elif name in ARITHMETIC:
        on_real_numbers(operation)
    elif name in ("dot_general", "convolution"):
        product(operation)
    else:
        raise Refused(f"{operation.name} of quantized types")


def main(data: bytes) -> bytes:
    """Bytecode without quantized types; empty if the module has none."""
    stablehlo.register_stablehlo_passes()
    with ir.Context() as context, ir.Location.unknown():
        stablehlo.register_dialect(context)
        chlo.register_dialect(context)
        # nothing in jaxlib loads the dialect of quantized types but passes that may make them
        passmanager.PassManager.parse("builtin.module(vhlo-legalize-to-stablehlo)").run(ir.Module.create().operation)
        if data.startswith(b"ML\xefR"):
            module = stablehlo.deserialize_portable_artifact(context, data)
        else:
            module = ir.Module.parse(data.decode())
        if "!quant." not in str(module):
            return b""
        operations: list[Any] = []

        def visit(operation: Any) -> Any:
            operations.append(operation)
            return ir.WalkResult.ADVANCE

        module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
        for operation in operations:
            prepare(operation)
        try:
            passmanager.PassManager.parse(LOWERING).run(module.operation)
        except ir.MLIRError as error:
            raise Refused(str(error).splitlines()[-1]) from error
        lowered = io.BytesIO()
        module.operation.write_bytecode(lowered)
        return lowered.getvalue()


if __name__ == "__main__":
    try:
        sys.stdout.buffer.write(main(sys.stdin.buffer.read()))
    except Refused as refusal:
        sys.stdout.write(f"the module is quantized, and cannot be converted: {refusal}; {ADVICE}")
        sys.exit(REFUSED)
    except ir.MLIRError as error:
        sys.stdout.write(" ".join(str(error).split()))
        sys.exit(REFUSED)
