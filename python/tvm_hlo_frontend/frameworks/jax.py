"""JAX functions to HLO and to TVM."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import LoweringError, SignatureError
from ..hlo.ir.open_module import OpenModule
from ..oracle.check import Check, Checked, Reference, chosen
from .jax_export import (
    chosen_platform,
    exported_arguments,
    exported_of,
    for_one_device,
    has_symbols,
    lower_exported,
    lower_symbolic,
    positional_names,
)
from .jax_reference import jax_reference
from .lowered import LoweredModule, convert_lowered, parameter_shapes, unique_identifiers


def from_jax(
    fn: Any,
    *args: Any,
    weight_argnums: Sequence[int] = (),
    static_argnums: Sequence[int] = (),
    static_argnames: Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    lowering_platforms: Sequence[str] | None = None,
    dialect: str | None = None,
    freeze_params: bool | None = None,
    custom_converters: Mapping[str, Any] | None = None,
    specialize: bool = False,
    dimension_bounds: Mapping[str, tuple[int, int]] | None = None,
    buckets: Mapping[str, Sequence[int]] | None = None,
    check: bool | Check | None = None,
    **kwargs: Any,
) -> Any:
    """Convert a JAX function or export to a TVM module.

    Parameters
    ----------
    fn : callable, jax.export.Exported, bytes or path
        Function of JAX arrays, jitted or not; or what `jax.export.export` made of one, also serialized or as a file.
    *args, **kwargs : pytrees of jax.Array, numpy.ndarray, scalar or jax.ShapeDtypeStruct
        Example arguments. Only their shapes and dtypes count, except for weights, static arguments and `check`. Each
        leaf becomes one input, whether `fn` uses it or not. Dimensions may be symbols of `jax.export.symbolic_shape`:
        then sizes are unknown until the module is called. An export needs none; for one with symbols they say them.
    weight_argnums : sequence of int
        Positions of the arguments that hold weights. Their leaves must be arrays; they come back in `params`, named by
        their path, for instance ``params.Dense_0.kernel``.
    static_argnums, static_argnames : sequence of int, sequence of str
        Positions and names of the arguments that are compile-time constants, as in `jax.jit`.
    donate_argnums : int or sequence of int
        Positions of the arguments that results may overwrite, as in `jax.jit`, besides those that a jitted `fn` says
        itself. No call of the compiled module does so unless it is told to, see `Executable`.
    lowering_platforms : sequence of str, optional
        Platform to lower for, for instance ``("tpu",)``; by default JAX's own, for an export ``"cpu"`` if it was
        exported for that, else the first it was exported for.
    dialect : str, optional
        ``"relay"`` or ``"relax"``; by default what the installed TVM has.
    freeze_params, custom_converters
        As for `from_hlo`.
    specialize : bool
        Give an executable that is built for each shape it is called with: for unknown dimensions that one build cannot
        leave open.
    dimension_bounds : mapping of str to (int, int), optional
        Least and greatest number of unknown sizes, as for `from_hlo`.
    buckets : mapping of str to sequence of int, optional
        With `specialize`, numbers to which unknown sizes are padded, as for `deploy.specialized.specialize`.
    check : bool or Check, optional
        Whether JAX, XLA on the HLO and TVM run the example inputs and are compared, each with the next. What has only a
        shape gets numbers of a fixed seed. A warning says why a program cannot be compared.

    Returns
    -------
    (tvm.IRModule, dict of str to tvm.nd.NDArray), tvm.IRModule or SpecializedExecutable
        As `from_hlo`: in Relax the module alone, with weights as constants by default. With `specialize` an executable.
        Inputs are named by argument name and path (``x``, ``batch.image``), in the order of JAX's
        flattening (positional arguments, then keyword arguments by name; dictionary keys sorted). The results are a
        flat tuple of the leaves of what `fn` returns, in the order of ``jax.tree.leaves``, or one array if there is
        just one; ``lower_jax(...).result_structure`` is the tree to unflatten them with.

    Raises
    ------
    LoweringError
        If the parameters of the HLO that JAX makes are not the leaves of the arguments.
    SignatureError
        If an argument position does not exist, or a weight has no value.
    UnsupportedHloError
        If some instructions cannot be converted.
    CheckError
        If two that are compared differ.

    Examples
    --------
    >>> mod, params = from_jax(model.apply, variables, x, weight_argnums=(0,))
    >>> output = tvm_hlo_frontend.build(mod, params)(x)
    """
    how = chosen(check)
    exported = exported_of(fn)
    fn = fn if exported is None else exported  # a file is read once
    lowered = lower_jax(
        fn,
        *args,
        weight_argnums=weight_argnums,
        static_argnums=static_argnums,
        static_argnames=static_argnames,
        donate_argnums=donate_argnums,
        lowering_platforms=lowering_platforms,
        **kwargs,
    )
    return convert_lowered(
        lowered,
        dialect=dialect,
        freeze_params=freeze_params,
        custom_converters=custom_converters,
        specialize=specialize,
        dimension_bounds=dimension_bounds,
        buckets=buckets,
        checked=Checked.of(how, lambda: _reference(fn, args, kwargs, static_argnums, static_argnames, weight_argnums)),
    )


def _reference(
    fn: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    static_argnums: Sequence[int],
    static_argnames: Sequence[str],
    weight_argnums: Sequence[int],
) -> Reference:
    """JAX's run of what `from_jax` takes."""
    exported = exported_of(fn)
    if exported is not None and not args and not kwargs:
        args, kwargs = exported_arguments(exported)
    static = _positions(static_argnums, len(args), "static_argnums")
    weights = _positions(weight_argnums, len(args), "weight_argnums")
    return jax_reference(fn if exported is None else exported.call, args, kwargs, static, static_argnames, weights)


