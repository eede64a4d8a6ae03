"""JAX's own run of a function that is converted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ..oracle.check import Reference


def jax_reference(
    call: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    static: Collection[int],
    static_argnames: Sequence[str],
    weights: Collection[int],
) -> Reference:
    """JAX's run of a function.

    Parameters
    ----------
    call : callable
    args, kwargs : sequence, mapping
        Example arguments, static ones among them.
    static : collection of int
        Positions of the static ones.
    static_argnames : sequence of str
    weights : collection of int
        Positions of those that hold weights.
    """
    import jax

    dynamic = [number for number in range(len(args)) if number not in static]
    named = {name: value for name, value in kwargs.items() if name not in static_argnames}
    leaves, structure = jax.tree.flatten(([args[number] for number in dynamic], named))
    counts = [len(jax.tree.leaves(args[number])) for number in dynamic]
    holders = [number for number, count in zip(dynamic, counts) for _ in range(count)]
    holders += [-1] * (len(leaves) - len(holders))
    inputs = [number for number, holder in enumerate(holders) if holder not in weights]

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        values = list(leaves)
        for number, array in zip(inputs, arrays):
            values[number] = _like(leaves[number], array)
        positional, keywords = jax.tree.unflatten(structure, values)
        given = {**dict(enumerate(args)), **dict(zip(dynamic, positional))}
        fixed = {name: value for name, value in kwargs.items() if name in static_argnames}
        jitted = jax.jit(call, static_argnums=tuple(static), static_argnames=tuple(static_argnames))
        results = jitted(*(given[number] for number in range(len(args))), **keywords, **fixed)
        return [np.asarray(_data(leaf)) for leaf in jax.tree.leaves(results)]

    return Reference("JAX", [_numbers(leaves[number]) for number in inputs], run, converts="JAX")


def _is_key(leaf: Any) -> bool:
    import jax

    return hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _data(leaf: Any) -> Any:
    import jax

    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _numbers(leaf: Any) -> np.ndarray | None:
    """The array that JAX would pass; None if there are but shape and type."""
    import jax

    if isinstance(leaf, jax.ShapeDtypeStruct | jax.core.ShapedArray):
        return None
    return np.asarray(_data(leaf) if _is_key(leaf) else jax.numpy.asarray(leaf))


def _like(leaf: Any, array: np.ndarray) -> Any:
    """An array as an argument of the kind of `leaf`: a key, or a number that takes the type of others."""
    import jax

    if _is_key(leaf):
        return jax.random.wrap_key_data(jax.numpy.asarray(array), impl=jax.random.key_impl(leaf))
    is_weak = not hasattr(leaf, "dtype") or getattr(leaf, "weak_type", False)
    return array.item() if is_weak and not array.ndim else array
