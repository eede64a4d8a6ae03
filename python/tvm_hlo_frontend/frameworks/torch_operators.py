"""Operators of compiled graphs that torchax has no lowering of, or none that can be traced: gradients, conversions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .torchax_import import import_torchax


def lowerings() -> Mapping[Any, Callable[..., Any]]:
    """Functions of JAX's arrays, by operator."""
    import torch

    aten, prims = torch.ops.aten, torch.ops.prims
    return {
        prims.convert_element_type.default: _convert,
        aten.convolution.default: _convolution,
        aten.convolution_backward.default: _convolution_backward,
        aten.max_pool2d_with_indices_backward.default: _max_pool_backward,
        aten.max_pool3d_with_indices_backward.default: _max_pool_backward,
    }


def _convert(x: Any, dtype: Any) -> Any:
    return x.astype(import_torchax().dtype_of(dtype))


def _convolution(
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
    """torchax 0.0.13 mixes the channels of groups of a transposed convolution, and fails with one padding for all
    dimensions."""
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


def _convolution_backward(gradient: Any, x: Any, weight: Any, bias_sizes: Any, *options: Any) -> tuple[Any, Any, Any]:
    """Of input, weight and bias; those that the last option does not ask for are None."""
    import jax

    *options_of_convolution, wanted = options
    _, pull = jax.vjp(lambda x, weight: _convolution(x, weight, None, *options_of_convolution), x, weight)
    of_x, of_weight = pull(gradient)
    of_bias = gradient.sum([axis for axis in range(gradient.ndim) if axis != 1])
    of_x, of_weight, of_bias = (each if asked else None for each, asked in zip((of_x, of_weight, of_bias), wanted))
    return of_x, of_weight, of_bias


def _max_pool_backward(gradient: Any, x: Any, window: Sequence[int], *options_and_indices: Any) -> Any:
    """Of the input; the indices of a window count along all of its dimensions."""
    import jax.numpy as jnp

    indices, dimensions = options_and_indices[-1], len(window)
    rows = math.prod(x.shape[:-dimensions])
    zeros = jnp.zeros((rows, math.prod(x.shape[-dimensions:])), x.dtype)
    flat, places = gradient.reshape(rows, -1), indices.reshape(rows, -1)
    return zeros.at[jnp.arange(rows)[:, None], places].add(flat).reshape(x.shape)
