"""Builds with a directory of compiled programs. Prints JSON: milliseconds of the processor by program, up to the end of
the first call. The second process that gets the same directory finds there what the first has kept.

Run: python benchmarks/builds.py DIRECTORY
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tvm_hlo_frontend


def main(directory: str) -> None:
    """Measure; conversion is no part of it."""
    found = {}
    for name, (function, arguments) in programs().items():
        mod, params = tvm_hlo_frontend.mod_and_params(tvm_hlo_frontend.from_jax(function, *arguments))
        start = time.process_time()
        tvm_hlo_frontend.build(mod, params, cache=directory)(*arguments)
        found[name] = (time.process_time() - start) * 1e3
    print(json.dumps(found))


def programs() -> dict[str, tuple[Callable[..., Any], Sequence[np.ndarray]]]:
    """Programs with random weights, and arguments."""
    import jax

    rng = np.random.default_rng(0)
    positive, unit = rng.uniform(0.1, 2, 16).astype("float32"), rng.random(16).astype("float32")
    key = jax.random.key_data(jax.random.key(0))
    return {
        "MobileNetV2 of Keras": (mobile_net(), (rng.normal(size=(1, 224, 224, 3)).astype("float32"),)),
        "transformer block, 128x768": (block(rng), (rng.normal(size=(128, 768)).astype("float32"),)),
        "jax.random.beta": (lambda key, a: jax.random.beta(key, a, 2.0, (16,)), (key, np.float32(2))),
        "betainc, gammainc, zeta, polygamma": (special, (positive, unit)),
    }


def mobile_net() -> Callable[..., Any]:
    """A CNN whose weights are constants."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    keras.utils.set_random_seed(0)  # the weights are the same in every process
    model = keras.applications.MobileNetV2(weights=None)
    trained = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]
    return lambda x: model.stateless_call(trained, others, x, training=False)[0]


def block(rng: np.random.Generator) -> Callable[..., Any]:
    """Attention of 12 heads and two layers, each with a layer norm."""
    import jax
    from cases import layer_norm

    def weights(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) * 0.03).astype("float32")

    projections, out = [weights(768, 768) for _ in range(3)], weights(768, 768)
    wide, narrow, scale, bias = weights(768, 3072), weights(3072, 768), weights(768), weights(768)

    def function(x: Any) -> Any:
        queries, keys, values = [(x @ w).reshape(128, 12, 64).transpose(1, 0, 2) for w in projections]
        chosen = jax.nn.softmax(queries @ keys.transpose(0, 2, 1) / 8) @ values
        x = layer_norm(x + chosen.transpose(1, 0, 2).reshape(128, 768) @ out, scale, bias)
        return layer_norm(x + jax.nn.gelu(x @ wide, approximate=False) @ narrow, scale, bias)

    return function


def special(a: Any, b: Any) -> Any:
    """Functions that are loops over series."""
    import jax

    functions = jax.scipy.special
    return functions.betainc(a, a + 1, b), functions.gammainc(a, b), functions.zeta(a + 2, b), functions.polygamma(1, a)


if __name__ == "__main__":
    main(sys.argv[1])
