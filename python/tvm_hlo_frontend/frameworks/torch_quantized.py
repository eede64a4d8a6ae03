"""Operators of quantized PyTorch programs that torchax knows nothing of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

# the operators that torch's and torchao's tools put around those of float programs
NAMESPACE = "quantized_decomposed"


def decompositions(program: Any) -> Mapping[Any, Callable[..., Any]]:
    """What quantizes and dequantizes in an ExportedProgram, as torch itself computes it: by its other operators."""
    import torch

    key = torch._C.DispatchKey.CompositeExplicitAutograd
    found = {
        node.target
        for node in program.graph.nodes
        if isinstance(node.target, torch._ops.OpOverload) and node.target.namespace == NAMESPACE
    }
    return {operator: partial(operator._op_dk, key) for operator in found}


def lowerings() -> Mapping[Any, Callable[..., Any]]:
    """Functions of JAX's arrays by operator."""
    import torch

    return {torch.ops.aten._int_mm.default: _integer_product}


def _integer_product(first: Any, second: Any) -> Any:
    """Product of two matrices of 8 bit integers, summed in 32 bits."""
    import jax

    return jax.lax.dot(first, second, preferred_element_type=jax.numpy.int32)
