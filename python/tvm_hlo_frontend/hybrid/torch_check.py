"""Whether TVM's results are PyTorch's own, up to rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

# greatest difference, as a part of the greatest finite magnitude that PyTorch's result has: what another order of
# additions makes is far below it, what a wrong lowering makes is far above
TOLERANCE = {"float64": 1e-6, "float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2, "complex128": 1e-6, "complex64": 1e-3}
# where little but rounding is left of a result, as of the gradient of a bias before a batch norm, it may differ by this
# many times what the rounding of the arguments makes of it, within the tolerance of the greatest magnitude in the graph
OF_ROUNDING = 100.0


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
        For floating point numbers, in the place of `TOLERANCE`. Integers and truth values must be equal.
    """
    ours, theirs = run(arguments), reference(arguments)
    rounded: Sequence[Any] = ()
    for number, (own, wanted) in enumerate(zip(ours, theirs, strict=True)):
        different = _kind_of_difference(own, wanted)
        if different:
            return f"output {number} is {different}"
        difference, allowed = _difference(own, wanted), _allowed(wanted, tolerance)
        if difference <= allowed:
            continue
        rounded = rounded or reference([_rounded_otherwise(each) for each in arguments])
        greatest = max(_allowed(each, tolerance) for each in (*arguments, *theirs))
        noise = min(OF_ROUNDING * _difference(rounded[number], wanted), greatest)
        if not difference <= allowed + noise:  # also where it is no number
            return f"output {number} differs from PyTorch's by {difference:.2g}, {allowed:.2g} is allowed"
    return ""


def _kind_of_difference(own: Any, wanted: Any) -> str:
    """How outputs differ that are no tensors, or tensors of another shape or type; empty if they do not."""
    import torch

    if not isinstance(wanted, torch.Tensor):
        return "" if own is wanted or own == wanted else f"{own!r}, PyTorch's is {wanted!r}"
    if own.dtype != wanted.dtype or own.shape != wanted.shape:
        return f"{own.dtype}{list(own.shape)}, PyTorch's is {wanted.dtype}{list(wanted.shape)}"
    return ""


def _difference(own: Any, wanted: Any) -> float:
    """The greatest difference; inf where one of them is not finite and the other is something else, or of integers."""
    import torch

    if not isinstance(wanted, torch.Tensor):
        return 0.0
    if not wanted.is_floating_point() and not wanted.is_complex():
        return 0.0 if torch.equal(own, wanted) else float("inf")
    wide = torch.complex128 if wanted.is_complex() else torch.float64
    own, wanted = own.detach().to(wide), wanted.detach().to(wide)
    finite = torch.isfinite(wanted)
    same = (own == wanted) | (torch.isnan(own) & torch.isnan(wanted))
    if not bool(torch.all(finite | same)):
        return float("inf")
    return float((own - wanted)[finite].abs().max()) if bool(finite.any()) else 0.0


def _allowed(wanted: Any, tolerance: float | None) -> float:
    import torch

    if not isinstance(wanted, torch.Tensor) or not (wanted.is_floating_point() or wanted.is_complex()):
        return 0.0
    part = TOLERANCE.get(str(wanted.dtype).removeprefix("torch."), 0.5) if tolerance is None else tolerance
    finite = wanted.detach()[torch.isfinite(wanted)].abs().double()
    return part * float(finite.max()) if finite.numel() else 0.0


def _rounded_otherwise(argument: Any) -> Any:
    """A floating point tensor whose elements were rounded up or down by chance; what is none as it is."""
    import torch

    if not isinstance(argument, torch.Tensor) or not argument.is_floating_point():
        return argument
    value = argument.detach()
    signs = torch.randint(0, 2, value.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    rounded = value.double() * (1 + signs * torch.finfo(value.dtype).eps)
    return torch.empty_like(value).copy_(rounded)  # strides as they were
