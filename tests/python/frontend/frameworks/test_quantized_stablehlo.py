"""Quantized StableHLO: codes are those of the specification, computed in float64; what is not certain is refused."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tools.support.compare import run_tvm

from tvm_hlo_frontend.errors import HloParseError
from tvm_hlo_frontend.frameworks.stablehlo import lower_stablehlo
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.proto.sources import mlir_of
from tvm_hlo_frontend.hlo.text import parsers

pytest.importorskip("jaxlib")

HALF, QUARTER, TENTH = "i8:f32, 0.5:1", "i8:f32, 0.25:-3", "i8:f32, 0.1:4"
WEIGHTS = "i8<-127:127>:f32, 0.25"
NIBBLE, SHORT = "i4:f32, 0.5:1", "i16:f32, 0.125:7"
CHANNELS, CHANNEL_SUMS = "i8<-127:127>:f32:3, {0.5,0.25,0.125}", "i32:f32:3, {0.25,0.125,0.0625}"
PRODUCTS = "i32:f32, 0.0625"
COLUMNS, SUMS = "i8<-127:127>:f32:1, {0.5,0.25,0.125}", "i32:f32:1, {0.25,0.125,0.0625}"
# scale (per axis, or one), zero point, least and greatest code
MEANS = {
    HALF: (0.5, 1, -128, 127),
    QUARTER: (0.25, -3, -128, 127),
    TENTH: (0.1, 4, -128, 127),
    WEIGHTS: (0.25, 0, -127, 127),
    NIBBLE: (0.5, 1, -8, 7),
    SHORT: (0.125, 7, -(2**15), 2**15 - 1),
    COLUMNS: (np.array([0.5, 0.25, 0.125]), 0, -127, 127),
    SUMS: (np.array([0.25, 0.125, 0.0625]), 0, -(2**31), 2**31 - 1),
    CHANNELS: (np.array([0.5, 0.25, 0.125]), 0, -127, 127),
    CHANNEL_SUMS: (np.array([0.25, 0.125, 0.0625]), 0, -(2**31), 2**31 - 1),
    PRODUCTS: (0.0625, 0, -(2**31), 2**31 - 1),
}


def real(codes, kind):
    scale, zero, _, _ = MEANS[kind]
    return (codes.astype(np.float64) - zero) * scale


def codes(numbers, kind):
    scale, zero, low, high = MEANS[kind]
    return np.clip(np.rint(numbers / scale + zero), low, high)


def tensor(shape, kind):
    return f"tensor<{shape}x{kind if kind == 'f32' else f'!quant.uniform<{kind}>'}>"


DOT = "stablehlo.dot_general %a, %b, contracting_dims = [1] x [0]"
# name: operation, shape and type of each operand, those of the result, the operation on real numbers
CASES = {
    "quantize": ("stablehlo.uniform_quantize %a", [("2x3", "f32")], ("2x3", HALF), lambda a: a),
    "quantize to 4 bits": ("stablehlo.uniform_quantize %a", [("2x3", "f32")], ("2x3", NIBBLE), lambda a: a),
    "quantize to 16 bits": ("stablehlo.uniform_quantize %a", [("2x3", "f32")], ("2x3", SHORT), lambda a: a),
    "quantize columns": ("stablehlo.uniform_quantize %a", [("2x3", "f32")], ("2x3", COLUMNS), lambda a: a),
    "dequantize": ("stablehlo.uniform_dequantize %a", [("2x3", TENTH)], ("2x3", "f32"), lambda a: a),
    "dequantize columns": ("stablehlo.uniform_dequantize %a", [("2x3", COLUMNS)], ("2x3", "f32"), lambda a: a),
    "requantize": ("stablehlo.uniform_quantize %a", [("2x3", QUARTER)], ("2x3", HALF), lambda a: a),
    "transpose": ("stablehlo.transpose %a, dims = [1, 0]", [("2x3", HALF)], ("3x2", HALF), lambda a: a.T),
    "maximum": ("stablehlo.maximum %a, %b", [("2x3", HALF)] * 2, ("2x3", HALF), np.maximum),
    "add": ("stablehlo.add %a, %b", [("2x3", HALF)] * 2, ("2x3", HALF), np.add),
    "add of different scales": ("stablehlo.add %a, %b", [("8x64", HALF), ("8x64", QUARTER)], ("8x64", HALF), np.add),
    "multiply": ("stablehlo.multiply %a, %b", [("8x8", HALF), ("8x8", QUARTER)], ("8x8", TENTH), np.multiply),
    "tanh": ("stablehlo.tanh %a", [("8x8", QUARTER)], ("8x8", TENTH), np.tanh),
    "dot": (DOT, [("8x16", HALF), ("16x8", WEIGHTS)], ("8x8", QUARTER), np.matmul),
    "dot of columns": (DOT, [("8x16", HALF), ("16x3", COLUMNS)], ("8x3", SUMS), np.matmul),
    "dot with numbers": (DOT, [("8x16", "f32"), ("16x3", COLUMNS)], ("8x3", "f32"), np.matmul),
}
# what is known to be summed as integers
INTEGER_SUMS = {"dot", "dot of columns"}


def convolution(window, group=1):
    return (
        "stablehlo.convolution(%a, %b) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], "
        f"window = {{{window}}} {{batch_group_count = 1 : i64, feature_group_count = {group} : i64}}"
    )


def convolved(images, kernel, pad=0, stride=1, group=1):
    """The convolution of images (b, 0, 1, f) with a kernel (0, 1, i, o), padded with zeros."""
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], (1, 2))[:, ::stride, ::stride]
    parts = zip(np.split(windows, group, 3), np.split(kernel, group, 3))
    return np.concatenate([np.einsum("bxyfij,ijfo->bxyo", *part) for part in parts], 3)


def holes(images, kernel):
    """The convolution of images whose rows and columns have zeros between them."""
    wider = np.zeros((images.shape[0], *(2 * size - 1 for size in images.shape[1:3]), images.shape[3]))
    wider[:, ::2, ::2] = images
    return convolved(wider, kernel)


IMAGES, PADDED = "2x5x5x2", partial(convolved, pad=1, stride=2)
# What XLA's own translation would end its process on as arguments of main: here numbers are quantized before and
# dequantized after, which it refuses in words.
INSIDE = {
    "convolution": (convolution(""), [(IMAGES, QUARTER), ("3x3x2x3", WEIGHTS)], ("2x3x3x3", HALF), convolved),
    "convolution to sums": (
        convolution(""),
        [(IMAGES, QUARTER), ("3x3x2x3", WEIGHTS)],
        ("2x3x3x3", PRODUCTS),
        convolved,
    ),
    "padded convolution": (
        convolution("stride = [2, 2], pad = [[1, 1], [1, 1]]"),
        [(IMAGES, QUARTER), ("3x3x2x3", WEIGHTS)],
        ("2x3x3x3", HALF),
        PADDED,
    ),
    "convolution of channels": (
        convolution("stride = [2, 2], pad = [[1, 1], [1, 1]]"),
        [(IMAGES, HALF), ("3x3x2x3", CHANNELS)],
        ("2x3x3x3", CHANNEL_SUMS),
        PADDED,
    ),
    "convolution by groups": (
        convolution("", group=2),
        [(IMAGES, QUARTER), ("3x3x1x4", WEIGHTS)],
        ("2x3x3x4", HALF),
        partial(convolved, group=2),
    ),
    "convolution with holes": (
        convolution("lhs_dilate = [2, 2]"),
        [(IMAGES, QUARTER), ("3x3x2x3", WEIGHTS)],
        ("2x7x7x3", HALF),
        holes,
    ),
    "convolution of weights with a zero point": (
        convolution(""),
        [(IMAGES, QUARTER), ("3x3x2x3", HALF)],
        ("2x3x3x3", HALF),
        convolved,
    ),
    "convolution with numbers": (
        convolution(""),
        [(IMAGES, "f32"), ("3x3x2x3", CHANNELS)],
        ("2x3x3x3", "f32"),
        convolved,
    ),
    "reshape": ("stablehlo.reshape %a", [("2x3", HALF)], ("3x2", HALF), lambda a: a.reshape(3, 2)),
    "broadcast": (
        "stablehlo.broadcast_in_dim %a, dims = [1]",
        [("3", HALF)],
        ("2x3", HALF),
        lambda a: np.broadcast_to(a, (2, 3)),
    ),
    "concatenate": (
        "stablehlo.concatenate %a, %b, dim = 1",
        [("2x3", HALF), ("2x1", HALF)],
        ("2x4", HALF),
        lambda a, b: np.concatenate([a, b], 1),
    ),
}
INTEGER_CONVOLUTIONS = {f"convolution{which}" for which in ("", " to sums", " of channels", " by groups")} | {
    "padded convolution"
}


def program(name):
    operation, operands, result, _ = CASES[name]
    names = [f"%{letter}: {tensor(*operand)}" for letter, operand in zip("ab", operands)]
    types = ", ".join(tensor(*operand) for operand in operands)
    return (
        f"func.func @main({', '.join(names)}) -> {tensor(*result)} {{\n"
        f"  %0 = {operation} : ({types}) -> {tensor(*result)}\n  return %0 : {tensor(*result)}\n}}"
    )


@pytest.mark.parametrize("name", CASES)
def test_codes_are_those_of_the_specification(name):
    _, operands, (_, kind), function = CASES[name]
    rng = np.random.default_rng(len(name))
    module = read(program(name))
    arguments, numbers = [], []
    for parameter, (_, operand) in zip(module.entry.parameters, operands):
        shape = parameter.shape.dimensions
        if operand == "f32":
            arguments.append((rng.integers(-300, 300, shape) / 4).astype(np.float32))
            numbers.append(arguments[-1].astype(np.float64))
            continue
        low, high = (max(MEANS[operand][2], -40), min(MEANS[operand][3], 40))
        drawn = rng.integers(low, high + 1, shape)
        numbers.append(real(drawn, operand))
        arguments.append(drawn.astype(parameter.shape.numpy_dtype))
    (got,) = run_tvm(module, arguments)
    wanted = function(*numbers)
    if kind == "f32":
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-5)
        return
    np.testing.assert_array_equal(got.astype(np.int64), codes(wanted, kind).astype(np.int64))
    products = [i for i in module.instructions if i.opcode == "dot"]
    if name in INTEGER_SUMS:
        assert [product.shape.element_type for product in products] == ["s32"]


def program_inside(name):
    """The operation on quantized numbers, which come from and become 32 bit floats."""
    operation, operands, (shape, kind), _ = INSIDE[name]
    lines = []
    for letter, operand in zip("ab", operands):
        if operand[1] != "f32":
            numbers = tensor(operand[0], "f32")
            operation = operation.replace(f"%{letter}", f"%q{letter}")
            lines.append(f"%q{letter} = stablehlo.uniform_quantize %{letter} : ({numbers}) -> {tensor(*operand)}")
    types, result = ", ".join(tensor(*operand) for operand in operands), tensor(shape, "f32")
    lines.append(f"%0 = {operation} : ({types}) -> {tensor(shape, kind)}")
    if kind != "f32":
        lines.append(f"%1 = stablehlo.uniform_dequantize %0 : ({tensor(shape, kind)}) -> {result}")
    arguments = ", ".join(f"%{letter}: {tensor(operand[0], 'f32')}" for letter, operand in zip("ab", operands))
    body = "\n  ".join([*lines, f"return %{int(kind != 'f32')} : {result}"])
    return f"func.func @main({arguments}) -> {result} {{\n  {body}\n}}"


@pytest.mark.parametrize("name", INSIDE)
def test_numbers_between_quantize_and_dequantize_are_those_of_the_specification(name):
    _, operands, (_, kind), function = INSIDE[name]
    rng = np.random.default_rng(len(name))
    module = read(program_inside(name))
    arguments = [(rng.integers(-40, 40, p.shape.dimensions) / 8).astype(np.float32) for p in module.entry.parameters]
    numbers = [
        array.astype(np.float64) if operand == "f32" else real(codes(array.astype(np.float64), operand), operand)
        for array, (_, operand) in zip(arguments, operands)
    ]
    wanted = function(*numbers)
    (got,) = run_tvm(module, arguments)
    np.testing.assert_array_equal(got, wanted if kind == "f32" else real(codes(wanted, kind), kind))
    products = {i.shape.element_type for i in module.instructions if i.opcode == "convolution"}
    if "convolution" in name:
        assert products == {"s32" if name in INTEGER_CONVOLUTIONS else "f32"}


def artifacts(text):
    """A program as text, in a file's bytecode and as a portable artifact."""
    code = (
        "import sys, io\nfrom jaxlib.mlir import ir, passmanager\nfrom jaxlib.mlir.dialects import stablehlo\n"
        "stablehlo.register_stablehlo_passes()\n"
        "with ir.Context() as c, ir.Location.unknown():\n"
        "  stablehlo.register_dialect(c)\n"
        "  load = passmanager.PassManager.parse('builtin.module(vhlo-legalize-to-stablehlo)')\n"
        "  load.run(ir.Module.create().operation)\n"
        "  m, b = ir.Module.parse(sys.stdin.read()), io.BytesIO()\n"
        "  if sys.argv[1] == 'bytecode': m.operation.write_bytecode(b)\n"
        "  else: b.write(stablehlo.serialize_portable_artifact(m, stablehlo.get_current_version()))\n"
        "sys.stdout.buffer.write(b.getvalue())\n"
    )
    run = lambda form: subprocess.run([sys.executable, "-c", code, form], input=text.encode(), capture_output=True)  # noqa: E731
    return {form: run(form).stdout for form in ("bytecode", "artifact")}


