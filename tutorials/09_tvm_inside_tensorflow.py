# %% [markdown]
# # TVM inside TensorFlow
#
# A TensorFlow program with strings, a lookup table or sizes that data tell cannot be converted as a whole: XLA has no
# strings, and TVM has none either. `hybrid.offload` divides it. TVM computes what it can, TensorFlow the rest, and the
# program is called as it was.
#
# The output is that of TVM 0.17 with Relay, where TensorFlow calls the compiled parts through Python. With today's TVM
# (`pip install apache-tvm`) the same program runs on Relax, and an operation of TensorFlow in C++ calls them.

# %%
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from IPython.display import SVG

from tvm_hlo_frontend import SignatureError, hybrid

WORDS, WIDTH = 12, 64
tf.get_logger().setLevel("ERROR")

# %% [markdown]
# ## A program
#
# Sentences become words, words become numbers by a table, and a small network tells what is said of each sentence. Its
# weights are random, so what it tells is, too.

# %%
rng = np.random.default_rng(9)
vocabulary = "the a film plot actor was is not never very good bad dull great fine poor".split()
table = tf.lookup.StaticHashTable(
    tf.lookup.KeyValueTensorInitializer(tf.constant(vocabulary), tf.range(1, len(vocabulary) + 1)), 0
)
labels = tf.constant(["praise", "blame", "neither"])


def variable(*shape):
    return tf.Variable(rng.normal(size=shape, scale=shape[0] ** -0.5).astype("float32"))


embedding, near, hidden, out = (
    variable(17, WIDTH),
    variable(3, WIDTH, WIDTH),
    variable(WIDTH, WIDTH),
    variable(WIDTH, 3),
)


@tf.function
def network(numbers):
    x = tf.gather(embedding, numbers)
    x = tf.nn.relu(tf.nn.conv1d(x, near, 1, "SAME"))
    weights = tf.nn.softmax(tf.reduce_sum(x * (x @ hidden), 2))
    return tf.nn.softmax(tf.reduce_sum(x * weights[:, :, None], 1) @ out)


@tf.function
def judge(texts):
    words = tf.strings.split(tf.strings.regex_replace(tf.strings.lower(texts), "[^a-z ]", ""))
    numbers = table.lookup(words.to_tensor("", shape=[texts.shape[0], WORDS]))
    p = network(numbers)
    return tf.gather(labels, tf.argmax(p, 1)), p


texts = tf.constant(["The plot was never dull!", "A very poor film.", "The actor is great; the film is not."])
words, p = judge(texts)
print(words.numpy(), p.numpy().round(3), sep="\n")

# %% [markdown]
# ## The plan
#
# `partition` only divides. It prints what TVM would compute, and every node that stays with the reason:

# %%
three = tf.TensorSpec([3], tf.string)
plan = hybrid.partition(judge, three)
print(plan)

# %% [markdown]
# The FLOPs are in TVM; strings and the table are not, and neither is what reads variables.

# %%
assert plan.share > 0.99
stays = {stay.op for stay in plan.stays}
assert {"StringLower", "StringSplitV2", "LookupTableFindV2", "ReadVariableOp"} <= stays
assert not any(stay.op in ("MatMul", "BatchMatMulV2", "Conv2D") for stay in plan.stays)

# %% [markdown]
# The same as a picture. What is green is in TVM; viewers show all nodes of a box that is pointed at. On the command
# line, `tvm-hlo partition MODEL --picture plan.svg` draws it of a SavedModel or a Keras file.

# %%
SVG(hybrid.picture(plan, "judge"))

# %% [markdown]
# ## At work
#
# `offload` compiles the clusters and puts calls of them in their place. What it returns is called as the program was:

# %%
run = hybrid.offload(judge, three)
print(run.plan.notes[-1])


def check(run, program, *arguments):
    for got, want in zip(run(*arguments), program(*arguments), strict=True):
        assert got.dtype == want.dtype and got.shape == want.shape
        if got.dtype == tf.string:
            assert (got == want).numpy().all()
        else:
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


check(run, judge, texts)
print(run(texts)[0].numpy())

# %% [markdown]
# ## Variables
#
# They stay in TensorFlow, and the clusters read them at every call. So a change is seen at once:

# %%
before = run(texts)[1]
out.assign(-out)
check(run, judge, texts)
assert np.abs(run(texts)[1] - before).max() > 1e-3

# %% [markdown]
# With `freeze=True` variables that the program only reads become constants of the clusters, as they are now. That is
# faster: TVM lays out weights and computes what follows from them when it compiles. Then a change is not seen:

