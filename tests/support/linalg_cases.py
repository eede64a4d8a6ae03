"""Matrices, modules and runs that the tests of linear algebra share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tools.support.compare import run_tvm

from tvm_hlo_frontend.hlo.ir.attributes import Attributes, CustomCallAttributes, TupleIndexAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.module import HloModule
from tvm_hlo_frontend.hlo.ir.shape import Shape, array_shape, element_type_of, tuple_shape


def random_matrix(random: np.random.Generator, shape: Sequence[int], dtype: str = "float32") -> np.ndarray:
    """Standard normal elements."""
    values = random.standard_normal(tuple(shape))
    if np.dtype(dtype).kind == "c":
        values = values + 1j * random.standard_normal(tuple(shape))
    return values.astype(dtype)


def positive_definite(random: np.random.Generator, shape: Sequence[int], dtype: str = "float32") -> np.ndarray:
    """Well-conditioned symmetric (Hermitian) positive definite matrices."""
    a = random_matrix(random, shape, "complex128" if np.dtype(dtype).kind == "c" else "float64")
    n = shape[-1]
    return (a @ adjoint(a) / n + np.eye(n)).astype(dtype)


def adjoint(a: np.ndarray) -> np.ndarray:
    """Conjugate transpose of the last two dimensions."""
    return a.conj().swapaxes(-1, -2)


def wide(a: np.ndarray) -> np.ndarray:
    """In double precision."""
    return a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)


def epsilon(dtype: Any) -> float:
    return float(np.finfo(dtype).eps)


def one_instruction(
    opcode: str, arguments: Sequence[np.ndarray], attributes: Attributes, shape: Shape | None = None
) -> HloModule:
    """Module of one instruction whose operands are the parameters."""
    builder = ComputationBuilder("main")
    operands = [
        builder.parameter(number, array_shape(element_type_of(array.dtype), array.shape))
        for number, array in enumerate(arguments)
    ]
    return module("linalg", builder.build(builder.add(opcode, operands, shape, attributes)))


def lower(function: Any, *arguments: Any, platform: str = "cpu") -> bytes:
    """Serialized HloModuleProto that JAX lowers `function` to for `platform`."""
    import jax

    traced = jax.jit(function, keep_unused=True).trace(*arguments)
    return traced.lower(lowering_platforms=(platform,)).compiler_ir("hlo").as_serialized_hlo_module_proto()


def run(function: Any, *arguments: Any, platform: str = "cpu") -> list[np.ndarray]:
    """Flat results of a JAX function by way of its HLO for `platform` and TVM."""
    return run_tvm(lower(function, *arguments, platform=platform), arguments)


def custom_call(
    target: str, arguments: Sequence[Any], results: Sequence[tuple[Sequence[int], str]], config: bytes = b""
) -> tuple[HloModule, list[np.ndarray]]:
    """(module of one custom-call, its arguments); Python ints are s32 constants, numpy scalars of their own type."""
    builder = ComputationBuilder("main")
    operands, arrays = [], []
    for argument in arguments:
        if isinstance(argument, int):
            operands.append(builder.constant(argument, "s32"))
        elif isinstance(argument, np.integer):
            operands.append(builder.constant(argument, element_type_of(argument.dtype)))
        else:
            operands.append(
                builder.parameter(len(arrays), array_shape(element_type_of(argument.dtype), argument.shape))
            )
            arrays.append(argument)
    shapes = [array_shape(element_type_of(np.dtype(dtype)), shape) for shape, dtype in results]
    shape = tuple_shape(*shapes) if len(shapes) > 1 else shapes[0]
    call = builder.add("custom-call", operands, shape, CustomCallAttributes(target, backend_config=config))
    parts = [call]
    if len(shapes) > 1:
        parts = [
            builder.add("get-tuple-element", [call], part, TupleIndexAttributes(i)) for i, part in enumerate(shapes)
        ]
    return module("call", builder.build(builder.add("tuple", parts))), arrays


def run_call(
    target: str, arguments: Sequence[Any], results: Sequence[tuple[Sequence[int], str]], config: bytes = b""
) -> list[np.ndarray]:
    """Results of a custom-call."""
    return run_tvm(*custom_call(target, arguments, results, config))


def assert_close(got: np.ndarray, wanted: np.ndarray, factor: float) -> None:
    """Greatest difference within `factor` units of the precision of `got`, relative to the greatest element."""
    assert got.shape == wanted.shape
    scale = max(float(np.abs(wanted).max(initial=0)), 1e-300)
    assert float(np.abs(wide(got) - wide(wanted)).max(initial=0)) <= factor * epsilon(got.dtype) * scale


def assert_orthonormal_columns(q: np.ndarray) -> None:
    """Q^H Q = I."""
    n = q.shape[-1]
    error = np.abs(adjoint(wide(q)) @ wide(q) - np.eye(n)).max(initial=0)
    assert error <= 30 * epsilon(q.dtype) * max(q.shape[-2:]) ** 0.5