def test_every_road_gives_the_same(tmp_path):
    text = program("add")
    wanted = [(i.opcode, str(i.shape)) for i in read(text).instructions]
    path = Path(tmp_path / "add.mlir")
    path.write_text(text)
    sources = {**artifacts(text), "file": path}
    for source in sources.values():
        assert [(i.opcode, str(i.shape)) for i in read(source).instructions] == wanted
        lowered = lower_stablehlo(source)
        assert [(i.opcode, str(i.shape)) for i in read(lowered.hlo).instructions] == wanted


def test_functions_without_quantized_arguments_are_called():
    kind = tensor("2x3", HALF)
    text = (
        f"func.func @main(%a: {kind}) -> tensor<2x3xf32> {{\n %0 = stablehlo.uniform_dequantize %a : ({kind}) -> "
        "tensor<2x3xf32>\n"
        " %1 = func.call @f(%0) : (tensor<2x3xf32>) -> tensor<2x3xf32>\n return %1 : tensor<2x3xf32> }\n"
        f"func.func private @f(%a: tensor<2x3xf32>) -> tensor<2x3xf32> {{\n %0 = stablehlo.uniform_quantize %a : "
        f"(tensor<2x3xf32>) -> {kind}\n %1 = stablehlo.add %0, %0 : {kind}\n %2 = stablehlo.uniform_dequantize %1 : "
        f"({kind}) -> tensor<2x3xf32>\n return %2 : tensor<2x3xf32> }}"
    )
    drawn = np.arange(6, dtype=np.int8).reshape(2, 3) * 15
    (got,) = run_tvm(read(text), [drawn])
    once = real(drawn, HALF)
    np.testing.assert_array_equal(got, real(codes(once + once, HALF), HALF))


