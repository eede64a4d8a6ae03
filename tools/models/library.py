"""Models of the demo and the tests: real architectures with random but calibrated weights.

Untrained Keras models are useless for a comparison: their batch norms hold mean 0 and variance 1, activations die out
layer by layer and every image gives the same answer. Here scales and biases are random, and the batch norms' running
statistics are those of random images, so that every layer sees well scaled activations (`calibration.py` checks it).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tools.models import generation, jax_models
from tools.models.types import SEED, Model, ModelInstance, built_once
from tvm_hlo_frontend.frameworks.jax import lower_jax
from tvm_hlo_frontend.frameworks.tensorflow import lower_tensorflow

MLP_WIDTHS = (784, 512, 512, 10)
MLP_BATCH = 64
CNN_BATCH = 8
CNN_SIZE = 32
IMAGE_SIZE = 224
CALIBRATION_IMAGES = 8


def relative_error(got: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """Largest difference in units of the expected result's standard deviation, or of its magnitude if it is one number;
    infinite where shapes, NaN or integers differ."""
    worst = 0.0
    for have, want in zip(got, expected, strict=True):
        if have.shape != want.shape or have.dtype != want.dtype or not np.isfinite(have).all():
            return float("inf")
        difference = float(np.abs(have.astype("f8") - want).max(initial=0.0))
        if difference and want.dtype.kind in "biu":
            return float("inf")
        worst = max(worst, difference / float(want.std() or np.abs(want).max()) if difference else 0.0)
    return worst


def random_images(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """float32 images (count, size, size, 3) in [-1, 1]: coarse patterns of random contrast and colour, plus noise.

    Plain noise would not do: after a few convolutions and poolings all noise looks the same.
    """
    coarse = rng.normal(size=(count, 7, 7, 3)) * rng.uniform(0.3, 1.0, (count, 1, 1, 3))
    patterns = np.repeat(np.repeat(coarse, -(-size // 7), 1), -(-size // 7), 2)[:, :size, :size]
    colour = rng.normal(size=(count, 1, 1, 3)) * 0.3
    noise = rng.normal(size=(count, size, size, 3)) * 0.2
    return np.tanh(patterns + colour + noise).astype(np.float32)


def varied(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """`values`, unless they start training as one number: then a random scale, or a random bias if that number is 0."""
    if values.size and (values != values.flat[0]).any():
        return values
    low, high = (0.5, 1.5) if values.any() else (-0.5, 0.5)
    return rng.uniform(low, high, values.shape).astype(values.dtype)


def jax_mlp() -> ModelInstance:
    """Three dense layers with relu and gelu."""
    import jax

    rng = np.random.default_rng(SEED)
    layers = [
        {
            "kernel": rng.normal(size=(fan_in, width), scale=(2 / fan_in) ** 0.5).astype(np.float32),
            "bias": rng.normal(size=width, scale=0.3).astype(np.float32),
        }
        for fan_in, width in itertools.pairwise(MLP_WIDTHS)
    ]
    params = {f"Dense_{number}": layer for number, layer in enumerate(layers)}

    def mlp(params: Any, x: Any) -> Any:
        for name, activation in (("Dense_0", jax.nn.relu), ("Dense_1", jax.nn.gelu), ("Dense_2", lambda v: v)):
            x = activation(x @ params[name]["kernel"] + params[name]["bias"])
        return x

    inputs, others = (rng.normal(size=(MLP_BATCH, MLP_WIDTHS[0])).astype(np.float32) for _ in range(2))
    jitted = jax.jit(mlp)
    lowered = lower_jax(mlp, params, inputs, weight_argnums=(0,))
    return ModelInstance(lowered, [inputs], [others], lambda x: [np.asarray(jitted(params, x))])


def _flax_cnn_module() -> Any:
    import flax.linen as nn

    class Cnn(nn.Module):
        """Convolutions with batch norm, max and mean pooling, a dense head."""

        @nn.compact
        def __call__(self, x: Any, train: bool = False) -> Any:
            for number, features in enumerate((32, 64, 64)):
                x = nn.Conv(features, (3, 3), strides=2 if number == 1 else 1)(x)
                # momentum 0: one training step sets the running statistics to those of the batch
                x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.0)(x))
                if number == 0:
                    x = nn.max_pool(x, (2, 2), strides=(2, 2))
            return nn.Dense(10)(x.mean((1, 2)))

    return Cnn()


def flax_cnn() -> ModelInstance:
    """A small flax CNN in inference mode, with running statistics of random images."""
    import jax

    model = _flax_cnn_module()
    rng = np.random.default_rng(SEED)
    images, inputs, others = (random_images(rng, CNN_BATCH, CNN_SIZE) for _ in range(3))
    variables = jax.tree.map(np.asarray, model.init(jax.random.key(SEED), inputs))

    def randomise(path: Any, value: np.ndarray) -> np.ndarray:
        # kernels are random already; scales are 1 and biases 0
        if path[-1].key == "kernel":
            return value
        low, high = (0.5, 1.5) if path[-1].key == "scale" else (-0.5, 0.5)
        return rng.uniform(low, high, value.shape).astype(np.float32)

    params = jax.tree_util.tree_map_with_path(randomise, variables["params"])
    _, state = model.apply({**variables, "params": params}, images, train=True, mutable=["batch_stats"])
    calibrated = jax.tree.map(np.asarray, {"params": params, **state})

    def cnn(variables: Any, image: Any) -> Any:
        return model.apply(variables, image)

    jitted = jax.jit(cnn)
    lowered = lower_jax(cnn, calibrated, inputs, weight_argnums=(0,))
    return ModelInstance(lowered, [inputs], [others], lambda image: [np.asarray(jitted(calibrated, image))])


def calibrate_keras(model: Any, rng: np.random.Generator, images: np.ndarray) -> None:
    """Random scales and biases, and running statistics of `images`, in place."""
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    for variable in model.trainable_variables:
        kind = variable.path.rsplit("/", 1)[-1]
        if kind in ("gamma", "beta", "bias"):
            low, high = (0.5, 1.5) if kind == "gamma" else (-0.5, 0.5)
            variable.assign(rng.uniform(low, high, variable.shape).astype(np.float32))
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    # in training mode every batch norm normalises by its own batch, so one pass calibrates all of them
    model(images, training=True)
    for layer, momentum in zip(norms, momenta):
        layer.momentum = momentum


def keras_model(name: str) -> ModelInstance:
    """A model of keras.applications at batch 1; the results are logits."""
    import keras

    keras.utils.set_random_seed(SEED)
    rng = np.random.default_rng(SEED)
    shape = (IMAGE_SIZE, IMAGE_SIZE, 3)
    model = getattr(keras.applications, name)(weights=None, classifier_activation=None, input_shape=shape)
    calibrate_keras(model, rng, random_images(rng, CALIBRATION_IMAGES, IMAGE_SIZE))
    inputs, others = (random_images(rng, 1, IMAGE_SIZE) for _ in range(2))
    lowered = lower_tensorflow(model, inputs)
    return ModelInstance(lowered, [inputs], [others], lambda image: [model(image, training=False).numpy()])


def keras_lstm() -> ModelInstance:
    """Two recurrent layers of Keras and a dense head."""
    import keras

    keras.utils.set_random_seed(SEED)
    rng = np.random.default_rng(SEED)
    layers = [keras.layers.LSTM(48, return_sequences=True), keras.layers.LSTM(32), keras.layers.Dense(5)]
    model = keras.Sequential([keras.Input((20, 16)), *layers])
    calibrate_keras(model, rng, rng.normal(size=(4, 20, 16)).astype(np.float32))
    inputs, others = (rng.normal(size=(3, 20, 16)).astype(np.float32) for _ in range(2))
    lowered = lower_tensorflow(model, inputs)
    return ModelInstance(lowered, [inputs], [others], lambda x: [model(x, training=False).numpy()])


MODELS = (
    built_once("MLP", "jax", jax_mlp),
    built_once("CNN", "flax", flax_cnn),
    built_once("ViT", "jax", jax_models.vit),
    built_once("BERT", "jax", jax_models.bert),
    built_once("GPT-2", "jax", jax_models.gpt2),
    built_once("GRU scan", "jax", jax_models.scanned_gru, loops=True),
    built_once("MLP gradient", "jax", jax_models.mlp_gradient),
    built_once("GP", "jax", jax_models.gaussian_process),
    built_once("GP opcodes", "jax", functools.partial(jax_models.gaussian_process, ("tpu",))),
    built_once("NMS", "jax", jax_models.padded_nms, loops=True),
    built_once("Decoder", "jax", generation.decoder, loops=True),
    built_once("LSTM", "keras", keras_lstm, loops=True),
    built_once("MobileNetV2", "keras", functools.partial(keras_model, "MobileNetV2"), small=False),
    built_once("ResNet50", "keras", functools.partial(keras_model, "ResNet50"), small=False),
)

# one of each kind, which the demo shows in two minutes
SHOWN = ("MLP", "CNN", "BERT", "Decoder", "MobileNetV2")


def model_named(name: str) -> Model:
    """The model of that name; ValueError with all names if there is none."""
    found = [model for model in MODELS if model.name.lower() == name.lower()]
    if not found:
        raise ValueError(f"there is no model {name!r}; the models are {', '.join(model.name for model in MODELS)}")
    return found[0]