def lower_jax(
    fn: Any,
    *args: Any,
    weight_argnums: Sequence[int] = (),
    static_argnums: Sequence[int] = (),
    static_argnames: Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    lowering_platforms: Sequence[str] | None = None,
    **kwargs: Any,
) -> LoweredModule:
    """HLO of a JAX function with names and values of its parameters; needs no TVM.

    Parameters and errors as for `from_jax`; `result_structure` is the PyTreeDef of what `fn` returns.
    """
    import jax

    exported = exported_of(fn)
    donate_argnums = (donate_argnums,) if isinstance(donate_argnums, int) else donate_argnums
    platforms = tuple(lowering_platforms) if lowering_platforms else None
    if exported is not None and (static_argnums or static_argnames):
        raise SignatureError("static arguments are part of an export already; static_argnums cannot be given")
    if exported is not None and not args and not kwargs:
        args, kwargs = exported_arguments(exported)
    static = set() if exported is not None else _positions(static_argnums, len(args), "static_argnums")
    hlo: bytes | OpenModule
    if has_symbols((args, kwargs)):
        if exported is not None:
            platforms = (chosen_platform(exported, platforms),)
        call = fn if exported is None else for_one_device(exported).call
        jitted = jax.jit(call, keep_unused=True, static_argnums=tuple(static), static_argnames=tuple(static_argnames))
        hlo, structure = lower_symbolic(jitted, args, kwargs, platforms)
    elif exported is not None:
        hlo, structure = lower_exported(exported, args, kwargs, platforms, donate_argnums)
    else:
        donated = _positions(donate_argnums, len(args), "donate_argnums")
        donated |= _donated_by(fn, args, kwargs, static, static_argnames)
        # without keep_unused JAX drops arguments that fn ignores, and the parameter numbers shift
        jitted = jax.jit(
            fn,
            keep_unused=True,
            static_argnums=tuple(static),
            static_argnames=tuple(static_argnames),
            donate_argnums=tuple(donated),
        )
        lowered = jitted.trace(*args, **kwargs).lower(lowering_platforms=platforms)
        hlo, structure = lowered.compiler_ir("hlo").as_serialized_hlo_module_proto(), lowered.out_tree
    kwargs = {name: value for name, value in kwargs.items() if name not in static_argnames}
    names = _argument_names(fn, len(args)) if exported is None else positional_names(exported)
    weights = _positions(weight_argnums, len(args), "weight_argnums")
    leaves = _leaves(names, args, kwargs, static)
    _check_count(hlo, len(leaves))
    identifiers = unique_identifiers(name for _, name, _ in leaves)
    values = {
        number: _value(name, leaf)
        for number, ((position, _, leaf), name) in enumerate(zip(leaves, identifiers))
        if position in weights
    }
    return LoweredModule(hlo, identifiers, values, "jax", structure)


