"""TensorFlow programs divided by `tvm_hlo_frontend.hybrid`, against TensorFlow alone and with XLA's automatic clusters.

Run: python benchmarks/hybrid.py. Writes benchmarks/hybrid.md. TensorFlow's clusters are flags of a process, so they are
measured in one of their own, in the same run.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent
CLUSTERS = "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit --tf_xla_min_cluster_size=2"
ROUNDS = 30


def milliseconds(call: Callable[[], Any]) -> float:
    """Median of a call."""
    for _ in range(5):
        call()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def perceptron() -> tuple[Any, list[Any]]:
    """Words to numbers to an embedding to three dense layers to a word."""
    import tensorflow as tf

    generator = np.random.default_rng(0)
    words = [f"word{number}" for number in range(1000)]
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.constant(words), tf.range(1000, dtype=tf.int64)), 0
    )
    shapes = ((1000, 256), (256, 1024), (1024, 1024), (1024, 16))
    embedding, *weights = (tf.Variable((generator.normal(size=s) * 0.05).astype("float32")) for s in shapes)
    labels = tf.constant([f"label{number}" for number in range(16)])

    @tf.function(input_signature=[tf.TensorSpec([64, 8], tf.string)])
    def classify(text: Any) -> Any:
        x = tf.reduce_mean(tf.gather(embedding, table.lookup(tf.strings.lower(text))), 1)
        for weight in weights[:-1]:
            x = tf.nn.gelu(tf.matmul(x, weight))
        p = tf.nn.softmax(tf.matmul(x, weights[-1]))
        return tf.gather(labels, tf.argmax(p, 1)), tf.reduce_max(p, 1)

    return classify, [tf.constant(generator.choice(words, (64, 8)))]


def resnet() -> tuple[Any, list[Any]]:
    """A JPEG to ResNet-18 to the name of a class."""
    import keras
    import tensorflow as tf
    from keras import layers

    def unit(x: Any, channels: int, stride: int) -> Any:
        y = layers.Conv2D(channels, 3, stride, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(channels, 3, padding="same", use_bias=False)(y))
        if stride != 1 or x.shape[-1] != channels:
            x = layers.BatchNormalization()(layers.Conv2D(channels, 1, stride, use_bias=False)(x))
        return layers.ReLU()(layers.Add()([x, y]))

    keras.utils.set_random_seed(0)
    inputs = keras.Input((224, 224, 3), batch_size=1)
    x = layers.Conv2D(64, 7, 2, padding="same", use_bias=False)(inputs)
    x = layers.MaxPool2D(3, 2, padding="same")(layers.ReLU()(layers.BatchNormalization()(x)))
    for channels, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        x = unit(x, channels, stride)
    model = keras.Model(inputs, layers.Dense(1000, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    names = tf.constant([f"class{number}" for number in range(1000)])

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def classify(jpeg: Any) -> Any:
        image = tf.io.decode_jpeg(jpeg, channels=3)
        image.set_shape([224, 224, 3])
        p = model(tf.cast(image, tf.float32)[None] / 255.0, training=False)[0]
        return tf.gather(names, tf.argmax(p)), tf.reduce_max(p)

    pixels = np.random.default_rng(0).integers(0, 255, (224, 224, 3))
    return classify, [tf.io.encode_jpeg(tf.constant(pixels, tf.uint8))]


PROGRAMS = {"MLP between lookup tables, batch 64": perceptron, "ResNet-18 of a JPEG": resnet}


def of_tensorflow() -> dict[str, float]:
    """Latency of each program in TensorFlow, with the flags of this process."""
    latencies = {}
    for name, make in PROGRAMS.items():
        function, arguments = make()
        latencies[name] = milliseconds(lambda f=function, a=arguments: f(*a))
    return latencies


def main() -> int:
    """Measure and write the table."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if sys.argv[1:] == ["tensorflow"]:
        print(json.dumps(of_tensorflow()))
        return 0
    flags = {**os.environ, "TF_XLA_FLAGS": CLUSTERS}
    done = subprocess.run(
        [sys.executable, __file__, "tensorflow"], env=flags, capture_output=True, text=True, check=True
    )
    clustered = json.loads(done.stdout.splitlines()[-1])
    from tvm_hlo_frontend import hybrid

    rows = []
    for name, make in PROGRAMS.items():
        function, arguments = make()
        run = hybrid.offload(function, freeze=True)
        for got, want in zip(run(*arguments), function(*arguments)):
            if want.dtype.is_floating:
                np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-3)
            elif not np.array_equal(got.numpy(), want.numpy()):
                raise SystemExit(f"{name}: {got} instead of {want}")
        mine = milliseconds(lambda: run(*arguments))  # noqa: B023
        alone = milliseconds(lambda: function(*arguments))  # noqa: B023
        rows.append((name, run.plan.share, mine, alone, clustered[name]))
        print(name, rows[-1], run.plan.notes[-1], flush=True)
    text = [
        "# The hybrid",
        "",
        "Generated by `make demo-hybrid`: TensorFlow programs whose clusters TVM computes, frozen, against TensorFlow",
        f"alone and with XLA's automatic clusters, medians of one run on {os.cpu_count()} processors.",
        "",
        "| program | FLOPs in TVM | ms | TensorFlow alone, ms | ratio | with XLA's clusters, ms | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {name} | {100 * share:.0f} % | {mine:.2f} | {alone:.2f} | **{mine / alone:.2f}** | {xla:.2f} | "
            f"**{mine / xla:.2f}** |"
            for name, share, mine, alone, xla in rows
        ),
    ]
    (FOLDER / "hybrid.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
