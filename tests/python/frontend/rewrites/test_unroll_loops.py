"""Short counted loops become their trips; everything else stays a loop."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tools.support.compare import compare
from tools.support.oracle import run_xla

from tests.support.rewritten import CARRIED
from tvm_hlo_frontend.analysis.array_loops import any_node, but_for
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites.inline_calls import inline_calls
from tvm_hlo_frontend.rewrites.unroll_loops import FEW_TRIPS, MAX_INSTRUCTIONS, unroll_loops

# kernels of whole loops that sort nothing
CAPABILITIES = replace(CARRIED, computes=but_for(any_node, {"sort"}))
X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


def mixed(x):
    """What no kernel of a whole loop does here."""
    return jnp.flip(lax.sort(x))


def scan(x):
    return lax.scan(lambda carry, row: (mixed(carry) + row, carry), jnp.zeros(3, "float32"), x)


def downwards_in_a_tuple(x):
    body = lambda s: ((s[0][0] - 2, mixed(s[0][1])), s[1] + s[0][1] @ s[0][1].T)  # noqa: E731
    return lax.while_loop(lambda s: ~(s[0][0] <= 0), body, ((jnp.int32(7), x), x @ x.T))


def nested(x):
    return lax.fori_loop(0, 3, lambda i, s: lax.fori_loop(i, 4, lambda j, t: mixed(t) + i * j, s), x)


def wrapping_counter(x):
    going = lambda s: s[0] > 100  # noqa: E731
    return lax.while_loop(going, lambda s: (s[0] + jnp.int8(9), mixed(s[1])), (jnp.int8(120), x))


def unsigned(x):
    return lax.while_loop(lambda s: s[0] != 3, lambda s: (s[0] - jnp.uint8(100), mixed(s[1])), (jnp.uint8(47), x))


def no_trips(x):
    return lax.while_loop(lambda s: s[0] < 0, lambda s: (s[0] + 1, jnp.flip(s[1])), (jnp.int32(0), x))


def chosen_step(x):
    going = lambda s: jnp.logical_and(s[0] < 9, s[1] < 40)  # noqa: E731
    body = lambda s: (s[0] + 1, jnp.where(s[0] > 3, s[1] * 2, s[1] + 3), mixed(s[2]) + s[1])  # noqa: E731
    return lax.while_loop(going, body, (jnp.int32(0), jnp.int32(1), x))


def until_small(x):
    return lax.while_loop(lambda s: jnp.sum(s) > 1, lambda s: mixed(s) * 0.5, jnp.abs(x))


def many_trips(x):
    return lax.fori_loop(0, MAX_INSTRUCTIONS, lambda i, s: mixed(s) + i, x)


def one_kernel(x):
    return lax.fori_loop(0, FEW_TRIPS + 1, lambda i, s: jnp.flip(s) @ (s.T @ s) * 0.1, x)


def few_trips_of_one_kernel(x):
    return lax.fori_loop(0, FEW_TRIPS, lambda i, s: jnp.flip(s) @ (s.T @ s) * 0.1, x)


def element_by_element(x):
    return lax.fori_loop(0, 5, lambda i, s: s * 0.5 + i, x)


def rounds_of_bits(x):
    def body(i, state):
        key, bits = state
        return key + jnp.uint32(1), (bits << 3 ^ bits >> 5) + jnp.broadcast_to(key[:1], bits.shape)

    bits = lax.bitcast_convert_type(x, "uint32")
    return lax.fori_loop(0, 5, body, (jnp.arange(2, dtype="uint32"), bits))[1]


def inlined(function):
    hlo = jax.jit(function, keep_unused=True).lower(X).compiler_ir("hlo").as_serialized_hlo_module_proto()
    return inline_calls(read(hlo), CARRIED)


def loops_of(module):
    return [instruction for instruction in module.instructions if instruction.opcode == "while"]


UNROLLED = [
    scan,
    downwards_in_a_tuple,
    nested,
    wrapping_counter,
    unsigned,
    no_trips,
    chosen_step,
    few_trips_of_one_kernel,
]


@pytest.mark.parametrize("function", UNROLLED, ids=lambda function: function.__name__)
def test_rule_78_trips_give_what_the_loop_gives(function):
    before = inlined(function)
    after = verify(unroll_loops(before, CAPABILITIES))
    assert loops_of(before) and not loops_of(after)
    compare(run_xla(after, [X]), run_xla(before, [X]), ulps=4)


@pytest.mark.parametrize(
    "function",
    [until_small, many_trips, element_by_element, rounds_of_bits, one_kernel],
    ids=lambda function: function.__name__,
)
def test_other_loops_stay(function):
    before = inlined(function)
    after = verify(unroll_loops(before, CAPABILITIES))
    assert len(loops_of(after)) == len(loops_of(before)) == 1
    assert len(list(after.instructions)) == len(list(before.instructions))


def test_slices_of_a_scan_have_constant_starts():
    after = unroll_loops(inlined(scan), CAPABILITIES)
    starts = [start for i in after.instructions if i.opcode == "dynamic-slice" for start in i.operands[1:]]
    assert len(starts) == 2 * len(X) and {start.opcode for start in starts} == {"constant"}
