"""Models quantized by the frameworks' own tools: products of 8 bit integers, summed in 32 bits.

Where a number lies between two integers its last bit decides which of them it becomes, so the meaning of HLO is asked
for to that bit. XLA:CPU's algebraic simplifier changes it: x / constant becomes x * (1 / constant), and x over a
broadcast s becomes x * (1 / s). qwix divides each row's largest number by 127.5, so that the row's own ends lie halfway
between two integers. Its reference is XLA:CPU without that simplifier, from which NumPy's divisions differ by nothing
but rounding, and JAX's defaults, compiled or not, by 2.6e-2. XLA's error of torchao's model, 2.4e-2, is the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.models import flax_models, jax_models, pytorch_models
from tools.models.types import SEED, ModelInstance
from tvm_hlo_frontend.frameworks.tensorflow import lower_tensorflow

ROWS, WIDTH, HIDDEN, CLASSES = 32, 64, 128, 16
DIVISIONS_AS_WRITTEN = {"xla_disable_hlo_passes": "algsimp"}


def _inputs() -> tuple[np.random.Generator, list[np.ndarray]]:
    rng = np.random.default_rng(SEED)
    return rng, [rng.normal(size=(ROWS, WIDTH)).astype(np.float32) for _ in range(2)]


def _perceptron(dot_general: Any = None) -> Any:
    """Two dense layers of flax; `dot_general` makes one anew for each."""
    import flax.linen as nn

    class Perceptron(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            product = {} if dot_general is None else {"dot_general": dot_general}
            return nn.Dense(CLASSES, **product)(nn.relu(nn.Dense(HIDDEN, **product)(x)))

    return Perceptron()


def aqt_perceptron() -> ModelInstance:
    """Dense layers of flax with AQT's product, which quantizes both operands while it runs."""
    import aqt.jax.v2.config as aqt
    import jax

    rng, (first, second) = _inputs()
    model = _perceptron(aqt.config_v4(fwd_bits=8, dlhs_bits=None, drhs_bits=None))
    params = flax_models.varied_tree(rng, model.init(jax.random.key(SEED), first))
    return jax_models.instance(model.apply, params, [first], [second])


def qwix_perceptron() -> ModelInstance:
    """Dense layers of flax after qwix' quantization: weights are stored in 8 bits, activations are quantized."""
    import jax
    import qwix

    rng, (first, second) = _inputs()
    model = _perceptron()
    params = flax_models.varied_tree(rng, model.init(jax.random.key(SEED), first)["params"])
    params = jax.tree.map(jax.numpy.asarray, params)
    rules = [qwix.QuantizationRule(module_path=".*", weight_qtype="int8", act_qtype="int8")]
    quantized = qwix.quantize_model(model, qwix.PtqProvider(rules))
    shapes = jax.eval_shape(quantized.init, jax.random.key(SEED), first)["params"]
    weights = {"params": qwix.quantize_params(params, shapes)}
    return jax_models.instance(quantized.apply, weights, [first], [second], reference_options=DIVISIONS_AS_WRITTEN)


def keras_perceptron() -> ModelInstance:
    """Dense layers of Keras after ``quantize("int8")``."""
    import keras

    from tools.models.library import calibrate_keras

    keras.utils.set_random_seed(SEED)
    rng, (first, second) = _inputs()
    layers = [keras.layers.Dense(HIDDEN, activation="relu"), keras.layers.Dense(CLASSES)]
    model = keras.Sequential([keras.Input((WIDTH,)), *layers])
    calibrate_keras(model, rng, first)
    model.quantize("int8")
    lowered = lower_tensorflow(model, first)
    return ModelInstance(lowered, [first], [second], lambda x: [model(x, training=False).numpy()])


def _torch_perceptron() -> Any:
    import torch

    torch.manual_seed(SEED)
    layers = [torch.nn.Linear(WIDTH, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES)]
    return pytorch_models.calibrate(torch.nn.Sequential(*layers).eval(), np.random.default_rng(SEED))


def torchao_perceptron() -> ModelInstance:
    """Linear layers of torch after torchao's ``quantize_``: int8 weights, activations quantized while it runs."""
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    _, (first, second) = _inputs()
    model = _torch_perceptron()
    quantize_(model, Int8DynamicActivationInt8WeightConfig())
    return pytorch_models.instance(model, [first], [second])


def pt2e_perceptron() -> ModelInstance:
    """Linear layers of torch.export after torchao's pt2e quantization, calibrated with one batch."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.testing.pt2e._xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config

    _, (first, second) = _inputs()
    example = (torch.from_numpy(first),)
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config())
    prepared = prepare_pt2e(torch.export.export(_torch_perceptron(), example).module(), quantizer)
    prepared(*example)
    exported = torch.export.export(convert_pt2e(prepared), example)

    def reference(array: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            return [exported.module()(torch.from_numpy(array)).numpy()]

    lowered = pytorch_models.lower_pytorch(exported)
    return ModelInstance(lowered, [first], [second], reference)