def one(arguments, body, result):
    return f"func.func @main({arguments}) -> {result} {{\n{body}\n return %0 : {result} }}"


UNSIGNED, KIND = tensor("2x3", "u8:f32, 0.5:128"), tensor("2x3", HALF)
CELL = "tensor<!quant.uniform<i8:f32, 0.5:1>>"
REFUSED = {
    "uniform<u8": one(f"%a: {UNSIGNED}", f" %0 = stablehlo.add %a, %a : {UNSIGNED}", UNSIGNED),
    "func.call": one(f"%a: {KIND}", f" %0 = func.call @f(%a) : ({KIND}) -> {KIND}", KIND)
    + f"\nfunc.func private @f(%a: {KIND}) -> {KIND} {{ return %a : {KIND} }}",
    "stablehlo.reduce": one(
        f"%a: {KIND}, %b: {CELL}",
        f" %0 = stablehlo.reduce(%a init: %b) applies stablehlo.add across dimensions = [1] : ({KIND}, {CELL}) -> "
        + tensor("2", HALF),
        tensor("2", HALF),
    ),
    "stablehlo.cosine": one(f"%a: {KIND}", f" %0 = stablehlo.cosine %a : {KIND}", KIND),
}


@pytest.mark.parametrize("named", REFUSED)
def test_what_is_not_certain_is_refused_by_name(named):
    for source in (REFUSED[named], *artifacts(REFUSED[named]).values()):
        assert mlir_of(source) is not None
        for road in (read, lower_stablehlo):
            with pytest.raises(HloParseError, match=f"quantized, and .*{named}.*legalize-quant-to-math") as caught:
                road(source)
            assert parsers.QUANTIZED_REFUSAL in str(caught.value)
