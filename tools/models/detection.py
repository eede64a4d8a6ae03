"""A detector in TensorFlow: a Keras backbone, heads for boxes and scores, and non-maximum suppression in the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.models.library import calibrate_keras, random_images
from tools.models.types import SEED, ModelInstance
from tvm_hlo_frontend.frameworks.tensorflow import lower_tensorflow

SIZE = 128
CELLS = SIZE // 32
CLASSES, ANCHORS, DETECTIONS = 5, 4, 20


def detector() -> ModelInstance:
    """MobileNetV2 and `tf.image.non_max_suppression_padded`: boxes, scores and how many of them are valid."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(SEED)
    rng = np.random.default_rng(SEED)
    backbone = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
    features = backbone.output
    boxes = keras.layers.Conv2D(ANCHORS * 4, 1, name="boxes")(features)
    scores = keras.layers.Conv2D(ANCHORS * CLASSES, 1, name="scores")(features)
    network = keras.Model(backbone.input, [boxes, scores])
    calibrate_keras(network, rng, random_images(rng, 4, SIZE))
    anchors = rng.uniform(0, 1, (CELLS * CELLS * ANCHORS, 2)).astype(np.float32)

    @tf.function
    def detect(image: Any) -> Any:
        boxes, scores = network(image, training=False)
        offsets = tf.reshape(boxes, (1, -1, 4))
        centre = anchors + 0.1 * tf.tanh(offsets[..., :2])
        half = 0.1 * tf.sigmoid(offsets[..., 2:])
        corners = tf.concat([centre - half, centre + half], -1)
        best = tf.reduce_max(tf.nn.softmax(tf.reshape(scores, (1, -1, CLASSES))), -1)
        chosen, count = tf.image.non_max_suppression_padded(
            corners,
            best,
            DETECTIONS,
            iou_threshold=0.4,
            pad_to_max_output_size=True,
            sorted_input=False,
            canonicalized_coordinates=True,
        )
        return tf.gather(corners, chosen, batch_dims=1), tf.gather(best, chosen, batch_dims=1), count

    inputs, others = (random_images(rng, 1, SIZE) for _ in range(2))
    lowered = lower_tensorflow(detect, tf.TensorSpec((1, SIZE, SIZE, 3), name="image"))
    return ModelInstance(lowered, [inputs], [others], lambda x: [result.numpy() for result in detect(x)])
