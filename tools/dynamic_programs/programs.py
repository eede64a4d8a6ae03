"""Programs with one or two unknown dimensions: harnesses of JAX, mapped over batches."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.conformance.harnesses import SEED, groups_of, load_harnesses, stratified

# the sizes at which a program is run, by the names of its unknown dimensions
SIZES: Mapping[str, Sequence[tuple[int, ...]]] = {"b": ((1,), (2,), (5,)), "b, c": ((1, 3), (4, 1), (2, 2))}
SEPARATOR = " of "


@dataclass(frozen=True)
class Program:
    """A harness whose every argument has unknown leading dimensions.

    Attributes
    ----------
    harness : Harness
        Of `load_harnesses`.
    symbols : str
        Names of the unknown dimensions, as `jax.export.symbolic_shape` takes them.
    """

    harness: Any
    symbols: str

    @property
    def rank(self) -> int:
        """Number of unknown dimensions."""
        return self.symbols.count(",") + 1

    @property
    def params(self) -> Mapping[str, Any]:
        """The harness's parameters, with a dimension where it is now."""
        params = self.harness.params
        return {**params, "dimension": params["dimension"] + self.rank} if "dimension" in params else params

    @property
    def function(self) -> Any:
        """The function, mapped."""
        import jax

        function = self.harness.dyn_fun
        for _ in range(self.rank):
            function = jax.vmap(function)
        return function

    def arguments(self, sizes: Sequence[int]) -> Any:
        """Arguments of these sizes; every element of a batch is drawn anew."""
        import jax

        drawn = [self.harness.dyn_args_maker(np.random.RandomState(SEED + n)) for n in range(int(np.prod(sizes)))]
        leaves = [[_array(leaf) for leaf in jax.tree.leaves(each)] for each in drawn]
        stacked = [np.stack(column).reshape((*sizes, *column[0].shape)) for column in zip(*leaves)]
        return jax.tree.unflatten(jax.tree.structure(drawn[0]), stacked)

    def shapes(self) -> Any:
        """Shapes of the arguments, with symbols."""
        import jax
        from jax import export

        symbols = export.symbolic_shape(self.symbols)
        one = self.arguments((1,) * self.rank)
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((*symbols, *x.shape[self.rank :]), x.dtype), one)


def _array(leaf: Any) -> np.ndarray:
    """An argument as JAX takes it: 64-bit types are narrowed unless they are on."""
    import jax

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(jax.numpy.asarray(leaf))


def program_of(name: str) -> Program:
    """Program by its name, ``SYMBOLS of HARNESS``."""
    symbols, _, harness = name.partition(SEPARATOR)
    return Program(load_harnesses()[harness], symbols)


def sample(count: int) -> dict[str, str]:
    """Group by name of a fixed sample: half of it with one unknown dimension, half with two."""
    groups = groups_of(load_harnesses())
    chosen = stratified(groups, (count + 1) // 2)
    return {f"{symbols}{SEPARATOR}{name}": groups[name] for symbols in SIZES for name in chosen}
