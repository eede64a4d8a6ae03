"""TensorFlow programs that XLA does not take whole: what `hybrid.py` measures."""

from __future__ import annotations

from typing import Any

import numpy as np

TEXTS, WORDS, VOCABULARY, WIDTH, HEADS = 16, 64, 5000, 128, 4
CLASSES, ANCHORS, SIDE = 20, 3, 320


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


def text_classifier() -> tuple[Any, list[Any]]:
    """Sentences to words to numbers to a convolution and attention over them to the name of a class."""
    import tensorflow as tf

    generator = np.random.default_rng(0)
    vocabulary = [f"w{number}" for number in range(1, VOCABULARY)]
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.constant(vocabulary), tf.range(1, VOCABULARY)), VOCABULARY
    )

    def weights(*shape: int) -> Any:
        return tf.Variable((generator.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))).astype("float32"))

    embedding = tf.Variable(generator.normal(size=(VOCABULARY + 1, WIDTH)).astype("float32"))
    near, qkv, out = weights(5, WIDTH, WIDTH), weights(WIDTH, 3 * WIDTH), weights(WIDTH, WIDTH)
    up, down, head = weights(WIDTH, 4 * WIDTH), weights(4 * WIDTH, WIDTH), weights(WIDTH, 16)
    labels = tf.constant([f"label{number}" for number in range(16)])

    def attention(x: Any, known: Any) -> Any:
        parts = tf.reshape(x @ qkv, [TEXTS, WORDS, 3, HEADS, WIDTH // HEADS])
        query, key, value = tf.unstack(tf.transpose(parts, [2, 0, 3, 1, 4]))
        scores = tf.matmul(query, key, transpose_b=True) * (WIDTH // HEADS) ** -0.5
        mixed = tf.nn.softmax(scores + tf.where(known, 0.0, -1e9)[:, None, None]) @ value
        return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [TEXTS, WORDS, WIDTH]) @ out

    @tf.function(input_signature=[tf.TensorSpec([TEXTS], tf.string)])
    def classify(texts: Any) -> Any:
        words = tf.strings.split(tf.strings.regex_replace(tf.strings.lower(texts), r"[^a-z0-9 ]", ""))
        padded = words.to_tensor("", shape=[TEXTS, WORDS])
        numbers = table.lookup(padded)
        known = padded != ""
        x = tf.gather(embedding, tf.where(known, numbers, 0))
        x += tf.nn.relu(tf.nn.conv1d(x, near, 1, "SAME"))
        x += attention(x, known)
        x += tf.nn.gelu(x @ up) @ down
        weight = tf.cast(known, tf.float32)[:, :, None]
        p = tf.nn.softmax((tf.reduce_sum(x * weight, 1) / tf.reduce_sum(weight, 1)) @ head)
        return tf.gather(labels, tf.argmax(p, 1)), tf.reduce_max(p, 1)

    sentences = [
        " ".join(generator.choice(vocabulary, count)).title() + "!" for count in generator.integers(8, 80, TEXTS)
    ]
    return classify, [tf.constant(sentences)]


def detector() -> tuple[Any, list[Any]]:
    """A JPEG to feature maps of two scales to boxes, as many as are left, and the names of their classes."""
    import keras
    import tensorflow as tf
    from keras import layers

    def unit(x: Any, channels: int, stride: int) -> Any:
        x = layers.Conv2D(channels, 3, stride, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        return layers.ReLU(6.0)(layers.BatchNormalization()(x))

    def head(x: Any) -> Any:
        wide = keras.initializers.RandomNormal(stddev=0.2)
        cells = x.shape[1] * x.shape[2] * ANCHORS
        corners = layers.Conv2D(4 * ANCHORS, 3, padding="same")(x)
        scores = layers.Conv2D((CLASSES + 1) * ANCHORS, 3, padding="same", kernel_initializer=wide)(x)
        return layers.Reshape((cells, 4))(corners), layers.Reshape((cells, CLASSES + 1))(scores)

    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((SIDE, SIDE, 3), batch_size=1)
    for channels, stride in ((16, 2), (32, 2), (64, 2), (128, 2), (128, 1)):
        x = unit(x, channels, stride)
    heads = [head(x), head(unit(x, 128, 2))]
    network = keras.Model(inputs, [layers.Concatenate(1)(each) for each in zip(*heads)])
    anchors = np.concatenate([anchors_of(SIDE // stride) for stride in (16, 32)])
    names = tf.constant([f"class{number}" for number in range(CLASSES)])

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def detect(jpeg: Any) -> Any:
        image = tf.io.decode_jpeg(jpeg, channels=3)
        image.set_shape([SIDE, SIDE, 3])
        moved, scores = network(tf.cast(image, tf.float32)[None] / 127.5 - 1.0, training=False)
        centers = moved[..., :2] * 0.1 * anchors[:, 2:] + anchors[:, :2]
        sizes = tf.exp(tf.clip_by_value(moved[..., 2:] * 0.2, -4.0, 4.0)) * anchors[:, 2:]
        boxes = tf.clip_by_value(tf.concat([centers - sizes / 2, centers + sizes / 2], -1), 0.0, 1.0)
        found = tf.image.combined_non_max_suppression(
            boxes[:, :, None], tf.nn.softmax(scores)[..., 1:], 50, 100, score_threshold=0.92
        )
        left = found.valid_detections[0]
        classes = tf.cast(found.nmsed_classes[0, :left], tf.int32)
        return found.nmsed_boxes[0, :left], found.nmsed_scores[0, :left], tf.gather(names, classes)

    pixels = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3))
    return detect, [tf.io.encode_jpeg(tf.constant(pixels, tf.uint8))]


def anchors_of(cells: int) -> np.ndarray:
    """Centre and size of the boxes that a square feature map starts from, (cells² · ANCHORS, 4)."""
    places = (np.arange(cells) + 0.5) / cells
    y, x = np.meshgrid(places, places, indexing="ij")
    shapes = np.array([(1.0, 1.0), (1.4, 0.7), (0.7, 1.4)]) * 2.0 / cells
    centers = np.repeat(np.stack([y, x], -1).reshape(-1, 2), ANCHORS, 0)
    return np.concatenate([centers, np.tile(shapes, (cells * cells, 1))], 1).astype("float32")


PROGRAMS = {
    "MLP between lookup tables, batch 64": perceptron,
    f"classifier of {TEXTS} texts: split words, convolution, attention": text_classifier,
    "ResNet-18 of a JPEG": resnet,
    f"detector: JPEG of {SIDE}x{SIDE}, two scales, non-maximum suppression": detector,
}
