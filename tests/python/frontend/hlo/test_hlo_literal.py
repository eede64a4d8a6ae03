"""hlo/ir/literal.py: every element type, layouts, sizes that do not fit, speed."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tvm_hlo_frontend.errors import HloParseError
from tvm_hlo_frontend.hlo.ir.literal import decode_literal, encode_literal
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, ELEMENT_TYPES, array_shape, tuple_shape
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.proto.schema import LiteralProto

ARRAY_TYPES = [row.name for row in ELEMENT_TYPES if row.numpy_dtype is not None]
SPECIAL = {
    "s4": [-8, 7, -1, 1],
    "s2": [-2, 1, -1, 0],
    "s1": [-1, 0, 0, -1],
    "s8": [-128, 127, -1, 1],
    "s32": [-(2**31), 2**31 - 1, -1, 300],
    "s64": [-(2**63), 2**63 - 1, -1, 2**40],
    "u32": [0, 2**32 - 1, 127, 128],
    "u64": [0, 2**64 - 1, 2**63, 16384],
    "f32": [np.nan, -0.0, 1e-45, np.inf],
    "c64": [1 + 2j, 0, -1j, 3],
    "c128": [1 + 2j, 0, -1j, 3],
    "f8e8m0fnu": [1, 2, 4, 0.5],  # has no zero
}


def _sample(element_type: str) -> np.ndarray:
    values = SPECIAL.get(element_type, [1, 0, 1, 1])
    wide = np.array(values, np.uint64) if element_type == "u64" else np.array(values)
    return wide.astype(BY_NAME[element_type].numpy_dtype).reshape(2, 2)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("element_type", ARRAY_TYPES)
def test_rule_46_round_trip_of_every_element_type(element_type):
    want = _sample(element_type)
    data = encode_literal(want, array_shape(element_type, want.shape)).SerializeToString()
    assert _same(decode_literal(LiteralProto.FromString(data)), want)


# jax has no s1, u1
@pytest.mark.parametrize("element_type", [name for name in ARRAY_TYPES if name not in ("s1", "u1")])
def test_constants_made_by_jax(element_type):
    import jax
    import jax.numpy as jnp

    want = _sample(element_type)
    with jax.enable_x64(True):
        module = read(jax.jit(lambda: jnp.asarray(want)).lower().compiler_ir("hlo"))
    (constant,) = [i for i in module.instructions if i.opcode == "constant"]
    assert constant.shape.element_type == element_type
    assert _same(constant.attributes.literal, want)


def test_constants_made_by_xla_have_the_values_that_xla_prints():
    text = "HloModule m\nENTRY e { ROOT c = f32[2,3]{0,1} constant({{1,2,3},{4,5,6}}) }"
    module = read(text)
    assert module.entry.root.shape.minor_to_major == (0, 1)
    np.testing.assert_array_equal(module.entry.root.attributes.literal, [[1, 2, 3], [4, 5, 6]])


def test_rule_46_layout_of_three_dimensions():
    proto = encode_literal(np.arange(24, dtype=np.float32), array_shape("f32", (24,)))
    proto.shape.dimensions[:] = [2, 3, 4]
    proto.shape.layout.minor_to_major[:] = [0, 2, 1]  # dimension 1 outermost, 0 innermost
    want = np.arange(24, dtype=np.float32).reshape(3, 4, 2).transpose(2, 0, 1)
    np.testing.assert_array_equal(decode_literal(proto), want)


def test_rule_46_tuple_literals():
    parts = (np.array([1, 2], np.int32), (np.float32(3) * np.ones(()), np.zeros((0, 2), bool)))
    shape = tuple_shape(array_shape("s32", (2,)), tuple_shape(array_shape("f32"), array_shape("pred", (0, 2))))
    parts = (parts[0], (parts[1][0].astype(np.float32), parts[1][1]))
    first, (second, third) = decode_literal(encode_literal(parts, shape))
    assert _same(first, parts[0]) and _same(second, parts[1][0]) and _same(third, parts[1][1])


def test_rule_46_packed_elements_in_several_chunks():
    proto = encode_literal(np.array([1.0], np.float32), array_shape("f32", (1,)))
    proto.shape.dimensions[:] = [2]
    proto.f32s.append(np.float32(2).tobytes())
    np.testing.assert_array_equal(decode_literal(proto), [1, 2])


def _damaged(element_type: str, field: str, value: object) -> object:
    proto = encode_literal(_sample(element_type), array_shape(element_type, (2, 2)))
    target = proto.shape if hasattr(proto.shape, field) else proto
    if field == "minor_to_major":
        proto.shape.layout.minor_to_major[:] = value
    elif isinstance(value, list):
        getattr(target, field)[:] = value
    else:
        setattr(target, field, value)
    return proto


DAMAGED = [
    ("f32", "dimensions", [3, 3], "needs 9 elements and holds 4"),
    ("f32", "dimensions", [2, -2], "negative size"),
    ("f32", "dimensions", [2**40, 2**40], "holds 4"),
    ("f32", "f32s", [b"12345"], "no whole number"),
    ("s32", "s32s", [b"\x01\x02\x03\x80"], "cut off"),
    ("s64", "s64s", [b"\xff" * 11 + b"\x01"], "more than 10 bytes"),
    ("bf16", "bf16s", b"123", "no whole number"),
    ("pred", "preds", [b"\x01"], "holds 1"),
    ("s4", "s4s", b"", "holds 0"),
    ("f32", "element_type", 77, "unknown element type number 77"),
    ("f32", "element_type", 17, "cannot be of element type token"),
    ("f32", "minor_to_major", [0, 0], "no permutation"),
]


@pytest.mark.parametrize(("element_type", "field", "value", "message"), DAMAGED)
def test_damaged_literals_name_the_instruction(element_type, field, value, message):
    with pytest.raises(HloParseError, match=f"weights.7: .*{message}"):
        decode_literal(_damaged(element_type, field, value), "weights.7")


@pytest.mark.parametrize("dimensions", [[2**62, 0, 8], [0] * 70])
def test_sizes_beyond_numpy(dimensions):
    proto = encode_literal(np.zeros((0,), np.float32), array_shape("f32", (0,)))
    proto.shape.dimensions[:] = dimensions
    proto.shape.layout.minor_to_major[:] = []
    with pytest.raises(HloParseError, match=r"weights\.7: literal of shape"):
        decode_literal(proto, "weights.7")


def _fastest(action, repeats=3):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = action()
        times.append(time.perf_counter() - start)
    return min(times), result


def test_speed():
    """A few copies of the bytes (measured: 2.6e9 bytes per second), where an object per element costs a hundred."""
    want = np.arange(25_000_000, dtype=np.float32)
    proto = encode_literal(want, array_shape("f32", want.shape))
    copying, _ = _fastest(want.copy)
    decoding, got = _fastest(lambda: decode_literal(proto))
    assert _same(got, want)
    assert decoding < 20 * copying
