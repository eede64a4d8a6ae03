"""Products and convolutions as JAX's programs, channels last, with their weights as constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .operations import Convolution, Dot, Operation


def program(operation: Operation) -> Callable[..., Any]:
    """Function of `operation.inputs()`."""
    return dot(operation) if isinstance(operation, Dot) else convolution(operation)


def dot(operation: Dot) -> Callable[..., Any]:
    import jax.numpy as jnp

    kind = jnp.int32 if operation.dtype == "int8" else operation.dtype
    if operation.batch is not None:
        equation = "bmk,bnk->bmn" if operation.transposed else "bmk,bkn->bmn"
        return lambda left, right: jnp.einsum(equation, left, right)
    weights = operation.weights()
    return lambda left: jnp.dot(left, weights, preferred_element_type=kind)


def convolution(operation: Convolution) -> Callable[..., Any]:
    from jax import lax

    rank = len(operation.size)
    letters = "DHW"[-rank:]
    numbers = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    weights = operation.weights()
    if operation.transposed:
        # the gradient's: the image is dilated, the weights are reversed
        weights = np.ascontiguousarray(np.moveaxis(np.flip(weights, range(2, rank + 2)), (0, 1), (-2, -1)))
        padding = [(extent - 1 - pad,) * 2 for extent, pad in zip(operation.kernel, operation.padding)]
        options: dict[str, Any] = {"window_strides": (1,) * rank, "lhs_dilation": (operation.stride,) * rank}
    else:
        weights = np.ascontiguousarray(np.moveaxis(weights, (0, 1), (-1, -2)))
        padding = [(pad, pad) for pad in operation.padding]
        options = {"window_strides": (operation.stride,) * rank, "rhs_dilation": (operation.dilation,) * rank}
    options |= {"padding": padding, "feature_group_count": operation.groups, "dimension_numbers": numbers}
    return lambda image: lax.conv_general_dilated(image, weights, **options)
