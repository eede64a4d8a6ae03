"""Modules of several functions: a dialect whose main calls what was converted with it, and has TVM's own operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..hlo.ir.shape import Shape
from .base import Dialect
from .values import Tensor

# a function of the module: tensors to tensors
Function = Callable[[Sequence[Tensor]], Sequence[Tensor]]


@dataclass(frozen=True)
class Pool:
    """Windows of a pooling, channels first; one entry per spatial dimension."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dimensions: tuple[int, ...]


@dataclass(frozen=True)
class Converted:
    """An HLO module as a function of the module that is being made.

    Attributes
    ----------
    function : object
        Its GlobalVar.
    weights : dict of str to numpy.ndarray
        Values of what it takes behind its inputs.
    attributes : mapping of str to str
        Signature and report, as `from_hlo` makes them.
    nodes : mapping of str to str
        What its source calls such weights, by the names that they have in the signature.
    flops : int
        Operations of one run, those of loops as often as they are known to run.
    """

    function: Any
    weights: Mapping[str, np.ndarray]
    attributes: Mapping[str, str]
    nodes: Mapping[str, str] = field(default_factory=dict)
    flops: int = 0


class ProgramDialect(Dialect, Protocol):
    """A dialect that makes main: its operators are TVM's own, which build compiles."""

    def function_dialect(self, name: str) -> Any:
        """Dialect for `from_hlo`, which then returns a `Converted`: its main becomes the function `name`."""
        ...

    def call_function(self, converted: Converted, operands: Sequence[Tensor], results: Sequence[Shape]) -> list[Tensor]:
        """Results of a function; `operands` are its inputs, then its weights."""
        ...

    def call_host(self, name: str, operands: Sequence[Tensor], results: Sequence[Shape], effect: bool) -> list[Tensor]:
        """Results of a packed function; with an `effect` the call stays, in its place."""
        ...

    def relu(self, x: Tensor) -> Tensor:
        """Maximum with zero; NaN stays."""
        ...

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        """x[M, K] . y[K, N]."""
        ...

    def average_pool(self, x: Tensor, pool: Pool) -> Tensor:
        """Means of windows, padding not counted; channels first."""
        ...

    def batch_norm(self, x: Tensor, statistics: Sequence[Tensor], epsilon: float, axis: int) -> Tensor:
        """Scale, offset, mean, variance along `axis`."""
        ...

    def softmax(self, x: Tensor) -> Tensor:
        """Along the last dimension."""
        ...

    def resize_nearest(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        """The nearest of pixels that have their values in their middle; channels last."""
        ...
