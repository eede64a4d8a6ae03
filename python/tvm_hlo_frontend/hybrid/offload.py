"""TensorFlow programs whose clusters TVM runs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..backends.select import mod_and_params
from ..deploy.executable import Executable, build
from ..errors import HloFrontendError, UnsupportedHloError
from ..frameworks.lowered import convert_lowered
from ..frameworks.tensorflow.frontend import program_maker
from .assembly import Bridge, assembled, hybrid_definition
from .bridge import bridge_of
from .partition import MIN_CLUSTER_SIZE, Division, divided, refused_nodes, without
from .plan import Plan
from .python_bridge import PythonBridge
from .source import source_of

LIMIT = 8


@dataclass(frozen=True)
class Variant:
    """A program for one set of input shapes.

    Attributes
    ----------
    division : Division
    executables : dict of str to Executable
        By the cluster's name.
    function : ConcreteFunction
        Of flat tensors.
    bridge : Bridge
        What its nodes run by; it must live as long as they do.
    """

    division: Division
    executables: dict[str, Executable]
    function: Any
    bridge: Bridge


class Offloaded:
    """A TensorFlow program, called as it was; TVM computes its clusters. Any number of threads may call it.

    A call with other shapes divides and compiles the program for them; `limit` such variants are kept.
    """

    def __init__(self, make: Callable[[Sequence[Any]], Variant], first: Variant, limit: int) -> None:
        self._make, self._limit = make, limit
        self._signature = first.division.source.program.function.structured_input_signature
        self._lock = threading.Lock()
        self._variants: OrderedDict[Any, Variant] = OrderedDict({_key(_specs(first)): first})

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Those that are kept, the one called last at the end."""
        with self._lock:
            return tuple(self._variants.values())

    @property
    def plan(self) -> Plan:
        """How the program is divided for the shapes that were called last."""
        return self.variants[-1].division.plan

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the program returns.

        Raises
        ------
        SignatureError, LoweringError
            If the program cannot be traced for the shapes of the arguments.
        """
        import tensorflow as tf

        flat = self._flat(args, kwargs)
        variant = self._variant(flat)
        results = variant.function(*flat)
        return _packed(variant.division.source.structure, list(results), tf)

    def _flat(self, args: Any, kwargs: Any) -> list[Any]:
        """Tensors of a call, in the order of the flat inputs."""
        import tensorflow as tf

        specs = [each for each in tf.nest.flatten(self._signature, expand_composites=True) if _is_spec(each)]
        given = [each for each in tf.nest.flatten((args, kwargs), expand_composites=True) if each is not None]
        if len(specs) != len(given):
            raise TypeError(f"the program takes {len(specs)} tensors, not {len(given)}")
        return [tf.convert_to_tensor(value, spec.dtype) for value, spec in zip(given, specs)]

    def _variant(self, flat: Sequence[Any]) -> Variant:
        key = _key(flat)
        with self._lock:
            found = self._variants.get(key)
            if found is not None:
                self._variants.move_to_end(key)
                return found
            made = self._make(flat)
            self._variants[key] = made
            while len(self._variants) > self._limit:
                self._variants.popitem(last=False)
            return made


def offload(
    program: Any,
    *input_specs: Any,
    shape: Any = None,
    signature: str | None = None,
    freeze: bool = False,
    min_cluster_size: int = MIN_CLUSTER_SIZE,
    min_flops: int = 0,
    target: Any = None,
    dialect: str | None = None,
    strict: bool = False,
    in_python: bool = False,
    limit: int = LIMIT,
) -> Offloaded:
    """Let TVM compute what it can of a TensorFlow program; the rest stays TensorFlow.

    Parameters
    ----------
    program, *input_specs, shape, signature
        As for `from_tensorflow`: functions, Keras models, SavedModels.
    freeze, min_cluster_size, min_flops
        As for `partition`.
    target, dialect
        As for `build` and `from_hlo`.
    strict : bool
        Whether a cluster that cannot be converted or compiled is an error; else it stays in TensorFlow, and the plan
        says so.
    in_python : bool
        Whether clusters are called through Python although there is a compiler for the operation `TvmCluster`.
    limit : int
        Number of variants that are kept, for different shapes.

    Returns
    -------
    Offloaded

    Raises
    ------
    SignatureError, LoweringError
        If the program cannot be traced, or an input has an open dimension.
    UnsupportedHloError
        If `strict`, and a cluster has instructions that are not supported.
    """
    sizes = (min_cluster_size, min_flops)

    def variant(specs: Sequence[Any], shape: Any = None) -> Variant:
        made = program_maker(program, specs, shape, None, signature)(False)
        division = divided(source_of(made, freeze=freeze), *sizes)
        return _compiled(division, sizes, bridge_of(dialect, in_python), target, dialect, strict)

    def of_call(flat: Sequence[Any]) -> Variant:
        import tensorflow as tf

        return variant([tf.TensorSpec(each.shape, each.dtype) for each in flat])

    return Offloaded(of_call, variant(input_specs, shape), limit)


def _compiled(
    division: Division, sizes: tuple[int, int], bridge: Bridge, target: Any, dialect: str | None, strict: bool
) -> Variant:
    """A division with executables; what cannot be compiled goes back to TensorFlow, unless `strict`."""
    executables: dict[str, Executable] = {}
    for cluster in division.plan.clusters:
        try:
            converted = convert_lowered(cluster.lowered, dialect=dialect)
            executables[cluster.name] = build(*mod_and_params(converted), target)
        except HloFrontendError as error:
            if strict:
                raise
            given_up = refused_nodes(cluster, error) if isinstance(error, UnsupportedHloError) else []
            reason = str(error).splitlines()[0]
            if given_up:
                again = divided(division.source, *sizes, dict.fromkeys(given_up, reason))
                return _compiled(again, sizes, bridge, target, dialect, strict)
            division = without(division, cluster, reason)
    if any(executable.host_functions for executable in executables.values()):
        bridge = PythonBridge("clusters call the host's LAPACK")
    plan = replace(division.plan, notes=(*division.plan.notes, bridge.note))
    division = replace(division, plan=plan)
    function = assembled(division, hybrid_definition(division, executables, bridge))
    return Variant(division, executables, function, bridge)


def _specs(variant: Variant) -> Sequence[Any]:
    return variant.division.source.program.specs


def _key(tensors: Sequence[Any]) -> Any:
    return tuple((each.dtype.name, tuple(each.shape)) for each in tensors)


def _is_spec(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape")


def _packed(structure: Any, flat: list[Any], tf: Any) -> Any:
    """Flat results as the program returns them; None where it returns None."""
    leaves = tf.nest.flatten(structure, expand_composites=True)
    if len(leaves) == len(flat):
        return tf.nest.pack_sequence_as(structure, flat, expand_composites=True)
    rest = iter(flat)
    return tf.nest.pack_sequence_as(structure, [None if leaf is None else next(rest) for leaf in leaves])
