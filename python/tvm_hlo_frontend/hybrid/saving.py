"""Offloaded programs as SavedModels, whose assets are the libraries of the clusters."""

from __future__ import annotations

import inspect
import itertools
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..errors import SignatureError
from ..frameworks.tensorflow.saved_model import DEFAULT_SIGNATURE, SAVED_MODEL_FILES
from .bridge.operation import load_operation
from .referred import referred
from .source import Source
from .variant import Variant


class Savable(Protocol):
    """What `save` takes: an Offloaded."""

    @property
    def origin(self) -> Any:
        """The program."""

    @property
    def variants(self) -> tuple[Variant, ...]:
        """For the shapes that are saved."""

    @property
    def argument_names(self) -> tuple[str, ...]:
        """Names of the program's arguments, those by keyword alone behind the others."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the program returns."""


def load(directory: str | os.PathLike[str]) -> Any:
    """What `Offloaded.save` wrote, at work again; nothing is divided, converted or compiled.

    Parameters
    ----------
    directory : str or path

    Returns
    -------
    object
        What `tf.saved_model.load` gives: called as the program was, with the shapes that were saved; its `signatures`
        have names for the outputs.

    Raises
    ------
    OperationError
        If the operation `TvmCluster` cannot be compiled or loaded on this machine.
    """
    import tensorflow as tf

    load_operation()
    path = os.fspath(directory)
    # the libraries are opened by the first call, which may be made in another working directory
    return tf.saved_model.load(os.path.abspath(path) if os.path.exists(path) else path)


def save(offloaded: Savable, directory: str | os.PathLike[str], holds: Any) -> None:
    """`Offloaded.save`."""
    import tensorflow as tf

    if "://" in os.fspath(directory):
        raise SignatureError(f"{directory} is no local directory; save to one, and copy it")
    path = Path(os.path.realpath(directory))
    if path.exists() and not _may_go(path):
        raise SignatureError(
            f"{path} is there and is no SavedModel, or the working directory; choose another directory"
        )
    module, signature = module_of(offloaded, holds)
    path.parent.mkdir(parents=True, exist_ok=True)
    # a program that runs from an older one there must keep its libraries, and none may be half written
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        made, old = Path(folder, "made"), Path(folder, "old")
        tf.saved_model.save(module, str(made), signatures={DEFAULT_SIGNATURE: signature})
        if path.exists():
            path.rename(old)
        made.rename(path)


def _may_go(path: Path) -> bool:
    """Whether a path may be replaced: it is a SavedModel or an empty directory, and not where the process works."""
    if not path.is_dir() or path == Path.cwd():
        return False
    return not any(path.iterdir()) or any((path / name).is_file() for name in SAVED_MODEL_FILES)


def module_of(offloaded: Savable, holds: Any = ()) -> tuple[Any, Any]:
    """A tf.Module that holds all that an offloaded program needs, and a function of it with names for its outputs.

    Parameters
    ----------
    offloaded : Savable
    holds : object or iterable of object
        What has the program's lookup tables, where it is not found in what the program refers to.

    Raises
    ------
    SignatureError
        If clusters are called through Python.
    """
    import tensorflow as tf

    variants = offloaded.variants
    for variant in variants:
        if not variant.bridge.can_be_saved:
            raise SignatureError(f"what is in this process alone cannot be saved: {variant.bridge.note}")
    module = tf.Module()
    module.libraries = [asset for variant in variants for asset in variant.bridge.captured.values()]
    module.resources = _resources(offloaded, variants, holds)
    call = tf.function(_with_signature(offloaded, variants[-1]), autograph=False)
    for variant in variants:
        positional, keywords = _specs(variant)
        call.get_concrete_function(*positional, **keywords)
    module.__call__ = call
    return module, _signature(variants[-1])


