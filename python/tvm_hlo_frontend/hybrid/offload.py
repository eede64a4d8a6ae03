"""TensorFlow programs whose clusters TVM runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..backends.select import mod_and_params
from ..deploy.executable import Executable, build
from ..deploy.variants import LIMIT, Variants
from ..errors import HloFrontendError, SignatureError, UnsupportedHloError
from ..frameworks.lowered import convert_lowered
from ..frameworks.tensorflow.functions import is_keras_model
from ..frameworks.tensorflow.program import Program
from .assembly import assembled
from .bridge.choice import bridge_of
from .bridge.interface import Bridge
from .partition import MIN_CLUSTER_SIZE, Division, divided, refused_nodes
from .plan import Plan
from .saving import save
from .source import program_of, source_of
from .variant import Variant


class Offloaded:
    """A TensorFlow program, called as it was; TVM computes its clusters. Any number of threads may call it.

    A call with other shapes divides and compiles the program for them; `limit` such variants are kept.

    Attributes
    ----------
    origin : object
        The program.
    """

    def __init__(self, origin: Any, make: Callable[[Sequence[Any]], Variant], first: Variant, limit: int) -> None:
        self.origin = origin
        self._make = make
        self._program = first.division.source.program
        self._variants: Variants[Any, Variant] = Variants(limit)
        self._variants.found_or_made(_key(_specs(first)), lambda: first)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Those that are kept, the one called last at the end."""
        return tuple(made for _, made in self._variants.items())

    @property
    def plan(self) -> Plan:
        """How the program is divided for the shapes that were called last."""
        return self.variants[-1].division.plan

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the program returns.

        Raises
        ------
        SignatureError
            If the arguments are not those of the program.
        LoweringError
            If the program cannot be traced for their shapes.
        """
        flat = flat_arguments(self._program, args, kwargs)
        variant = self._variant(flat)
        return _packed(variant.division.source.structure, variant.function(*flat))

    @property
    def argument_names(self) -> tuple[str, ...]:
        """Names of the program's arguments, those by keyword alone behind the others."""
        return tuple(_declared(self._program)[0])

    def save(self, directory: str | os.PathLike[str], *, holds: Any = ()) -> None:
        """Write a SavedModel for the shapes that are kept, with the libraries of the clusters.

        `hybrid.load` loads it in any process, and so does `tf.saved_model.load` behind `hybrid.load_operation()`, or
        behind `tf.load_op_library` of the path that `hybrid.compiled_operation()` gives.

        Parameters
        ----------
        directory : str or path
            What is there, if it is a SavedModel, is replaced once the new one is complete.
        holds : object or iterable of object
            What has the lookup tables and files of the program, where they are not found: they are looked for in the
            program, in what it is a method of, and in what its Python refers to.

        Raises
        ------
        SignatureError
            If a table is not found, clusters are called through Python, or something else is in the directory.
        OSError
            If the directory cannot be written.
        """
        save(self, directory, holds)

    def _variant(self, flat: Sequence[Any]) -> Variant:
        import tensorflow as tf

        def make() -> Variant:
            # the caller may be traced itself, and its graph is no place to read variables and compile in
            with tf.init_scope():
                return tf.autograph.experimental.do_not_convert(self._make)(flat)

        return self._variants.found_or_made(_key(flat), make)


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
    if limit < 1:
        raise SignatureError(f"limit={limit}: at least one variant must be kept")
    sizes = (min_cluster_size, min_flops)

    def variant(specs: Sequence[Any], shape: Any = None) -> Variant:
        made = program_of(program, specs, shape, signature=signature)
        division = divided(source_of(made, freeze=freeze), *sizes)
        return _compiled(division, sizes, bridge_of(dialect, in_python), target, dialect, strict)

    def of_call(flat: Sequence[Any]) -> Variant:
        import tensorflow as tf

        return variant([tf.TensorSpec(each.shape, each.dtype) for each in flat])

    return Offloaded(program, of_call, variant(input_specs, shape), limit)


