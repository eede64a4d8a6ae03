"""Converted modules for the tests of TVM's own passes and tools, and what those tests ask about them."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm
from tools.support.compare import compare, run_plain
from tvm import relay

import tvm_hlo_frontend
from tvm_hlo_frontend.backends import loops

MODULES = ("convolutions", "dense", "kernels", "loop")


@dataclass(frozen=True)
class Converted:
    """A converted JAX function. Passes change what they get, so every reading makes other modules.

    Attributes
    ----------
    text : str
        The module that `from_jax` returned, as JSON.
    params : mapping of str to tvm.nd.NDArray
    args : tuple of numpy.ndarray
    wanted : list of numpy.ndarray
        What XLA computes.
    """

    text: str
    params: Mapping[str, Any]
    args: tuple[np.ndarray, ...]
    wanted: list[np.ndarray]

    @property
    def mod(self) -> Any:
        """The module that `from_jax` returned."""
        return tvm.ir.load_json(self.text)

    @property
    def bound(self) -> Any:
        """With typed expressions, weights as constants."""
        return bound_weights(self.mod, self.params)


def converted(function: Any, *args: np.ndarray, weights: Any = None) -> Converted:
    """A function of `args` and, if given, of a last argument `weights`, converted; its results by XLA."""
    import jax

    given = args if weights is None else (*args, weights)
    mod, params = tvm_hlo_frontend.from_jax(function, *given, weight_argnums=range(len(args), len(given)))
    wanted = [np.asarray(leaf) for leaf in jax.tree.leaves(jax.jit(function)(*given))]
    return Converted(tvm.ir.save_json(mod), params, args, wanted)


def bound_weights(mod: Any, params: Mapping[str, Any]) -> Any:
    """`mod`, typed, with weights as constants."""
    mod["main"] = relay.build_module.bind_params_by_name(mod["main"], params)
    return relay.transform.InferType()(mod)


@functools.cache
def sample(name: str) -> Converted:
    """One of `MODULES`."""
    return {"convolutions": convolutions, "dense": dense, "kernels": kernels, "loop": loop}[name]()


def numbers(*shape: int, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    """Normally distributed f32."""
    return (np.random.default_rng([seed, *shape]).normal(size=shape) * scale).astype("float32")


def convolutions() -> Converted:
    """Two convolutions, relu, a max pool, tanh, a dense layer, softmax."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    def model(x: Any, w: Any) -> Any:
        layout = ("NHWC", "HWIO", "NHWC")
        x = jax.nn.relu(lax.conv_general_dilated(x, w["k0"], (1, 1), "SAME", dimension_numbers=layout) + w["b0"])
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        x = jnp.tanh(lax.conv_general_dilated(x, w["k1"], (1, 1), "SAME", dimension_numbers=layout) + w["b1"])
        return jax.nn.softmax(x.reshape(x.shape[0], -1) @ w["dense"] + w["b2"])

    weights = {"k0": numbers(3, 3, 3, 8, scale=0.2), "b0": numbers(8), "k1": numbers(3, 3, 8, 16, scale=0.1)}
    weights |= {"b1": numbers(16), "dense": numbers(256, 10, scale=0.1), "b2": numbers(10)}
    return converted(model, numbers(8, 8, 8, 3), weights=weights)


def dense() -> Converted:
    """Three dense layers, relu and exp."""
    import jax
    import jax.numpy as jnp

    def model(x: Any, w: Any) -> Any:
        for kernel, bias in w[:2]:
            x = jax.nn.relu(x @ kernel + bias)
        return jnp.exp(x @ w[2])

    weights = [(numbers(8, 16, scale=0.3), numbers(16)), (numbers(16, 16, scale=0.3), numbers(16)), numbers(16, 4)]
    return converted(model, numbers(32, 8), weights=weights)


def kernels() -> Converted:
    """A sort, a cumulative sum, a scatter, the greatest elements: kernels, with few operators of Relay."""
    import jax.numpy as jnp
    from jax import lax

    def model(x: Any, i: Any) -> Any:
        y = jnp.sort(x, axis=1)
        return jnp.cumsum(y, 0), x.at[i].add(jnp.sin(y[:2])), lax.top_k(x, 2)

    return converted(model, numbers(5, 6), np.array([1, 4], "int32"))


def loop() -> Converted:
    """A while loop whose trips depend on an input, with what no kernel of a whole loop does: a factorization. It has
    few levels, so that it compiles in a short time."""
    import jax.numpy as jnp
    from jax import lax

    def model(n: Any, x: Any) -> Any:
        def body(state: Any) -> Any:
            i, y = state
            return i + 1, jnp.tanh(jnp.linalg.cholesky(y @ y.T + 3 * jnp.eye(3, dtype=y.dtype)))

        return lax.while_loop(lambda state: state[0] < n, body, (jnp.int32(0), x))

    levels, loops.LEVELS = loops.LEVELS, 2
    try:
        return converted(model, np.int32(3), numbers(3, 3))
    finally:
        loops.LEVELS = levels


def same_numbers(mod: Any, module: Converted, rtol: float = 1e-5) -> None:
    """Assert that a module with bound weights, built by plain TVM, computes what XLA does."""
    compare(run_plain(mod, {}, module.args, has_branches(mod)), module.wanted, rtol=rtol)


def has_branches(mod: Any) -> bool:
    """Whether a module needs the virtual machine."""
    return any(isinstance(node, relay.If) for node in nodes(mod))


def operators(mod: Any) -> Counter[str]:
    """How often a module calls each operator."""
    return Counter(call.op.name for call in calls(mod))


def calls(mod: Any, name: str | None = None) -> list[Any]:
    """Calls of operators, or of one operator, of all functions of a module."""
    found = [node for node in nodes(mod) if isinstance(node, relay.Call) and isinstance(node.op, tvm.ir.Op)]
    return [call for call in found if name in (None, call.op.name)]


def nodes(mod: Any) -> list[Any]:
    """All expressions of all functions of a module, operands before users."""
    found: list[Any] = []
    for function in mod.functions.values():
        relay.analysis.post_order_visit(function, found.append)
    return found


def only(found: Sequence[Any]) -> Any:
    """The one element there is."""
    assert len(found) == 1, found
    return found[0]


def applied(passes: Any, mod: Any) -> Any:
    """The typed module that passes make of `mod` with all of TVM's optimisation levels on, for a CPU."""
    mod = tvm.IRModule(dict(mod.functions.items()))  # some passes change the module they get
    with tvm.transform.PassContext(opt_level=3), tvm.target.Target("llvm"):
        return relay.transform.InferType()(passes(mod))


def rebuilt(module: Converted, body: Callable[[Any], Any]) -> Any:
    """A bound module whose main has another body, made of its own."""
    mod = module.bound
    main = mod["main"]
    mod["main"] = relay.Function(main.params, body(main.body), None, main.type_params, main.attrs)
    return relay.transform.InferType()(mod)
