"""JAX's primitive harnesses: loading, a stratified sample of them, and their lowering to HLO."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

SEED = 0
# turns JAX's 64-bit types on, where it is set before JAX is imported
X64 = "JAX_ENABLE_X64"
# harnesses that name such a type: those that there are only with 64-bit types, and few others
WIDE = re.compile(r"(float|int)64|complex128")


@dataclass(frozen=True)
class Case:
    """A harness lowered to HLO, with its arguments.

    Attributes
    ----------
    hlo : bytes
        Serialized, unoptimised HloModuleProto.
    arguments : tuple of numpy.ndarray
        One per entry parameter, in its dtype.
    """

    hlo: bytes
    arguments: tuple[np.ndarray, ...]


@functools.cache
def load_harnesses() -> Mapping[str, Any]:
    """JAX's harnesses that JAX itself supports on CPUs, by full name; with 64-bit types there are more of them."""
    state = np.random.get_state()
    np.random.seed(SEED)  # some harnesses draw arguments while they are imported
    try:
        from jax._src.internal_test_util import test_harnesses
    finally:
        np.random.set_state(state)
    return {harness.fullname: harness for harness in test_harnesses.all_harnesses if harness.filter("cpu")}


def lower(harness: Any) -> Case:
    """Case of a harness, its random arguments drawn with a fixed seed."""
    lowered, arrays = lower_in_jax(harness)
    return Case(lowered.compiler_ir("hlo").as_serialized_hlo_module_proto(), arrays)


def lower_in_jax(harness: Any) -> tuple[Any, tuple[np.ndarray, ...]]:
    """JAX's `Lowered` of a harness, and the arguments of a `Case`."""
    import jax

    arguments = harness.dyn_args_maker(np.random.RandomState(SEED))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX warns of each f64 that it narrows
        lowered = jax.jit(harness.dyn_fun, keep_unused=True).lower(*arguments)
    types = jax.tree.leaves(lowered.in_avals)
    arrays = [np.asarray(leaf).astype(kind.dtype) for leaf, kind in zip(jax.tree.leaves(arguments), types, strict=True)]
    return lowered, tuple(arrays)


def digest(name: str) -> str:
    """A fixed random number of a name: an order that does not depend on how the harnesses are listed."""
    return hashlib.sha256(name.encode()).hexdigest()


def stratified(groups: Mapping[str, str], count: int) -> list[str]:
    """A fixed sample of harnesses: at least one of every group, the rest in proportion to the groups' sizes.

    Parameters
    ----------
    groups : mapping of str to str
        Group of every harness by its name.
    count : int
        Size of the sample.

    Returns
    -------
    list of str
        Names, by group. A larger sample contains a smaller one.
    """
    members: dict[str, list[str]] = {}
    for name in sorted(groups, key=digest):
        members.setdefault(groups[name], []).append(name)
    taken = dict.fromkeys(members, 0)
    for _ in range(min(count, len(groups))):
        open_groups = [group for group in members if taken[group] < len(members[group])]
        # highest averages; a group without a seat comes before all others
        best = max(open_groups, key=lambda g: (taken[g] == 0, len(members[g]) / (taken[g] + 1), g))
        taken[best] += 1
    return [name for group in sorted(members) for name in members[group][: taken[group]]]


def groups_of(harnesses: Mapping[str, Any], names: Iterable[str] | None = None) -> dict[str, str]:
    """Group by name, of all harnesses or of some."""
    return {name: harnesses[name].group_name for name in (harnesses if names is None else names)}


if __name__ == "__main__":
    print(json.dumps(groups_of(load_harnesses())))
