"""bitcast (rules 32 and 83): the buffer in one layout read in another; and optimised HLO of XLA:CPU, which holds it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax import lax
from tools.support.compare import compare, run_tvm

import tvm_hlo_frontend
from tests.support.hlo_samples import jax_samples
from tvm_hlo_frontend.errors import HloVerificationError
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import Shape, array_shape
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.proto.writer import to_proto
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites.capabilities import Capabilities
from tvm_hlo_frontend.rewrites.expansion import expand
from tvm_hlo_frontend.rewrites.expansions.bitcast import EXPANSIONS


def shaped(element_type, sizes, layout=None):
    return Shape(element_type, tuple(sizes), layout)


def module_of(source, target):
    builder = ComputationBuilder("main")
    return module("m", builder.build(builder.add("bitcast", [builder.parameter(0, source)], target)))


def in_memory(x, shape):
    """The bytes of an array in the layout of `shape`."""
    order = range(x.ndim) if shape.minor_to_major is None else shape.minor_to_major[::-1]
    return np.ascontiguousarray(x.transpose(list(order))).tobytes()


def from_memory(data, shape):
    """Inverse of `in_memory`."""
    order = list(range(shape.rank) if shape.minor_to_major is None else shape.minor_to_major[::-1])
    stored = np.frombuffer(data, shape.numpy_dtype).reshape([shape.sizes[axis] for axis in order])
    return np.ascontiguousarray(stored.transpose(np.argsort(order)))


def values(random, shape):
    numbers = 9 * random.standard_normal(shape.sizes)
    if shape.kind == "complex":
        numbers = numbers + 1j * random.standard_normal(shape.sizes)
    return numbers.astype(shape.numpy_dtype) if shape.kind != "pred" else numbers > 0


# id -> (shape of the operand, shape of the result)
CASES = {
    "same": (shaped("f32", (2, 3)), shaped("f32", (2, 3))),
    "reshape": (shaped("f32", (2, 3, 4)), shaped("f32", (4, 6))),
    "transpose": (shaped("f32", (2, 3)), shaped("f32", (3, 2), (0, 1))),
    "transpose back": (shaped("f32", (2, 3), (0, 1)), shaped("f32", (3, 2))),
    "same, both column-major": (shaped("f32", (2, 3), (0, 1)), shaped("f32", (2, 3), (0, 1))),
    "relayout in place": (shaped("f32", (2, 3)), shaped("f32", (2, 3), (0, 1))),
    "three dimensions": (shaped("f32", (2, 3, 4), (0, 2, 1)), shaped("f32", (6, 4), (0, 1))),
    "split, permuted": (shaped("s32", (6, 4), (0, 1)), shaped("s32", (2, 2, 3, 2), (1, 3, 0, 2))),
    "dimensions of size 1": (shaped("f32", (1, 4, 1), (0, 2, 1)), shaped("f32", (4,))),
    "scalar": (shaped("f32", (1, 1)), shaped("f32", ())),
    "no element": (shaped("f32", (2, 0), (0, 1)), shaped("f32", (0, 3))),
    "type of the same width": (shaped("f32", (2, 3)), shaped("s32", (3, 2), (0, 1))),
    "to bytes": (shaped("f32", (2, 3), (0, 1)), shaped("u8", (3, 8))),
    "from bytes": (shaped("u8", (2, 8), (0, 1)), shaped("f32", (4,))),
    "wider words": (shaped("s16", (3, 8)), shaped("u64", (2, 3), (0, 1))),
    "narrower words": (shaped("f64", (3, 2), (0, 1)), shaped("f32", (2, 6))),
    "pred to bytes": (shaped("pred", (2, 3), (0, 1)), shaped("u8", (6,))),
    "bytes to pred": (shaped("u8", (6,)), shaped("pred", (2, 3), (0, 1))),
    "complex to parts": (shaped("c64", (2, 3), (0, 1)), shaped("f32", (12,))),
    "parts to complex": (shaped("f64", (4, 3)), shaped("c128", (3, 2), (0, 1))),
    "complex": (shaped("c64", (2, 3)), shaped("c64", (3, 2), (0, 1))),
    "bf16 to bits": (shaped("bf16", (2, 3), (0, 1)), shaped("u16", (6,))),
    "f8": (shaped("f8e4m3fn", (2, 3)), shaped("f8e4m3fn", (3, 2), (0, 1))),
    "s4": (shaped("s4", (2, 4)), shaped("s4", (4, 2), (0, 1))),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_rule_32_buffer_in_another_layout(name, random):
    source, target = CASES[name]
    x = values(random, source) if name != "bytes to pred" else np.array([1, 0, 0, 1, 1, 0], "uint8")
    wanted = from_memory(in_memory(x, source), target)
    if name == "s4":
        wanted = from_memory(in_memory(x.astype(np.int8), shaped("s8", source.dimensions)),
                             shaped("s8", target.dimensions, (0, 1))).astype(ml_dtypes.int4)  # fmt: skip
    (got,) = run_tvm(to_proto(verify(module_of(source, target))), [x])
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("name", "opcodes"),
    [("same", []), ("reshape", ["reshape"]), ("transpose", ["transpose"]), ("transpose back", ["transpose"]),
     ("dimensions of size 1", ["reshape"]), ("type of the same width", ["bitcast-convert", "transpose"])],
)  # fmt: skip
def test_no_more_movement_than_needed(name, opcodes):
    new = expand(module_of(*CASES[name]), Capabilities(frozenset()), EXPANSIONS)
    assert [instruction.opcode for instruction in new.entry.instructions[1:]] == opcodes


UNDECIDED = {
    "tiled": (Shape("f32", (8, 128), (1, 0), tiles=((8, 128),)), shaped("f32", (1024,))),
    "packed": (shaped("s4", (8,)), shaped("u8", (4,))),
}


@pytest.mark.parametrize("name", UNDECIDED)
def test_rule_83_what_the_layout_does_not_say_is_refused(name):
    data = to_proto(module_of(*UNDECIDED[name]))
    assert read(data).entry.parameters[0].shape.tiles == UNDECIDED[name][0].tiles
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError, match="tiled layout, or packed elements"):
        tvm_hlo_frontend.from_hlo(data)


def test_rule_83_equal_tiled_layouts_are_the_identity():
    shape = Shape("f32", (4,), (0,), tiles=((128,),))
    (got,) = run_tvm(to_proto(module_of(shape, shape)), [np.arange(4, dtype="float32")])
    np.testing.assert_array_equal(got, np.arange(4, dtype="float32"))


def test_sizes_in_memory_are_verified():
    verify(module_of(shaped("pred", (4,)), shaped("u8", (4,))))
    with pytest.raises(HloVerificationError, match="48 bits"):
        verify(module_of(shaped("f16", (3,)), shaped("f32", (2,))))


# ---- optimised HLO


def normal(random, *shape):
    return random.standard_normal(shape).astype("float32")


def attention(q, k, v):
    weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k))
    return jnp.einsum("bhqk,bkhd->bqhd", weights, v)


def recurrent(x, w):
    return lax.scan(lambda c, y: (jnp.tanh(c @ w + y), c), jnp.zeros((2, 4)), x)


SAMPLES = "convolution max_pool_gradient gather scatter sort topk threefry bitcast fft linalg".split()


def optimised(random):
    return {
        "mlp": (
            lambda x, w, b: jax.nn.relu(x @ w + b).sum(1),
            (normal(random, 3, 4), normal(random, 4, 8), normal(random, 8)),
        ),
        "attention": (attention, (normal(random, 2, 5, 3, 4), normal(random, 2, 6, 3, 4), normal(random, 2, 6, 3, 4))),
        "transposes": (lambda x: (x.T.reshape(4, 6).T + 1).reshape(2, 12), (normal(random, 6, 4),)),
        "recurrent": (recurrent, (normal(random, 5, 2, 4), normal(random, 4, 4))),
        **{name: jax_samples()[name] for name in SAMPLES},
    }


OPTIMISED = optimised(np.random.default_rng(0))


@pytest.mark.parametrize("name", OPTIMISED)
def test_rule_83_optimised_modules(name):
    function, args = OPTIMISED[name]
    compiled = jax.jit(function, keep_unused=True).lower(*args).compile()
    (hlo,) = compiled.runtime_executable().hlo_modules()
    wanted = [np.asarray(leaf) for leaf in jax.tree.leaves(compiled(*args))]
    compare(run_tvm(hlo, args), wanted, rtol=1e-4)


def test_optimised_modules_hold_bitcasts():
    """What the test above is about is in its modules."""
    held = 0
    for function, args in OPTIMISED.values():
        compiled = jax.jit(function, keep_unused=True).lower(*args).compile()
        held += sum(i.opcode == "bitcast" for i in read(compiled.runtime_executable().hlo_modules()[0]).instructions)
    assert held >= 10


def test_rule_84_topk_calls_of_another_order_are_refused():
    from tvm_hlo_frontend.hlo.ir.attributes import CompareAttributes, CustomCallAttributes

    order = ComputationBuilder("order")
    left, right = order.parameter(0, array_shape("f32")), order.parameter(1, array_shape("f32"))
    smallest = order.build(order.add("compare", [left, right], attributes=CompareAttributes("LT", "FLOAT")))
    builder = ComputationBuilder("main")
    shape = Shape("tuple", tuple_shapes=(array_shape("f32", (2,)), array_shape("s32", (2,))))
    x = builder.parameter(0, array_shape("f32", (5,)))
    hlo = module("m", builder.build(builder.add("custom-call", [x], shape, CustomCallAttributes("TopK"), [smallest])))
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError, match="not that of the largest"):
        tvm_hlo_frontend.from_hlo(hlo)
