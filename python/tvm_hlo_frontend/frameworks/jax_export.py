"""Artifacts of jax.export to HLO."""

from __future__ import annotations

import dataclasses
import operator
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..analysis.size_values import Facts
from ..errors import HloParseError, LoweringError, SignatureError
from ..hlo.ir.open_module import OpenModule
from ..hlo.ir.size_text import Arithmetic, evaluated
from ..hlo.ir.sizes import larger, smaller, variable, variables
from ..hlo.proto.newer_xla import mlir_hint
from ..hlo.proto.reader import read
from ..hlo.proto.sources import mlir_of
from ..hlo.text.parsers import hlo_from_mlir, open_hlo_from_mlir, settled_artifact
from ..rewrites.symbolic_shapes import open_module

# jax.export moves the body here when the shapes of main's arguments are symbolic; only this has their names
_BODY = "_wrapped_jax_export_main"
_GLOBAL = "jax.global_constant"  # arguments of the body that no caller passes
# of sizes as JAX prints them
_ARITHMETIC = Arithmetic(
    name=variable,
    number=int,
    floor_divide=operator.floordiv,
    modulo=operator.mod,
    calls={"max": larger, "min": smaller, "floordiv": operator.floordiv, "mod": operator.mod},
)


def exported_of(source: Any) -> Any:
    """The jax.export.Exported that `source` is, or that its bytes or the file it names hold; None for anything else.

    Raises
    ------
    HloParseError
        If `source` is bytes or a path, and holds no export.
    """
    from jax import export

    if isinstance(source, export.Exported):
        return source
    if isinstance(source, (str, os.PathLike)):
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise HloParseError(f"cannot read {str(source)[:200]!r}: {error}") from error
    elif isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    else:
        return None
    return deserialized(data)


def deserialized(data: bytes) -> Any:
    """The export that `data` is the serialization of, with a module that the installed jaxlib reads.

    Raises
    ------
    HloParseError
        If `data` is no serialized export, or one of a JAX that is too new for the installed jaxlib.
    """
    import jax
    from jax import export

    try:
        exported = export.deserialize(bytearray(data))
    except ImportError as error:  # JAX does not require flatbuffers
        raise HloParseError(f"serialized exports of JAX need flatbuffers: pip install flatbuffers ({error})") from error
    except Exception as error:  # JAX's reader takes any bytes until something does not fit, and raises what that is
        raise HloParseError(
            f"these {len(data)} bytes are no serialized jax.export.Exported that the installed jax {jax.__version__} "
            f"reads: {type(error).__name__}: {error}"
        ) from error
    return _readable(exported)


def _readable(exported: Any) -> Any:
    """The export with a module that JAX parses without harm; HloParseError if jaxlib cannot read the one it has."""
    data = exported.mlir_module_serialized
    try:
        return dataclasses.replace(exported, mlir_module_serialized=settled_artifact(data))
    except HloParseError as error:
        reason = f"jaxlib cannot read the export of {exported.fun_name}: {error}"
        raise HloParseError(f"{reason}{mlir_hint(data, reason)}") from error


def lower_exported(
    exported: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    platforms: Sequence[str] | None,
    donate_argnums: Sequence[int] = (),
) -> tuple[bytes, Any]:
    """HLO of an export for arguments whose dimensions are numbers.

    Parameters
    ----------
    exported : jax.export.Exported
    args, kwargs
        Example arguments.
    platforms : sequence of str, optional
        The one platform to lower for, see `from_jax`.
    donate_argnums : sequence of int
        See `from_jax`.

    Returns
    -------
    (bytes, PyTreeDef)
        Serialized HloModuleProto, the structure of the results.

    Raises
    ------
    SignatureError
        If the arguments do not fit.
    LoweringError
        If the export is not for the platform, or JAX cannot lower it.
    """
    import jax

    exported = for_one_device(exported)
    platform = chosen_platform(exported, platforms)
    try:
        # the call keeps arguments that the export has dropped, and chooses the platform in the module
        called = jax.jit(exported.call, keep_unused=True, donate_argnums=tuple(donate_argnums))
        traced = called.trace(*args, **kwargs)
    except Exception as error:  # of JAX's, which has many kinds of them for sizes that do not fit
        raise SignatureError(f"the arguments do not fit the export of {exported.fun_name}: {error}") from error
    try:
        lowered = traced.lower(lowering_platforms=(platform,))
    except Exception as error:  # where a file says of its arguments what its module does not
        raise LoweringError(f"JAX cannot lower the export of {exported.fun_name}: {error}") from error
    mlir = mlir_of(lowered.compiler_ir("stablehlo"))
    assert mlir is not None
    chooses = len(exported.platforms) > 1 or has_symbols(exported.in_avals)
    return hlo_from_mlir(mlir, refine=chooses), exported.out_tree


