"""Unknown sizes of an ExportedProgram (torch.export with Dim) as symbols of JAX."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .exported_program import tensors_of


def names_of(inputs: Sequence[Any]) -> dict[str, str]:
    """A name for each of torch's symbols in the shapes of inputs: that of the first input and dimension which it is,
    else of which it is a part.

    Parameters
    ----------
    inputs : sequence of torch.fx.Node
    """
    found: dict[str, str] = {}
    places = [
        (f"{node.name}_{axis}", size)
        for node in inputs
        for tensor in tensors_of(node.meta.get("val"))
        for axis, size in enumerate(tensor.shape)
        if not isinstance(size, int)
    ]
    for alone in (True, False):
        for place, size in places:
            for symbol in sorted(size.node.expr.free_symbols, key=str):
                if not alone or size.node.expr == symbol:
                    found.setdefault(str(symbol), place)
    return found


def symbols_of(value: Any) -> set[str]:
    """Torch's symbols in the shapes of tensors, or in a number."""
    if hasattr(value, "node"):
        return {str(symbol) for symbol in value.node.expr.free_symbols}
    return {
        str(symbol)
        for tensor in tensors_of(value)
        for size in tensor.shape
        if not isinstance(size, int)
        for symbol in size.node.expr.free_symbols
    }


def shapes_of(tensors: Sequence[Any], names: Mapping[str, str], program: Any) -> list[tuple[Any, ...]]:
    """Shapes of tensors, with JAX's symbols of these names for torch's, within the ranges that the program says."""
    if not names:
        return [tuple(tensor.shape) for tensor in tensors]
    from jax import export

    scope = export.SymbolicScope(_ranges(names, program))
    return [tuple(_size(size, names, scope) for size in tensor.shape) for tensor in tensors]


def _size(size: Any, names: Mapping[str, str], scope: Any) -> Any:
    if isinstance(size, int):
        return size
    import sympy
    from jax import export

    expression = size.node.expr
    renamed = expression.xreplace({symbol: sympy.Symbol(names[str(symbol)]) for symbol in expression.free_symbols})
    (found,) = export.symbolic_shape(f"{renamed},", scope=scope)
    return found


def _ranges(names: Mapping[str, str], program: Any) -> list[str]:
    """What JAX is told of its symbols; it takes for given that they are at least 1."""
    told = []
    for symbol, limits in program.range_constraints.items():
        name = names.get(str(symbol))
        if name is None:
            continue
        if limits.lower.is_Integer and limits.lower > 1:
            told.append(f"{name} >= {int(limits.lower)}")
        if limits.upper.is_Integer:
            told.append(f"{name} <= {int(limits.upper)}")
    return told


def lowering(target: Any, arguments: Sequence[Any]) -> Callable[..., Any] | None:
    """What makes an operator's result in the place of torchax's lowering, which needs these arguments as numbers; None
    where they are, or where it does not."""
    import torch
    from jax import export

    aten = torch.ops.aten
    ranges = (aten.arange.default, aten.arange.start, aten.arange.start_step)
    return _arange if target in ranges and any(map(export.is_symbolic_dim, arguments)) else None


def _arange(*bounds: Any, **options: Any) -> Any:
    """Whole numbers; whoever calls it gives them their type."""
    import jax.numpy as jnp

    return jnp.arange(*bounds)


def is_pool_without_indices(node: Any) -> bool:
    """Whether a node finds the greatest elements of windows and nobody reads their indices: JAX cannot export torchax's
    where sizes are unknown."""
    import torch

    aten = torch.ops.aten
    pools = (aten.max_pool2d_with_indices.default, aten.max_pool3d_with_indices.default)
    return node.target in pools and all(user.target is operator.getitem and user.args[1] == 0 for user in node.users)
