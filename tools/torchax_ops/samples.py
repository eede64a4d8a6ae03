"""Operators and sample inputs of torch.testing, and modules that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

# element types that every operator is tried with, and at most how many of its samples
SAMPLES = {"float32": 12, "int64": 4, "bool": 2, "complex64": 4}
# those that go into one module: JAX's 64-bit types are off where a program has none
TOGETHER = (("float32",), ("int64",), ("bool", "complex64"))
SEED = 0
# the order of equal elements is open, of which only float32 has none
TIES = frozenset({"argsort", "sort", "topk", "kthvalue", "mode", "msort"})

# the sign of their vectors is open
SIGNLESS = frozenset({"linalg.eigh", "linalg.svd", "svd", "linalg.eig"})


@dataclass(frozen=True)
class Sample:
    """One call of an operator.

    Attributes
    ----------
    operator : callable
    arguments : tuple
        Positional arguments, and a dict of the others.
    dtype : str
        The element type that it is a sample of.
    unique : callable
        Of a result that is one of several, what all of them have: of vectors without a sign, their magnitudes.
    """

    operator: Any
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    dtype: str = "float32"
    unique: Any = field(default=lambda result: result)


def modules() -> list[str]:
    """Names of what a worker runs at once: an operator and element types, the most telling ones first."""
    return [f"{name} {'/'.join(dtypes)}" for dtypes in TOGETHER for name in sorted(operators())]


@cache
def operators() -> dict[str, Any]:
    """OpInfo by name, of a variant with the variant's name behind it."""
    from torch.testing._internal.common_methods_invocations import op_db

    return {".".join(filter(None, (info.name, info.variant_test_name))): info for info in op_db}


def samples_of(info: Any, dtype: str) -> list[Sample]:
    """Samples of an operator for an element type, the same ones at every call; none if it does not take that type."""
    import torch

    element_type = getattr(torch, dtype)
    if element_type not in info.supported_dtypes("cpu") or (info.name in TIES and dtype != "float32"):
        return []
    torch.manual_seed(SEED)
    found = [
        Sample(
            info.op,
            ((each.input, *each.args), dict(each.kwargs)),
            dtype,
            magnitudes if info.name in SIGNLESS else each.output_process_fn_grad,
        )
        for each in info.sample_inputs("cpu", element_type)
    ]
    return evenly(found, SAMPLES[dtype])


def magnitudes(result: Any) -> Any:
    """Of all elements of the tensors in a result."""
    import torch
    from torch.utils import _pytree as pytree

    return pytree.tree_map(torch.abs, list(result))


def evenly(values: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of some values, the first and the last among them."""
    if len(values) <= count:
        return list(values)
    return [values[i * (len(values) - 1) // (count - 1)] for i in range(count)]


def tensors_of(samples: Sequence[Sample]) -> list[Any]:
    """The tensors among their arguments, in order."""
    import torch
    from torch.utils import _pytree as pytree

    leaves = [leaf for each in samples for leaf in pytree.tree_leaves(each.arguments)]
    return [leaf.detach().clone() for leaf in leaves if isinstance(leaf, torch.Tensor)]


def module_of(samples: Sequence[Sample]) -> Any:
    """A module of the tensors of some samples; its results are a list with the tensors of each result."""
    import torch
    from torch.utils import _pytree as pytree

    class Calls(torch.nn.Module):
        def forward(self, tensors: Any) -> Any:
            rest = iter(tensors)
            return [self.call(each, rest) for each in samples]

        def call(self, sample: Sample, rest: Any) -> list[Any]:
            leaves, structure = pytree.tree_flatten(sample.arguments)
            leaves = [next(rest) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
            args, kwargs = pytree.tree_unflatten(leaves, structure)
            return [
                each for each in pytree.tree_leaves(sample.operator(*args, **kwargs)) if isinstance(each, torch.Tensor)
            ]

    return Calls()
