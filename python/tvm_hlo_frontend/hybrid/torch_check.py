"""Whether TVM's results are PyTorch's own, up to rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..frameworks.exported_program import to_numpy, to_torch
from ..oracle import agreement


def disagreement(
    run: Callable[[Sequence[Any]], Sequence[Any]],
    reference: Callable[[Sequence[Any]], Sequence[Any]],
    arguments: Sequence[Any],
    tolerance: float | None = None,
) -> str:
    """How the outputs of a graph differ from PyTorch's; empty if they do not.

    Parameters
    ----------
    run, reference : callable
        Arguments to outputs, without effects: TVM's and PyTorch's.
    arguments : sequence of torch.Tensor, number or None
    tolerance : float, optional
        For floating point numbers, in the place of `agreement.TOLERANCE`. Integers and truth values must be equal.
    """
    ours, theirs = run(arguments), reference(arguments)
    tensors = [number for number, each in enumerate(theirs) if _is_tensor(each)]
    for number, (own, wanted) in enumerate(zip(ours, theirs, strict=True)):
        if number not in tensors and not (own is wanted or own == wanted):
            return f"output {number} is {own!r}, PyTorch's is {wanted!r}"

    def again(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        rounded = iter(arrays)
        others = [_like(each, next(rounded)) if _is_tensor(each) else each for each in arguments]
        return _arrays(reference(others))

    given = _arrays(arguments)
    found = agreement.disagreement(
        _arrays([ours[number] for number in tensors]), _arrays(theirs), tolerance, given, again
    )
    if found is None:
        return ""
    place = f"output {tensors[found.result]}"
    if found.kind:
        return f"{place} is {found.kind}"
    return f"{place} differs from PyTorch's by {found.difference:.2g}, {found.allowed:.2g} is allowed"


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _arrays(values: Sequence[Any]) -> list[np.ndarray]:
    return [to_numpy(each, "a tensor") for each in values if _is_tensor(each)]


def _like(tensor: Any, array: np.ndarray) -> Any:
    """The elements of an array with the strides of a tensor."""
    import torch

    return torch.empty_like(tensor.detach()).copy_(to_torch(array))
