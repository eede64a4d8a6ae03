"""Products and convolutions as modules of PyTorch, channels first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .operations import Convolution, Dot, Operation


class IntegerProduct(torch.nn.Module):
    """s8 times s8 in s32."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(weights))

    def forward(self, left: torch.Tensor) -> torch.Tensor:
        return torch._int_mm(left, self.weights)


class BatchedProduct(torch.nn.Module):
    """Products of two arguments."""

    def __init__(self, transposed: bool) -> None:
        super().__init__()
        self.transposed = transposed

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return torch.matmul(left, right.transpose(-1, -2) if self.transposed else right)


def module(operation: Operation) -> torch.nn.Module:
    """Module of `inputs(operation)`, in inference mode."""
    made = dot(operation) if isinstance(operation, Dot) else convolution(operation)
    return made.eval().requires_grad_(False)


def inputs(operation: Operation) -> list[np.ndarray]:
    """As `operation.inputs()`, channels first."""
    return [channels_first(array) for array in operation.inputs()] if operation.channels_last else operation.inputs()


def channels_first(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(array, -1, 1))


def dot(operation: Dot) -> torch.nn.Module:
    if operation.batch is not None:
        return BatchedProduct(operation.transposed)
    if operation.dtype == "int8":
        return IntegerProduct(operation.weights())
    made = torch.nn.Linear(operation.k, operation.n, bias=False)
    made.weight = torch.nn.Parameter(tensor(np.ascontiguousarray(operation.weights().T)), requires_grad=False)
    return made


def convolution(operation: Convolution) -> torch.nn.Module:
    rank = len(operation.size)
    kind = getattr(torch.nn, f"Conv{'Transpose' * operation.transposed}{rank}d")
    made = kind(
        operation.channels,
        operation.features,
        operation.kernel,
        stride=operation.stride,
        padding=operation.padding,
        dilation=operation.dilation,
        groups=operation.groups,
        bias=False,
    )
    made.weight = torch.nn.Parameter(tensor(operation.weights()), requires_grad=False)
    return made


def tensor(array: Any) -> torch.Tensor:
    """Of a numpy array, which may be of bf16."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    return torch.from_numpy(array)


def tensors(arrays: Sequence[Any]) -> list[torch.Tensor]:
    return [tensor(array) for array in arrays]


def array(value: torch.Tensor) -> np.ndarray:
    """A numpy array of a tensor; bf16 as f32."""
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
