"""rewrites/channels_first.py: XLA runs the rewritten module with the same numbers, and transposes are gone."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tvm
from jax import lax
from tools.support.compare import compare
from tools.support.oracle import run_xla

from tests.support.dialect_marks import DIALECT, relay_only
from tests.support.emitted import calls_of
from tvm_hlo_frontend import from_hlo
from tvm_hlo_frontend.analysis.convolution_layouts import fills_vectors, numbers_channels_first, numbers_channels_last
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.shape import ELEMENT_TYPES
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites.capabilities import Capabilities
from tvm_hlo_frontend.rewrites.channels_first import convolutions_channels_first
from tvm_hlo_frontend.rewrites.expansion import expand
from tvm_hlo_frontend.rewrites.expansions.batch_norm import EXPANSIONS
from tvm_hlo_frontend.rewrites.inline_calls import inline_calls

CAPABILITIES = Capabilities(frozenset(row.name for row in ELEMENT_TYPES))
LAST = ("NHWC", "HWIO", "NHWC")


def convolve(x, w, strides=(1, 1), padding="SAME", labels=LAST, **options):
    return lax.conv_general_dilated(x, w, strides, padding, dimension_numbers=labels, **options)


def normalize(x, scale, offset):
    return x * scale * lax.rsqrt(scale + 1e-3) + offset


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")


def network(x, w1, w2, w3, scale, offset, head):
    """Convolution, normalisation, pooling, a residual block, global average, classifier."""
    x = pool(jax.nn.relu(normalize(convolve(x, w1, (2, 2)), scale, offset)))
    y = jax.nn.relu(normalize(convolve(x, w2), scale, offset))
    y = normalize(convolve(y, w3), scale, offset)
    return jnp.mean(jax.nn.relu(x + y), (1, 2)) @ head


def blocks(x, w1, w2, w3, scale, offset):
    """A residual block of wide convolutions."""
    x = jax.nn.relu(normalize(convolve(x, w1), scale, offset))
    y = jax.nn.relu(normalize(convolve(x, w2), scale, offset))
    return jax.nn.relu(x + normalize(convolve(y, w3), scale, offset))


def depthwise(x, w1, w2, w3):
    """Padding by hand, a depthwise convolution, a clamp, a squeeze-and-excite scale."""
    x = jnp.clip(convolve(x, w1), 0, 6)
    padded = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    y = jnp.clip(convolve(padded, w2, (2, 2), "VALID", feature_group_count=8), 0, 6)
    gate = jax.nn.sigmoid(convolve(jnp.mean(y, (1, 2), keepdims=True), w3))
    return y * gate


def branches(x, w1, w2):
    """Concatenation of features, slices, reversal, a comparison with a constant image, a select."""
    x = jnp.concatenate([convolve(x, w1), convolve(x[:, ::-1], w1)], 3)
    ramp = np.arange(6 * 6 * 8, dtype=np.float32).reshape(1, 6, 6, 8) / 100
    x = jnp.where(x > ramp, x, lax.broadcasted_iota(jnp.float32, x.shape, 3))
    return convolve(x[:, 1:5, :5:2], w2), lax.argmax(x, 3, jnp.int32), x.astype(jnp.int32)


def windows(x, w1, w2):
    """Reversed and dilated windows, as in gradients."""
    x = convolve(x, w1, padding=((2, 1), (1, 2)), lhs_dilation=(2, 2), rhs_dilation=(1, 2))
    return lax.conv_transpose(x, w2, (2, 2), "SAME", dimension_numbers=LAST)


def one_dimension(x, w1, w2):
    x = jnp.tanh(convolve(x, w1, (1,), labels=("NWC", "WIO", "NWC")))
    return convolve(x, w2, (2,), labels=("NWC", "WIO", "NWC"))


def training_loss(x, w1, w2, head):
    x = pool(jax.nn.relu(convolve(x, w1)))
    x = convolve(x, w2)
    return jnp.sum(jnp.tanh(jnp.mean(x, (1, 2)) @ head))


gradient = jax.grad(training_loss, (1, 2, 3))


def unusual(x, w1, w2):
    """Batch between the spatial dimensions, transposes of the user's own."""
    x = jnp.transpose(convolve(x, w1, labels=("HNWC", "OIHW", "CHWN")), (3, 1, 2, 0))
    return jnp.transpose(convolve(jnp.exp(-x), w2), (0, 3, 1, 2))


CASES = {
    "network": (
        network, (2, 16, 16, 3), (3, 3, 3, 8), (3, 3, 8, 8), (1, 1, 8, 8), (8,), (8,), (8, 5)
    ),
    "blocks": (blocks, (1, 6, 6, 16), (3, 3, 16, 32), (3, 3, 32, 32), (1, 1, 32, 32), (32,), (32,)),
    "depthwise": (depthwise, (2, 9, 9, 3), (3, 3, 3, 8), (3, 3, 1, 8), (1, 1, 8, 8)),
    "branches": (branches, (2, 6, 6, 3), (3, 3, 3, 4), (2, 2, 8, 4)),
    "windows": (windows, (2, 5, 6, 3), (3, 2, 3, 4), (3, 3, 4, 2)),
    "one-dimension": (one_dimension, (2, 9, 3), (3, 3, 4), (2, 4, 5)),
    "gradient": (gradient, (2, 8, 8, 3), (3, 3, 3, 4), (3, 3, 4, 4), (4, 3)),
    "unusual": (unusual, (6, 2, 5, 3), (4, 3, 3, 3), (3, 3, 4, 2)),
}  # fmt: skip


