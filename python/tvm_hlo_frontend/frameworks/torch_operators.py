"""Operators of compiled graphs that torchax has no lowering of, or none that can be traced: gradients, conversions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .torch_corrections import convolution
from .torchax_import import import_torchax


def lowerings() -> Mapping[Any, Callable[..., Any]]:
    """Functions of JAX's arrays, by operator."""
    import torch

    aten, prims = torch.ops.aten, torch.ops.prims
    return {
        prims.convert_element_type.default: _convert,
        aten.convolution_backward.default: _convolution_backward,
        aten.max_pool2d_with_indices_backward.default: _max_pool_backward,
        aten.max_pool3d_with_indices_backward.default: _max_pool_backward,
    }


def _convert(x: Any, dtype: Any) -> Any:
    return x.astype(import_torchax().dtype_of(dtype))


def _convolution_backward(gradient: Any, x: Any, weight: Any, bias_sizes: Any, *options: Any) -> tuple[Any, Any, Any]:
    """Of input, weight and bias; those that the last option does not ask for are None."""
    import jax

    *options_of_convolution, wanted = options
    _, pull = jax.vjp(lambda x, weight: convolution(x, weight, None, *options_of_convolution), x, weight)
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