def has_symbols(arguments: Any) -> bool:
    """Whether an array of a pytree has dimensions that are JAX's symbols."""
    import jax

    return any(
        not all(isinstance(size, int) for size in getattr(leaf, "shape", ())) for leaf in jax.tree.leaves(arguments)
    )


def exported_arguments(exported: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Shapes and dtypes that it was exported with, which may have symbols.

    Raises
    ------
    HloParseError
        If what the export says of its arguments does not fit together.
    """
    import jax

    leaves = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in exported.in_avals]
    try:
        args, kwargs = jax.tree.unflatten(exported.in_tree, leaves)
        return tuple(args), {str(name): value for name, value in kwargs.items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise HloParseError(f"the arguments of the export of {exported.fun_name} are no arguments: {error}") from error


def lower_symbolic(
    jitted: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], platforms: Sequence[str] | None
) -> tuple[OpenModule, Any]:
    """Open module of a jitted function, whose arguments have symbols as dimensions, and the structure of its results.

    Raises
    ------
    SignatureError
        If JAX cannot export the function for such shapes.
    LoweringError
        If sizes of the module are not known.
    """
    from jax import export

    try:
        exported = export.export(jitted, platforms=platforms)(*args, **kwargs)
    except Exception as error:  # of JAX's, which has many kinds of them for symbols
        raise SignatureError(f"JAX cannot export the function for shapes with symbols: {error}") from error
    kept = [exported.in_avals[index] for index in exported.module_kept_var_idx]
    given = {
        (number, axis): _size(size)
        for number, aval in enumerate(kept)
        for axis, size in enumerate(aval.shape)
        if not isinstance(size, int)
    }
    # jax.export wants every symbol to be at least 1, and the module asserts that
    facts = Facts({name: 1 for size in given.values() for name in variables(size)})
    raw = read(open_hlo_from_mlir(exported.mlir_module_serialized))
    return open_module(raw, given, facts), exported.out_tree


def _size(dimension: Any) -> Any:
    """A dimension that JAX prints as an expression of symbols."""
    return evaluated(str(dimension).replace("^", "**"), _ARITHMETIC)


def for_one_device(exported: Any) -> Any:
    """`exported` without its shardings, which change nothing on one device; JAX itself insists on as many devices.

    What devices exchange stays in the module, where instructions are refused by name.
    """
    if exported.nr_devices == 1:
        return exported
    arguments, results = (None,) * len(exported.in_avals), (None,) * len(exported.out_avals)
    unsharded = {
        "in_shardings_hlo": arguments,
        "out_shardings_hlo": results,
        "_in_named_shardings": arguments,
        "_out_named_shardings": results,
    }
    known = {field.name for field in dataclasses.fields(exported)}  # named shardings are newer than exports
    changes = {name: value for name, value in unsharded.items() if name in known}
    return dataclasses.replace(exported, nr_devices=1, **changes)


def chosen_platform(exported: Any, wanted: Sequence[str] | None) -> str:
    """The platform to lower an export for; LoweringError if it was not exported for the one that is wanted."""
    have = exported.platforms
    if wanted is None:
        return "cpu" if "cpu" in have else have[0]
    if len(wanted) != 1 or wanted[0] not in have:
        raise LoweringError(
            f"{exported.fun_name} was exported for {', '.join(have)}; lowering_platforms must be one of them, not "
            f"{', '.join(wanted)}"
        )
    return wanted[0]


def positional_names(exported: Any) -> list[str]:
    """Name of each positional argument; ``argN`` where the export has dropped all of it."""
    import jax

    args, _ = jax.tree.unflatten(exported.in_tree, range(len(exported.in_avals)))
    located = dict(zip(exported.module_kept_var_idx, _located_names(exported)))
    names = []
    for position, argument in enumerate(args):
        paths, _ = jax.tree_util.tree_flatten_with_path(argument)
        roots = [_root(located.get(leaf), jax.tree_util.keystr(path)) for path, leaf in paths]
        names.append(next((root for root in roots if root), f"arg{position}"))
    return names


def _root(name: str | None, path: str) -> str:
    """``x`` of ``x['a'][0]``."""
    return name[: len(name) - len(path)] if name and name.endswith(path) else ""


def _located_names(exported: Any) -> list[str | None]:
    """What the module calls each of its arguments, for instance ``x['a'][0]``."""
    from jax.interpreters import mlir
    from jaxlib.mlir import ir

    with mlir.make_ir_context():
        module = ir.Module.parse(exported.mlir_module())
        functions: dict[str, Any] = {function.sym_name.value: function for function in module.body.operations}  # type: ignore[attr-defined]
        main: Any = functions.get(_BODY, functions.get("main"))
        return [
            getattr(argument.location, "name_str", None)
            for argument, attributes in zip(main.arguments, main.arg_attrs)
            if _GLOBAL not in attributes
        ]
