"""Errors of the scalar definitions against numpy in a wider type, over all exponents, and code for other targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tvm
from tvm import te

from tests.support.dialect_marks import DIALECT
from tests.support.emitted import code_of, compiled, target_of, tensor
from tvm_hlo_frontend.analysis.scalar_expression import elementwise_expression
from tvm_hlo_frontend.kernels.dtypes import TVM_DTYPES
from tvm_hlo_frontend.kernels.elementwise.scalar import evaluate

LANES = 16


def kernel(
    opcode: str, kind: str, count: int, operands: int = 1, attributes: tuple = (), target: str = "llvm", to: str = ""
) -> Any:
    """Compiled function of one opcode on vectors; the last elements are done by scalar code."""
    expression = elementwise_expression(opcode, to or kind, (kind,) * operands, attributes)
    inputs = [te.placeholder((count,), TVM_DTYPES[kind]) for _ in range(operands)]
    output = te.compute((count,), lambda i: evaluate(expression, [tensor[i] for tensor in inputs])[0], name="out")
    if DIALECT == "relax":
        return _kernel_of_prim_func(te.create_prim_func([*inputs, output]), target)
    schedule = te.create_schedule(output.op)
    if target != "c":  # C has no vectors
        _, inner = schedule[output].split(output.op.axis[0], LANES)
        schedule[output].vectorize(inner)
    return tvm.build(schedule, [*inputs, output], target)


def _kernel_of_prim_func(function: Any, target: str) -> Any:
    from tvm import s_tir

    schedule = s_tir.Schedule(function)
    if target != "c":
        (loop,) = schedule.get_loops(schedule.get_sblock("out"))
        schedule.vectorize(schedule.split(loop, [None, LANES])[1])
    return compiled(schedule.mod["main"], target_of(target))


def run(opcode: str, *arrays: np.ndarray) -> np.ndarray:
    kind = {"float32": "f32", "float64": "f64"}[arrays[0].dtype.name]
    result = tensor(np.zeros(arrays[0].shape, arrays[0].dtype))
    kernel(opcode, kind, arrays[0].size, len(arrays))(*map(tensor, arrays), result)
    return result.numpy()


def erf(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf as reference

    return reference(x.astype(np.float64))


REFERENCES = {
    "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin, "asinh": np.arcsinh, "atan": np.arctan,
    "atanh": np.arctanh, "cbrt": np.cbrt, "cosine": np.cos, "cosh": np.cosh, "erf": erf, "exponential": np.exp,
    "exponential-minus-one": np.expm1, "log": np.log, "log-plus-one": np.log1p,
    "logistic": lambda x: 1 / (1 + np.exp(-x)), "rsqrt": lambda x: 1 / np.sqrt(x), "sine": np.sin, "sinh": np.sinh,
    "sqrt": np.sqrt, "tan": np.tan, "tanh": np.tanh,
}  # fmt: skip
# units in the last place
LIMITS = {"float32": 2.5, "float64": 3.0}


def samples(dtype: type) -> np.ndarray:
    """All exponents, and the range where models compute."""
    word = {np.float32: np.uint32, np.float64: np.uint64}[dtype]
    count = 200_003
    step = (1 << (8 * np.dtype(word).itemsize)) // count
    every = (np.arange(count, dtype=np.uint64) * np.uint64(step)).astype(word).view(dtype)
    near = np.concatenate([np.linspace(-12, 12, 100_000), np.linspace(-1, 2, 100_000), np.linspace(-105, 90, 20_000)])
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 1e-10, -1e-10, 1e-40], dtype)
    return np.concatenate([every, near.astype(dtype), special])


def errors(got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """In units of the last place of the true value; results that flush to zero count as right."""
    info = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        rounded = wanted.astype(got.dtype)
        unit = np.spacing(np.maximum(np.abs(rounded), info.tiny)).astype(wanted.dtype)
        error = np.abs(got.astype(wanted.dtype) - wanted) / unit
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    tiny = (np.abs(rounded) < info.tiny) & (np.abs(got) <= info.tiny)
    return np.where(same | tiny, 0, np.where(np.isnan(error), np.inf, error))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("opcode", REFERENCES)
def test_error_of_one_operand(opcode: str, dtype: type) -> None:
    x = samples(dtype)
    wide = x.astype(np.float64 if dtype is np.float32 else np.longdouble)
    with np.errstate(all="ignore"):
        wanted = REFERENCES[opcode](wide).astype(wide.dtype)
    got = run(opcode, x)
    error = errors(got, wanted)
    worst = int(np.argmax(error))
    limit = 4.0 if (opcode, dtype) == ("cbrt", np.float64) else LIMITS[x.dtype.name]  # glibc's cbrt
    assert error[worst] <= limit, f"{opcode}({x[worst]!r}) is {got[worst]!r}, not {wanted[worst]!r}"


def test_exponentials_that_are_no_normal_numbers_are_zero() -> None:
    """As on XLA:CPU, which flushes denormals; 53 elements leave a rest behind every vector."""
    least = np.float32(-87.33654)
    below = np.nextafter(least, np.float32(-100))
    x = np.resize(np.array([least, below, -88, -100, -104, -1e9, -np.inf, 0, np.nan], np.float32), 53)
    got, normal = run("exponential", x), x >= least
    assert (got[x < least] == 0).all() and not np.signbit(got[x < least]).any()
    assert (got[normal] >= np.finfo(np.float32).tiny).all()
    assert np.isnan(got[np.isnan(x)]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize(("opcode", "reference"), [("power", np.power), ("atan2", np.arctan2)])
def test_error_of_two_operands(opcode: str, reference: Any, dtype: type) -> None:
    rng = np.random.default_rng(3)
    special = np.array([0.0, -0.0, 1, -1, 2, -2, 0.5, 3, np.inf, -np.inf, np.nan], dtype)
    left, right = (grid.ravel() for grid in np.meshgrid(special, special))
    left = np.concatenate([left, rng.uniform(0, 20, 5000).astype(dtype), rng.uniform(-20, 20, 500).astype(dtype)])
    right = np.concatenate([right, rng.uniform(-20, 20, 5000).astype(dtype), rng.integers(-9, 9, 500).astype(dtype)])
    wide = np.float64 if dtype is np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        wanted = reference(left.astype(wide), right.astype(wide))
    error = errors(run(opcode, left, right), wanted)
    assert error.max() <= LIMITS[np.dtype(dtype).name], (left[error.argmax()], right[error.argmax()])


SAMPLE = [
    ("add", "f32", 2, (), ""), ("tanh", "f32", 1, (), ""), ("log", "f32", 1, (), ""), ("cbrt", "f64", 1, (), ""),
    ("maximum", "f32", 2, (), ""), ("compare", "f32", 2, ("LT", "FLOAT"), "pred"), ("divide", "s32", 2, (), ""),
    ("multiply", "u64", 2, (), ""), ("popcnt", "s8", 1, (), ""), ("count-leading-zeros", "s64", 1, (), ""),
    ("convert", "f64", 1, (), "u8"), ("reduce-precision", "f32", 1, (5, 10), ""), ("remainder", "f32", 2, (), ""),
    ("shift-left", "s16", 2, (), ""), ("sign", "f64", 1, (), ""), ("round-nearest-even", "f32", 1, (), ""),
]  # fmt: skip


@pytest.mark.parametrize("target", ["c", "llvm -mtriple=aarch64-linux-gnu"])
def test_code_for_other_targets(target: str) -> None:
    for opcode, kind, operands, attributes, to in SAMPLE:
        code = kernel(opcode, kind, 64, operands, attributes, target, to)
        assert code_of(code, "c" if target == "c" else "asm"), opcode


@pytest.mark.parametrize("opcode", ["exponential", "tanh", "logistic", "erf", "log", "maximum", "round-nearest-even"])
def test_hot_functions_are_vectors(opcode: str) -> None:
    code = code_of(kernel(opcode, "f32", 64, 2 if opcode == "maximum" else 1), "ll")
    body = code[code.index("define internal") :]
    assert "<16 x float>" in body
    assert "masked.gather" not in code
    assert not any(f"call float @{name}f" in code for name in ("exp", "tanh", "erf", "log"))