# %%
frozen = hybrid.offload(judge, three, freeze=True)
check(frozen, judge, texts)
assert not any(stay.op == "ReadVariableOp" for stay in frozen.plan.stays)
kept = frozen(texts)[1]
out.assign(-out)
np.testing.assert_array_equal(frozen(texts)[1], kept)
check(run, judge, texts)

# %% [markdown]
# ## Other shapes
#
# Each set of shapes is divided and compiled when it is met first, and kept; `limit=` says how many.

# %%
check(run, judge, texts[:1])
check(run, judge, tf.concat([texts, texts], 0))
check(run, judge, texts)
print(len(run.variants), "variants")
assert len(run.variants) == 3

# %% [markdown]
# ## Threads, functions, data sets
#
# Any number of threads may call it. It may stand in other functions and in `tf.data`, too:

# %%
batches = [tf.constant([" ".join(rng.choice(vocabulary, rng.integers(1, WORDS))) for _ in range(3)]) for _ in range(32)]
with ThreadPoolExecutor(8) as pool:
    found = list(pool.map(run, batches))
for batch, (_, p) in zip(batches, found, strict=True):
    np.testing.assert_allclose(p, judge(batch)[1], rtol=1e-4, atol=1e-6)

surest = tf.function(lambda texts: tf.reduce_max(run(texts)[1]))
data = tf.data.Dataset.from_tensor_slices(tf.stack(batches)).map(surest)
for batch, p in zip(batches, data, strict=True):
    np.testing.assert_allclose(p, tf.reduce_max(judge(batch)[1]), rtol=1e-4)
print(len(batches), "batches by 8 threads, and by tf.data")

# %% [markdown]
# ## Saved and loaded
#
# `save` writes a SavedModel that has the compiled clusters among its assets. `hybrid.load` runs it without compiling
# anything, and so does `tf.saved_model.load` in a process that has loaded the operation. On Relay, where clusters are
# called through Python, it is refused.

# %%
with tempfile.TemporaryDirectory() as folder:
    try:
        run.save(f"{folder}/judge")
    except SignatureError as error:
        print("refused:", error)
    else:
        loaded = hybrid.load(f"{folder}/judge")
        np.testing.assert_allclose(loaded(texts)[1], judge(texts)[1], rtol=1e-4, atol=1e-6)
        print("loaded, with the signatures", list(loaded.signatures))

# %% [markdown]
# ## What stays, and why
#
# A detector picks boxes that do not overlap: how many are left, data tell. Random numbers stay, as XLA draws others
# than TensorFlow; so does what counts or prints. What comes before and behind them is in clusters of its own:

# %%
calls = tf.Variable(0)
kernel = variable(16, 4)


@tf.function(input_signature=[tf.TensorSpec([100, 16])])
def detect(features):
    calls.assign_add(1)
    corners = tf.sort(tf.reshape(tf.nn.sigmoid(features @ kernel), [100, 2, 2]), 1)
    boxes = tf.reshape(corners, [100, 4])
    scores = tf.reduce_mean(tf.nn.relu(features) * 2 - 1, 1) + 0.01 * tf.random.stateless_normal([100], [1, 2])
    kept = tf.image.non_max_suppression(boxes, scores, 20, iou_threshold=0.3)
    return tf.gather(boxes, kept), tf.nn.softmax(tf.nn.tanh(scores) * 3 + 1)


run = hybrid.offload(detect)
for stay in run.plan.stays:
    print(f"{stay.op:24} {stay.reason}")
features = tf.constant(rng.normal(size=(100, 16)).astype("float32"))
check(run, detect, features)
print(len(run(features)[0]), "of 100 boxes;", calls.numpy(), "calls")

# %%
reasons = {stay.op: stay.reason for stay in run.plan.stays}
assert calls.numpy() == 3 and run.plan.share > 0.9
assert "random" in reasons["StatelessRandomNormalV2"]
assert "known only at run time" in reasons["NonMaxSuppressionV3"] and "resource" in reasons["AssignAddVariableOp"]

# %% [markdown]
# ## What is refused
#
# There is no gradient through a cluster, and the message says so. Train in TensorFlow, offload what is trained.

# %%
try:
    with tf.GradientTape() as tape:
        tape.watch(features)
        total = tf.reduce_sum(run(features)[1])
    tape.gradient(total, features)
except (LookupError, NotImplementedError) as error:
    print(str(error).splitlines()[-1])
else:
    raise AssertionError("a gradient through a cluster")