def lowered(name: str):
    """The module with calls inlined and normalisations expanded, and arguments for it."""
    function, *shapes = CASES[name]
    random = np.random.default_rng(0)
    args = [np.abs(random.standard_normal(shape).astype("float32")) + 0.1 for shape in shapes]
    args[0] -= 0.7
    proto = jax.jit(function, keep_unused=True).lower(*args).compiler_ir("hlo").as_serialized_hlo_module_proto()
    module = expand(inline_calls(read(proto), CAPABILITIES), CAPABILITIES, EXPANSIONS)
    return module, args, proto


@pytest.mark.parametrize("last", [False, True], ids=["first", "last where that fills vectors"])
@pytest.mark.parametrize("name", CASES)
def test_same_numbers(name, last):
    module, args, _ = lowered(name)
    rewritten = convolutions_channels_first(module, replace(CAPABILITIES, channels_last=last))
    verify(rewritten)
    for instruction in rewritten.instructions:
        if instruction.opcode == "convolution":
            layout = numbers_channels_last if last and fills_vectors(instruction) else numbers_channels_first
            assert instruction.attributes.dimension_numbers == layout(instruction.shape.rank)
    compare(run_xla(rewritten, args), run_xla(module, args), rtol=2e-5)


# transposes of anything but parameters: what enters and what leaves the network ("branches" has two results in which
# the features stay last, an argmax over features, a reversed input and a constant image)
TRANSPOSES_LEFT = {"network": 0, "blocks": 1, "depthwise": 1, "branches": 5, "one-dimension": 1}


@pytest.mark.parametrize("name", TRANSPOSES_LEFT)
def test_no_transposes_between_convolutions(name):
    module, _, _ = lowered(name)
    rewritten = convolutions_channels_first(module, CAPABILITIES)
    moved = [i for i in rewritten.instructions if i.opcode == "transpose" and i.operands[0].opcode != "parameter"]
    assert len(moved) <= TRANSPOSES_LEFT[name], moved
    for transpose in moved:
        if transpose.operands[0].opcode == "reverse":  # of the input
            continue
        users = [i for i in rewritten.instructions if transpose in i.operands]
        assert all(user.opcode not in ("convolution", "add", "maximum") for user in users)


def test_channels_first_is_left_alone():
    def function(x, w):
        return lax.conv_general_dilated(x, w, (1, 1), "SAME")

    x, w = np.ones((1, 3, 6, 6), np.float32), np.ones((4, 3, 3, 3), np.float32)
    module = read(jax.jit(function).lower(x, w).compiler_ir("hlo").as_serialized_hlo_module_proto())
    assert convolutions_channels_first(module, CAPABILITIES) is module


@pytest.mark.parametrize(("groups", "outputs", "last"), [(1, 8, True), (1, 6, False), (6, 6, False), (2, 8, True)])
def test_outputs_of_a_group_decide(groups, outputs, last):
    def function(x, w):
        return convolve(x, w, feature_group_count=groups)

    x, w = np.ones((1, 6, 6, 6), np.float32), np.ones((3, 3, 6 // groups, outputs), np.float32)
    module = read(jax.jit(function).lower(x, w).compiler_ir("hlo").as_serialized_hlo_module_proto())
    rewritten = convolutions_channels_first(module, replace(CAPABILITIES, channels_last=True))
    assert (rewritten is module) == last


@relay_only("blocked layouts are those of Relay's convolutions")
def test_blocked_layout_is_kept():
    """TVM blocks channels (NCHW16c) once at the start, not around every operator between convolutions."""
    _, args, proto = lowered("blocks")
    mod, params = mod_and_params(from_hlo(proto, parameter_values=dict(enumerate(args[1:], 1))))
    from tvm import relay

    with tvm.transform.PassContext(opt_level=3):
        optimized, _ = relay.optimize(mod, "llvm -mcpu=skylake-avx512", params)
    text = optimized.astext(show_meta_data=False)
    assert text.count("nn.contrib_conv2d_NCHWc(") == 3
    assert text.count("layout_transform(") <= 2
    # every operator is in the kernel of a convolution, but for the last transpose and the relu after the residual sum
    functions = text.count("Primitive=1")
    assert functions <= 3 + 2 + 2, text


def test_converted_network():
    """End to end: convolutions and pool on channels-first data, transposes of input and weights alone."""
    _, _, proto = lowered("network")
    found = calls_of(mod_and_params(from_hlo(proto))[0])
    assert found.count("nn.conv2d" if DIALECT == "relay" else "convolution_channels_last") == 3
    # the image and four weights (the classifier's among them); with channels last none but the classifier's
    assert found.count("transpose") <= (5 if DIALECT == "relay" else 1)
