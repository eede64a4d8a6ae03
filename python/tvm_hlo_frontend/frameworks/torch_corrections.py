"""Operators that torchax 0.0.13 lowers to wrong numbers, lowered anew. docs/torchax_ops.md compares all with
PyTorch."""

from __future__ import annotations

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
        aten.cholesky_solve.default: _cholesky_solve,
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