def _compiled(
    division: Division, sizes: tuple[int, int], bridge: Bridge, target: Any, dialect: str | None, strict: bool
) -> Variant:
    """A division with executables; what cannot be compiled goes back to TensorFlow, unless `strict`."""
    given_up: dict[str, str] = {}
    while True:
        executables: dict[str, Executable] = {}
        refused: dict[str, str] = {}
        for cluster in division.plan.clusters:
            try:
                converted = convert_lowered(cluster.lowered, dialect=dialect)
                executables[cluster.name] = build(*mod_and_params(converted), target)
            except HloFrontendError as error:
                if strict:
                    raise
                nodes = refused_nodes(cluster, error) if isinstance(error, UnsupportedHloError) else []
                refused |= dict.fromkeys(nodes or cluster.nodes, str(error).splitlines()[0])
        if not refused:
            break
        given_up |= refused  # each round gives up some nodes, so this ends
        notes = (*division.plan.notes, *(f"given up: {reason}" for reason in dict.fromkeys(refused.values())))
        division = divided(division.source, *sizes, given_up)
        division = replace(division, plan=replace(division.plan, notes=(*notes, *division.plan.notes)))
    division = replace(division, plan=replace(division.plan, notes=(*division.plan.notes, bridge.note)))
    return Variant(division, executables, assembled(division, executables, bridge), bridge)


def _specs(variant: Variant) -> Sequence[Any]:
    return variant.division.source.program.specs


def _key(tensors: Sequence[Any]) -> Any:
    if any(each.shape.rank is None for each in tensors):
        raise SignatureError("the rank of an argument is not known")
    return tuple((each.dtype.name, tuple(each.shape)) for each in tensors)


def flat_arguments(program: Program, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """Tensors of a call, in the order of the flat inputs of a program.

    Raises
    ------
    SignatureError
        If they are not its arguments, or differ from those that were no tensors when it was traced.
    """
    import tensorflow as tf

    flat = []
    for name, wanted, given in _arguments(program, args, kwargs):
        try:
            tf.nest.assert_same_structure(wanted, given, expand_composites=True)
        except (TypeError, ValueError) as error:
            raise SignatureError(f"argument {name} has another structure: {str(error).splitlines()[0]}") from error
        specs, values = (tf.nest.flatten(each, expand_composites=True) for each in (wanted, given))
        for spec, value in zip(specs, values):
            if isinstance(spec, tf.TensorSpec):
                flat.append(tf.convert_to_tensor(value, spec.dtype))
            elif value is not spec and value != spec:
                raise SignatureError(f"argument {name} was {spec!r} when the program was traced, not {value!r}")
    return flat


def _arguments(program: Program, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Name, specs and value of each argument of a call."""
    import tensorflow as tf

    names, wanted = _declared(program)
    args = _keras_arguments(program.owner, args) if is_keras_model(program.owner) and len(wanted) > 1 else args
    given = dict(zip(names, args))
    strange = [name for name in kwargs if name not in names or name in given]
    if strange or len(args) > len(names):
        raise SignatureError(
            f"the program takes {', '.join(names) or 'no arguments'}; {strange or len(args)} is too much"
        )
    given.update(kwargs)
    for name, specs in zip(names, wanted):
        leaves = tf.nest.flatten(specs, expand_composites=True)
        if name not in given and any(isinstance(leaf, tf.TensorSpec) for leaf in leaves):
            raise SignatureError(f"the program's argument {name} is missing")
        given.setdefault(name, specs)
    return [(name, specs, given[name]) for name, specs in zip(names, wanted)]


def _keras_arguments(model: Any, args: Sequence[Any]) -> Sequence[Any]:
    """Arguments one by one, where they are given in a list or by their names, as Keras takes them."""
    if len(args) != 1 or not isinstance(args[0], (list, tuple, Mapping)):
        return args
    if not isinstance(args[0], Mapping):
        return args[0]
    names = [each.name for each in model.inputs]
    if set(args[0]) != set(names):
        raise SignatureError(f"the model's inputs are {', '.join(names)}, not {', '.join(map(str, args[0]))}")
    return [args[0][name] for name in names]


def _declared(program: Program) -> tuple[list[str], list[Any]]:
    """Names of a program's arguments, and their specs."""
    signature = program.function.structured_input_signature
    kind = getattr(program.function, "function_type", None)
    if signature is None or kind is None:  # of version 1: inputs by name or in their order
        return list(program.input_names), list(program.specs)
    positional, keywords = signature
    names = [*list(kind.parameters)[: len(positional)], *sorted(keywords)]
    wanted = [*positional, *(keywords[name] for name in sorted(keywords))]
    if len(names) != len(wanted):
        raise SignatureError("functions of any number of arguments cannot be called so; give them a signature")
    return names, wanted


def _packed(structure: Any, flat: Sequence[Any]) -> Any:
    """Flat results as the program returns them; None where it returns None."""
    import tensorflow as tf

    rest = iter(flat)
    leaves = tf.nest.flatten(structure, expand_composites=True)
    results = [None if leaf is None else next(rest) for leaf in leaves]
    return tf.nest.pack_sequence_as(structure, results, expand_composites=True)
