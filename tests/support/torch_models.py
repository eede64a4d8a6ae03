"""Small PyTorch models for the tests of both roads from PyTorch to HLO."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree


class Function(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


class Attention(nn.Module):
    """A transformer block with a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.mlp = nn.Sequential(nn.Linear(16, 24), nn.GELU(), nn.Linear(24, 16))

    def forward(self, x: Any, mask: Any) -> Any:
        attended, _ = self.attend(x, x, x, key_padding_mask=mask, need_weights=False)
        x = self.norm(x + attended)
        return x + self.mlp(x)


class Embedding(nn.Module):
    """Integer and bool inputs, several results."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, ids: Any, mask: Any) -> Any:
        hidden = self.table(ids).masked_fill(~mask[..., None], 0.0)
        positions = ids + torch.arange(ids.shape[1])
        return {"logits": self.head(hidden.mean(1)), "positions": positions, "best": hidden.argmax(-1)}


def convolutional() -> nn.Module:
    """Convolutions with batch normalisation and pooling."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
    )


def model(name: str) -> tuple[nn.Module, tuple[Any, ...]]:
    """A model with random weights and its inputs."""
    torch.manual_seed(0)
    if name == "mlp":
        return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4), nn.Softmax(-1)), (torch.randn(2, 8),)
    if name == "cnn":
        module = convolutional()
        with torch.no_grad():
            module(torch.randn(8, 3, 8, 8))  # running statistics that are not 0 and 1
        return module, (torch.randn(2, 3, 8, 8),)
    if name == "lstm":
        return nn.LSTM(4, 6, batch_first=True), (torch.randn(2, 3, 4),)
    if name == "attention":
        mask = torch.tensor([[False, False, True], [False, True, True]])
        return Attention(), (torch.randn(2, 3, 16), mask)
    return Embedding(), (torch.randint(0, 50, (2, 6)), torch.rand(2, 6) > 0.5)


def tensors(value: Any) -> list[Any]:
    """Tensors among the leaves of `value`."""
    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def assert_same(got: Any, wanted: Any, tolerance: float = 2e-6) -> None:
    """Assert that TVM's results are torch's: dtypes, shapes, integers exactly, floats within `tolerance`."""
    got = got if isinstance(got, tuple) else (got,)
    for ours, theirs in zip(got, tensors(wanted), strict=True):
        theirs = theirs.detach().numpy()
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        if theirs.dtype.kind == "f":
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(ours, theirs)
