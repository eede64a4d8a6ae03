"""Operators that torchax 0.0.13 lowers to wrong numbers, lowered anew. docs/torchax_ops.md compares all with
PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .torchax_import import import_torchax


def lowerings() -> Mapping[Any, Callable[..., Any]]:
    """Functions of JAX's arrays, by operator."""
    import jax.numpy as jnp
    import torch

    aten = torch.ops.aten
    # torchax takes these for the logical operators
    bitwise = {aten.__and__: jnp.bitwise_and, aten.__or__: jnp.bitwise_or, aten.__xor__: jnp.bitwise_xor}
    return {
        **{packet.Scalar: function for packet, function in bitwise.items()},
        **{packet.Tensor: function for packet, function in bitwise.items()},
        aten._linalg_eigh.default: _eigh,
        aten.convolution.default: convolution,
        aten.digamma.default: _digamma,
        aten.linalg_pinv.atol_rtol_tensor: _pinv,
        aten.cholesky_solve.default: _cholesky_solve,
        aten.polygamma.default: _polygamma,
        aten.pow.Scalar: _power,
        aten.pow.Tensor_Scalar: _power,
        aten.pow.Tensor_Tensor: _power,
    }


def convolution(
    x: Any,
    weight: Any,
    bias: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Any:
    """torchax mixes the channels of groups of a transposed convolution, and fails with one padding for all axes."""
    from jax import lax

    axes = weight.ndim - 2
    stride, padding, dilation, output_padding = (
        tuple(each) * (axes // len(each)) for each in (stride, padding, dilation, output_padding)
    )
    images = x if x.ndim == weight.ndim else x.reshape(-1, *x.shape[-axes - 1 :])
    if transposed:
        # each output element gathers what a convolution with the same numbers would have scattered to it
        front = [d * (size - 1) - p for d, size, p in zip(dilation, weight.shape[2:], padding)]
        pads = [(low, low + extra) for low, extra in zip(front, output_padding)]
        kernel = lax.rev(_grouped_outputs(weight, groups), range(2, weight.ndim))
        result = lax.conv_general_dilated(
            images, kernel, (1,) * axes, pads, lhs_dilation=stride, rhs_dilation=dilation, feature_group_count=groups
        )
    else:
        pads = [(each, each) for each in padding]
        result = lax.conv_general_dilated(
            images, weight, stride, pads, rhs_dilation=dilation, feature_group_count=groups
        )
    if bias is not None:
        result = result + bias.reshape(-1, *[1] * axes)
    return result if x.ndim == weight.ndim else result.reshape(*x.shape[: -axes - 1], *result.shape[1:])


def _grouped_outputs(weight: Any, groups: int) -> Any:
    """Weights ``[in, out / groups, …]`` of a transposed convolution as ``[out, in / groups, …]``."""
    inputs, outputs, *window = weight.shape
    parts = weight.reshape(groups, inputs // groups, outputs, *window)
    return parts.swapaxes(1, 2).reshape(groups * outputs, inputs // groups, *window)


def _cholesky_solve(b: Any, factor: Any, upper: bool = False) -> Any:
    """torchax transposes an upper factor without conjugating it, and its batches with it."""
    import jax.numpy as jnp
    from jax.lax import linalg

    batch = jnp.broadcast_shapes(b.shape[:-2], factor.shape[:-2])
    b, factor = (jnp.broadcast_to(each, (*batch, *each.shape[-2:])) for each in (b, factor))
    for adjoint in (upper, not upper):
        b = linalg.triangular_solve(
            factor, b, left_side=True, lower=not upper, transpose_a=adjoint, conjugate_a=adjoint
        )
    return b


def _eigh(matrix: Any, triangle: str = "L", vectors: bool = True) -> tuple[Any, Any]:
    """torchax takes the mean of both triangles, PyTorch the one that it is told."""
    from jax.lax import linalg

    found, values = linalg.eigh(matrix, lower=triangle.upper() == "L", symmetrize_input=False)
    return values, found


def _power(x: Any, y: Any) -> Any:
    """torchax takes powers of integers in floats, where large ones are not exact and do not wrap around."""
    import jax
    import jax.numpy as jnp
    import torch

    if not all(jnp.issubdtype(jnp.result_type(each), jnp.integer) for each in (x, y)):
        known, operator = import_torchax().operators, torch.ops.aten.pow
        return known[operator].func(x, y)
    dtype = jnp.result_type(x, y)
    base, exponent = jnp.broadcast_arrays(jnp.asarray(x, dtype), jnp.asarray(y, dtype))

    def step(_: Any, state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        power, square, left = state
        return jnp.where(left & 1 == 1, power * square, power), square * square, jax.lax.shift_right_logical(left, one)

    one = jnp.ones_like(base)
    power, _, _ = jax.lax.fori_loop(0, jnp.iinfo(dtype).bits, step, (one, base, exponent))
    # of negative exponents what is left of the quotient
    inverse = jnp.where(base == 1, one, jnp.where(base == -one, jnp.where(exponent & 1 == 1, -one, one), 0))
    return jnp.where(exponent < 0, inverse, power) if jnp.issubdtype(dtype, jnp.signedinteger) else power


def _polygamma(order: int, x: Any) -> Any:
    """XLA's zeta adds ten terms, too few where they begin below zero: here as many as lead beyond it."""
    import jax
    import jax.numpy as jnp

    if order == 0:
        return _digamma(x)
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    pole = (x <= 0) & (x == jnp.floor(x))

    def is_low(x: Any) -> Any:
        return (x < 1) & ~pole

    def step(state: tuple[Any, Any]) -> tuple[Any, Any]:
        total, x = state
        return total + jnp.where(is_low(x), x ** -(order + 1), 0), jnp.where(is_low(x), x + 1, x)

    total, x = jax.lax.while_loop(lambda state: is_low(state[1]).any(), step, (jnp.zeros_like(x), x))
    series = jnp.where(pole, jnp.inf, total + jax.scipy.special.zeta(jnp.asarray(order + 1, x.dtype), x))
    series = jnp.where(x == jnp.inf, 0, series) if order == 1 else series
    return (-1) ** (order + 1) * math.factorial(order) * series


def _digamma(x: Any) -> Any:
    """XLA's is not a number at zero, PyTorch's infinite on either side."""
    import jax
    import jax.numpy as jnp

    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    return jnp.where(x == 0, jnp.copysign(jnp.inf, -x), jax.scipy.special.digamma(x))


def _pinv(matrix: Any, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Any:
    """torchax knows of none of the options, and has another limit for what counts as zero."""
    import jax.numpy as jnp

    if rtol is None:
        usual = max(matrix.shape[-2:]) * float(jnp.finfo(matrix.dtype).eps)
        rtol = usual if atol is None else jnp.where(jnp.asarray(atol) > 0, 0.0, usual)
    if hermitian:
        values, left = _eigh(matrix)
        right = left
    else:
        left, values, adjoint = jnp.linalg.svd(matrix, full_matrices=False)
        right = adjoint.mT.conj()
    magnitudes = jnp.abs(values)
    greatest = magnitudes.max(-1, keepdims=True, initial=0)
    absolute, relative = jnp.asarray(0.0 if atol is None else atol), jnp.asarray(rtol)
    limits = jnp.maximum(absolute[..., None], relative[..., None] * greatest)
    inverse = jnp.where(magnitudes > limits, 1 / values, 0).astype(matrix.dtype)
    return (right * inverse[..., None, :]) @ left.mT.conj()
