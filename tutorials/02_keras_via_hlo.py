# %% [markdown]
# # A Keras model via HLO
#
# TensorFlow lowers the model to HLO, and this package converts that: TVM need not know an operator of TensorFlow.
#
# The output is that of TVM 0.17 with Relay; with today's TVM (`pip install apache-tvm`) the same program runs on Relax,
# whose modules hold their parameters themselves: `mod_and_params` gives module and parameters with either.

# %%
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import tvm_hlo_frontend
from tvm_hlo_frontend import mod_and_params

tf.get_logger().setLevel("ERROR")
keras = tf.keras
keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.layers.Input((32, 32, 3)),
        keras.layers.Conv2D(16, 3, padding="same"),
        keras.layers.BatchNormalization(),
        keras.layers.Activation("swish"),
        keras.layers.SeparableConv2D(32, 3, strides=2),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
images = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype("float32")

mod, params = mod_and_params(tvm_hlo_frontend.from_tensorflow(model, shape=[images.shape], freeze_params=False))
run = tvm_hlo_frontend.build(mod, params)
reference = model(images).numpy()
print("largest difference:", np.abs(run(images) - reference).max())
assert np.abs(run(images) - reference).max() < 1e-5

# %% [markdown]
# Weights come back under the names that Keras gives them:

# %%
for name, array in sorted(params.items()):
    print(f"{name:50} {array.shape}")

# %% [markdown]
# ## A SavedModel
#
# The same model from disk. A signature has named inputs and outputs:

# %%
with tempfile.TemporaryDirectory() as folder:
    model.export(folder, verbose=False)
    mod, params = mod_and_params(tvm_hlo_frontend.from_tensorflow(folder, shape=[images.shape]))
saved = tvm_hlo_frontend.build(mod, params)
print([parameter.name for parameter in saved.inputs], tvm_hlo_frontend.report_of(mod).notes)
np.testing.assert_allclose(saved(images), reference, atol=1e-5)

# %% [markdown]
# ## What the model became

# %%
report = tvm_hlo_frontend.report_of(mod)
counts = sorted(report.converted.items(), key=lambda item: item[1])
fig, axes = plt.subplots(figsize=(6, 3.5))
axes.barh([name for name, _ in counts], [count for _, count in counts])
axes.set_xlabel("instructions")
fig.tight_layout()
plt.show()

# %% [markdown]
# ## TVM's own entry point
#
# `relay.frontend.from_tensorflow` takes `via="hlo"`; without it TVM's own importer runs as ever. Relax has no importer
# of that name, so there `relax.frontend.from_tensorflow` is this one.

# %%
try:
    from tvm.relay import frontend

    options = {"via": "hlo"}
except ImportError:
    from tvm.relax import frontend

    options = {}


@tf.function
def steps(x):
    return tf.while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, tf.linalg.matmul(x, x) * 0.5), (0, x))[1]


graph = steps.get_concrete_function(tf.TensorSpec((2, 2), name="x")).graph.as_graph_def()
mod, params = mod_and_params(frontend.from_tensorflow(graph, shape={"x": (2, 2)}, outputs=["Identity"], **options))
x = np.eye(2, dtype="float32") * 1.5
print(tvm_hlo_frontend.build(mod, params)(x))
np.testing.assert_allclose(tvm_hlo_frontend.build(mod, params)(x), steps(x), rtol=1e-5)