def _resources(offloaded: Savable, variants: Sequence[Variant], holds: Any) -> list[Any]:
    """Variables, tables and files that what stays in TensorFlow takes from around it.

    Raises
    ------
    SignatureError
        If one is not found.
    """
    import tensorflow as tf

    own = {id(asset.asset_path) for variant in variants for asset in variant.bridge.captured.values()}
    captured = {id(each): each for variant in variants for each in variant.function.captured_inputs}
    sources = [variant.division.source for variant in variants]
    needed = {key: each for key, each in captured.items() if each.dtype in (tf.resource, tf.string) and key not in own}
    variables = [each for source in sources for each in source.program.function.variables]
    found: dict[int, Any] = {}
    holds = list(holds) if isinstance(holds, Iterator) else holds
    for each in referred([*variables, holds, offloaded.origin, *(source.program.owner for source in sources)]):
        if len(found) == len(needed):
            break
        key = id(_handle(each))
        if key in needed:
            found.setdefault(key, each)
    libraries = {id(path) for source in sources for path in _libraries(source)}
    missing = [
        str(each)
        for key, each in needed.items()
        if key not in found and (each.dtype == tf.resource or key in libraries)
    ]
    if missing:
        raise SignatureError(
            "the program uses lookup tables or other resources that are not found in what it refers to; give the "
            f"objects that have them with holds=[…]: {'; '.join(missing)}"
        )
    return list(found.values())


def _handle(each: Any) -> Any:
    """The tensor that functions take for a variable, a table or a file; None of others."""
    import tensorflow as tf

    name = {tf.Variable: "handle", tf.saved_model.Asset: "asset_path"}
    attribute = next((value for kind, value in name.items() if isinstance(each, kind)), "resource_handle")
    return getattr(each, attribute, None)


def _libraries(source: Source) -> list[Any]:
    """Paths of libraries of clusters that a program has already."""
    nodes = {node.name: node for node in source.definition.node}
    found = []
    for node in source.definition.node:
        if node.op != "TvmCluster":
            continue
        while node.op in ("TvmCluster", "Identity"):
            node = nodes[node.input[0].partition(":")[0]]
        if node.name in source.captured:
            found.append(source.captured[node.name])
    return found


def _with_signature(offloaded: Savable, variant: Variant) -> Callable[..., Any]:
    """A call of a program, whose arguments have the program's names."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return offloaded(*args, **kwargs)

    import tensorflow as tf

    kind = inspect.Parameter
    positional, keywords = _specs(variant)
    given = [*positional, *(keywords[name] for name in sorted(keywords))]
    parameters = []
    for place, (name, value) in enumerate(zip(_keywords(offloaded.argument_names), given)):
        behind = positional[place:] if place < len(positional) else [value]
        leaves = tf.nest.flatten(behind, expand_composites=True)
        default = kind.empty if any(isinstance(leaf, tf.TensorSpec) for leaf in leaves) else value
        how = kind.POSITIONAL_OR_KEYWORD if place < len(positional) else kind.KEYWORD_ONLY
        parameters.append(kind(name, how, default=default))
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


def _specs(variant: Variant) -> tuple[Sequence[Any], dict[str, Any]]:
    """Arguments of a program, with the shapes of a variant."""
    import tensorflow as tf

    program = variant.division.source.program
    signature = program.function.structured_input_signature
    if signature is None:
        return program.specs, {}
    shapes = iter(program.specs)
    leaves = tf.nest.flatten(signature, expand_composites=True)
    flat = [next(shapes) if isinstance(leaf, tf.TensorSpec) else leaf for leaf in leaves]
    return tf.nest.pack_sequence_as(signature, flat, expand_composites=True)


def _signature(variant: Variant) -> Any:
    """ConcreteFunction of flat inputs by name that returns outputs by name, as servers want it."""
    import tensorflow as tf

    program = variant.division.source.program
    names = _unique(re.sub(r"\W", "_", name) for name in _keywords(program.input_names))
    # as TensorFlow names those of a sequence
    results = _unique(
        f"output_{number}" if name in (str(number), "result") else name
        for number, name in enumerate(program.result_names)
    )

    def call(**inputs: Any) -> dict[str, Any]:
        return dict(zip(results, tf.nest.flatten(variant.function(*(inputs[name] for name in names)))))

    specs = {name: tf.TensorSpec(spec.shape, spec.dtype) for name, spec in zip(names, program.specs)}
    return tf.function(call, autograph=False).get_concrete_function(**specs)


def _keywords(names: Iterable[str]) -> list[str]:
    """Names of arguments; TensorFlow saves no function that has one of the name self."""
    return ["self_" if name == "self" else name for name in names]


def _unique(names: Iterable[str]) -> list[str]:
    """Names, of which equal ones get numbers as identifiers may have them."""
    made: dict[str, None] = {}
    for name in names:
        others = (f"{name}_{number}" for number in itertools.count(1))
        free = (each for each in itertools.chain([name], others) if each not in made)
        made[next(free)] = None
    return list(made)