def _donated_by(
    fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], static: set[int], static_argnames: Sequence[str]
) -> set[int]:
    """Positions of arguments that a function donates which is jitted already; a jit around it forgets them."""
    if not hasattr(fn, "trace") or not hasattr(fn, "lower"):
        return set()
    kwargs = {name: value for name, value in kwargs.items() if name not in static_argnames}
    leaves = _leaves([""] * len(args), args, kwargs, static)
    import jax

    flags = [info.donated for info in jax.tree.leaves(fn.trace(*args, **kwargs).args_info)]
    return {position for (position, _, _), flag in zip(leaves, flags) if flag and position >= 0}


def _positions(argnums: Sequence[int], count: int, what: str) -> set[int]:
    """Argument positions counted from the front."""
    wrong = [number for number in argnums if not -count <= number < count]
    if wrong:
        raise SignatureError(f"{what} names the positions {wrong}, but there are {count} positional arguments")
    return {number % count for number in argnums}


def _leaves(
    names: Sequence[str], args: tuple[Any, ...], kwargs: Mapping[str, Any], static: set[int]
) -> list[tuple[int, str, Any]]:
    """(argument position, path, value) of each array argument in JAX's order; position -1 for keyword arguments."""
    named = [(position, names[position], args[position]) for position in range(len(args)) if position not in static]
    named += [(-1, name, kwargs[name]) for name in sorted(kwargs)]
    return [(position, path, leaf) for position, name, value in named for path, leaf in _paths(name, value)]


def _paths(name: str, value: Any) -> list[tuple[str, Any]]:
    from jax import tree_util

    leaves, _ = tree_util.tree_flatten_with_path(value)
    return [(".".join([name, *(_key_text(key) for key in path)]), leaf) for path, leaf in leaves]


def _key_text(key: Any) -> str:
    """One step of a pytree path: dictionary key, attribute name or index."""
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def _argument_names(fn: Callable[..., Any], count: int) -> list[str]:
    """Names of the positional parameters of `fn`, ``arg0``, ``arg1`` … where it does not name them."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):  # builtins have no signature
        parameters = ()  # type: ignore[assignment]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return names[:count] + [f"arg{number}" for number in range(len(names), count)]


def _value(name: str, leaf: Any) -> np.ndarray:
    """The array that JAX would pass for `leaf`: 64-bit values are narrowed unless x64 is enabled."""
    import jax

    if isinstance(leaf, jax.ShapeDtypeStruct):
        raise SignatureError(f"the weight {name} is a ShapeDtypeStruct; weight_argnums needs arguments with values")
    if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(jax.numpy.asarray(leaf))


def _check_count(hlo: bytes | OpenModule, count: int) -> None:
    have = len(hlo.module.entry.parameters if isinstance(hlo, OpenModule) else parameter_shapes(hlo))
    if have != count:
        raise LoweringError(
            f"JAX made an HLO module of {have} parameters from {count} array arguments; effects (callbacks, ordered "
            "prints) and hoisted constants add parameters of their own and cannot be converted"
        )
