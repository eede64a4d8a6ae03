"""JAX functions that TVM computes, for calls within jitted programs too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backends.select import mod_and_params
from ..deploy.executable import Executable, build
from ..deploy.variants import LIMIT, Variants
from ..errors import LoweringError, SignatureError
from ..frameworks.jax import from_jax

NO_GRADIENT = (
    "what offload_jax gives was compiled for inference and has no gradient; take the gradient of the function that it "
    "was made from, offload a function that computes the gradient, or give it arguments of jax.lax.stop_gradient"
)


@dataclass(frozen=True)
class Settings:
    """What all variants of an offloaded function have in common."""

    limit: int
    target: Any
    dialect: str | None


def offload_jax(
    function: Callable[..., Any], *, limit: int = LIMIT, target: Any = None, dialect: str | None = None
) -> Callable[..., Any]:
    """Let TVM compute a JAX function: the same function for callers, eagerly, within `jax.jit` and under `jax.vmap`.

    Within traced programs it is a `jax.pure_callback`. A batch of calls is compiled as one program. It is compiled for
    each structure, shape and type of arguments that it meets, when it is traced; the `limit` used last are kept. Any
    number of threads may call it.

    Parameters
    ----------
    function : callable
        Of pytrees of arrays, without effects. What it closes over is constant. Static arguments are bound first, for
        instance by `functools.partial`.
    limit : int
        Number of compiled variants that are kept for calls to come; programs that are jitted keep theirs.
    target, dialect
        As for `build` and `from_hlo`.

    Returns
    -------
    callable
        With `function`'s arguments and results. Gradients raise a LoweringError that says so.

    Raises
    ------
    SignatureError
        If `limit` is less than one; when it is called, for typed random keys as arguments or results.
    UnsupportedHloError, LoweringError
        When it is called, if the function cannot be converted.

    Examples
    --------
    >>> network = hybrid.offload_jax(lambda x: model.apply(variables, x))
    >>> step = jax.jit(lambda x: jnp.argmax(network(x), axis=-1))
    """
    if limit < 1:
        raise SignatureError(f"limit={limit}: at least one variant must be kept")
    settings, variants = Settings(limit, target, dialect), Variants[Any, Variant](limit)

    def call(*args: Any, **kwargs: Any) -> Any:
        import jax
        import jax.numpy as jnp

        leaves, tree = jax.tree.flatten((args, kwargs))
        leaves = [leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf) for leaf in leaves]
        specs = _specs(leaves)

        def make() -> Variant:
            def flat(*leaves: Any) -> Any:
                args, kwargs = jax.tree.unflatten(tree, leaves)
                return function(*args, **kwargs)

            return variant(flat, specs, settings)

        found = variants.found_or_made((tree, specs, jax.config.jax_enable_x64), make)  # type: ignore[attr-defined]
        return jax.tree.unflatten(found.structure, found(leaves))

    return call


@dataclass(frozen=True)
class Variant:
    """A function of flat arguments of certain shapes, compiled.

    Attributes
    ----------
    function : callable
        Of arrays, to a pytree.
    structure : PyTreeDef
        Of its results.
    results : tuple of jax.ShapeDtypeStruct
    executable : Executable
    settings : Settings
    batched : Variants
        The same for batches, by number of calls and the arguments that are batched.
    """

    function: Callable[..., Any]
    structure: Any
    results: tuple[Any, ...]
    executable: Executable
    settings: Settings
    batched: Variants[Any, Variant] = field(compare=False)

    def __call__(self, leaves: Sequence[Any]) -> list[Any]:
        """Flat results, computed now or, of arguments that are traced, when the program runs."""
        import jax
        import jax.numpy as jnp

        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return list(_traceable(self)(*leaves))
        return [jnp.asarray(array) for array in self.host(*leaves)]

    def host(self, *leaves: Any) -> list[np.ndarray]:
        """Flat results as numpy arrays."""
        found = self.executable(*(np.asarray(leaf) for leaf in leaves))
        return list(found) if isinstance(found, tuple) else [found]


def variant(function: Callable[..., Any], specs: Sequence[tuple[Any, Any, bool]], settings: Settings) -> Variant:
    """Compile a function of flat arguments.

    Parameters
    ----------
    specs : sequence of (tuple of int, dtype, bool)
        Shape, type, and whether the type is weak, of each argument.
    settings : Settings
    """
    import jax

    shapes = [jax.ShapeDtypeStruct(shape, dtype, weak_type=weak) for shape, dtype, weak in specs]
    results, structure = jax.tree.flatten(jax.eval_shape(function, *shapes))
    if any(jax.dtypes.issubdtype(each.dtype, jax.dtypes.extended) for each in (*shapes, *results)):
        raise SignatureError("typed random keys cannot be arguments or results: pass jax.random.key_data(key)")
    converted = from_jax(function, *shapes, dialect=settings.dialect, freeze_params=True)
    executable = build(*mod_and_params(converted), settings.target)
    return Variant(function, structure, tuple(results), executable, settings, Variants(settings.limit))


def _specs(leaves: Sequence[Any]) -> tuple[tuple[Any, Any, bool], ...]:
    return tuple((leaf.shape, leaf.dtype, getattr(leaf, "weak_type", False)) for leaf in leaves)


def _traceable(compiled: Variant) -> Callable[..., Any]:
    """A function of flat arguments for JAX's transformations."""
    import jax
    import jax.numpy as jnp

    @jax.custom_jvp
    def without_gradient(*leaves: Any) -> Any:
        return jax.pure_callback(compiled.host, list(compiled.results), *leaves, vmap_method="sequential")

    @without_gradient.defjvp
    def refuse(primals: Any, tangents: Any) -> Any:
        raise LoweringError(NO_GRADIENT)

    @jax.custom_batching.custom_vmap
    def call(*leaves: Any) -> Any:
        return without_gradient(*leaves)

    @call.def_vmap
    def batch(axis_size: int, in_batched: Sequence[bool], *leaves: Any) -> Any:
        def make() -> Variant:
            axes = [0 if batched else None for batched in in_batched]
            function = jax.vmap(compiled.function, in_axes=axes, axis_size=axis_size)
            return variant(function, _specs(arrays), compiled.settings)

        # of eager calls the caller's own arrays come, which may be numpy's
        arrays = [leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf) for leaf in leaves]

        found = compiled.batched.found_or_made((axis_size, tuple(in_batched)), make)
        return found(arrays), [True] * len(found.results)

    return call
