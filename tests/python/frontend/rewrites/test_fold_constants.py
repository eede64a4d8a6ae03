"""What follows from constants is what XLA computes from them, and nothing that the user has a converter for."""

from __future__ import annotations

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tools.support.oracle import run_xla

import tvm_hlo_frontend
from tests.support.rewritten import CARRIED
from tvm_hlo_frontend.hlo.ir.builder import transform
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites.fold_constants import fold_constants
from tvm_hlo_frontend.rewrites.inline_calls import inline_calls

INTEGERS = "int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
FLOATS = ["float32", "float64"]
COMPARISONS = [lax.eq, lax.ne, lax.lt, lax.le, lax.gt, lax.ge]
ANY = [lax.add, lax.sub, lax.mul, *COMPARISONS]


def numbers(dtype):
    if dtype == "bool":
        return np.array([True, True, False, False])
    if dtype in FLOATS:
        return np.array([-0.0, 1.5, -3.25, 7e3], dtype)
    limits = np.iinfo(dtype)
    return np.array([limits.min, limits.max, 3, 0], dtype)


def moved(x):
    rows = jnp.concatenate([x.reshape(2, 2).T, jnp.broadcast_to(x[1:3], (1, 2))])
    return lax.slice(rows, (0, 0), (3, 2), (2, 1))


def pairs(operations, dtypes):
    return [
        (f"{operation.__name__} {dtype}", lambda x, operation=operation: operation(x, x[::-1]), dtype)
        for operation, dtype in itertools.product(operations, dtypes)
    ]


CASES = [
    *pairs(ANY, INTEGERS + FLOATS),
    *pairs([lax.min, lax.max], [*INTEGERS, "bool"]),
    *pairs([lax.bitwise_and, lax.bitwise_or, lax.bitwise_xor], [*INTEGERS, "bool"]),
    *pairs(COMPARISONS, ["bool"]),
    *((f"moved {dtype}", moved, dtype) for dtype in ["int8", "bool", "float32"]),
    *((f"not {dtype}", lambda x: ~x, dtype) for dtype in ["bool", "uint8", "int64"]),
    *((f"neg {dtype}", lambda x: -x, dtype) for dtype in ["int8", "uint32", "float32"]),
    *((f"abs {dtype}", jnp.abs, dtype) for dtype in ["int8", "float64"]),
    *((f"select {dtype}", lambda x: lax.select(x[::-1] != x, x, x[::-1]), dtype) for dtype in ["bool", "float32"]),
    (
        "bits",
        lambda x: lax.bitcast_convert_type(lax.bitcast_convert_type(x, "int32")[::-1], "float32"),
        "float32",
    ),
    *(
        (f"{source} to {target}", lambda x, target=target: lax.convert_element_type(x, target), source)
        for source, target in [
            ("int32", "int8"),
            ("int8", "uint32"),
            ("uint32", "float32"),
            ("int64", "float32"),
            ("bool", "float32"),
            ("float64", "float32"),
            ("float32", "float64"),
        ]
    ),
]


def module_of(function, *arrays):
    """The function of constants, which neither JAX nor its compiler have folded."""
    module = inline_calls(read(jax.jit(function).lower(*arrays).compiler_ir("hlo")), CARRIED)

    def constant(builder, instruction, operands):
        if instruction.opcode == "parameter" and instruction in module.entry.parameters:
            return builder.constant(arrays[instruction.attributes.number])
        return None

    return transform(module, constant)


@pytest.mark.parametrize(("function", "dtype"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_follows_from_constants_is_what_xla_computes(function, dtype):
    with jax.enable_x64(True):
        before = module_of(function, numbers(dtype))
        after = verify(fold_constants(before, CARRIED))
        assert {instruction.opcode for instruction in before.instructions} > {"constant"}
        assert {instruction.opcode for instruction in after.entry.instructions} == {"constant"}
        (made,), (wanted,) = run_xla(after, []), run_xla(before, [])
    assert made.dtype == wanted.dtype and made.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        (lax.max, (0, -0.0)),
        (lax.mul, (1e-30, 1e-12)),
        (lax.sub, (np.inf, np.inf)),
        (lambda x: x.astype("int8"), (300,)),
        (lambda x: jnp.broadcast_to(x, (3, 2)), (3,)),
        (jnp.tanh, (0.3,)),
    ],
    ids=["zeros", "denormal", "nan", "out of range", "more elements", "tanh"],
)
def test_what_numpy_may_compute_otherwise_stays(function, arrays):
    before = module_of(function, *(np.array([x, 1], "float32") for x in arrays))
    assert {instruction.opcode for instruction in before.instructions} > {"constant"}
    assert len(list(fold_constants(before, CARRIED).instructions)) == len(list(before.instructions))


def test_opcodes_with_converters_of_the_users_own_stay():
    before = module_of(lax.mul, numbers("float32"), numbers("float32")[::-1])
    after = fold_constants(before, replace(CARRIED, replaced=frozenset({"multiply"})))
    assert "multiply" in {instruction.opcode for instruction in after.instructions}
    called = []

    def multiply(ctx, instruction, x, y):
        called.append(instruction.opcode)
        return x

    tvm_hlo_frontend.from_hlo(before, custom_converters={"multiply": multiply})
    assert called == ["multiply"]
