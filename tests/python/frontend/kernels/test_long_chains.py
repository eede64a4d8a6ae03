"""Long chains of arithmetic: TVM takes exponential time along nested integers, so their expressions are cut."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tools.support.compare import check, run_tvm

from tvm_hlo_frontend.analysis.fusion import fusion_boundaries
from tvm_hlo_frontend.analysis.scalar_body import scalar_body
from tvm_hlo_frontend.frameworks.jax import lower_jax
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.kernels.reduction.fold import evaluate_body
from tvm_hlo_frontend.tensor_ir.compat import tir
from tvm_hlo_frontend.tensor_ir.loops import Loops

STEPS = 16
X = np.arange(-30, 34, dtype="int32") * 1_000_003
CHAINS = {
    "affine": lambda r, i: r * (3 + i) + 7,
    "product": lambda r, i: r - r * (3 + i),
    "square": lambda r, i: r - r * r,
    "mask": lambda r, i: r - (r & 15) * (3 + i),
    "quotient": lambda r, i: r - jax.lax.div(r, jnp.int32(3 + i)) * (3 + i),
    "shift": lambda r, i: r - (r >> (i % 5 + 1)) * (3 + i),
}
# what must stay one kernel, but for its reductions
WHOLE = {
    "gelu": jax.nn.gelu,
    "layer norm": lambda x: (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5),
    "index": lambda x: x[((jnp.arange(4) * 3 + 4) * 2 - 1) % 8],
}


def chain(name, value, steps=STEPS):
    for step in range(steps):
        value = CHAINS[name](value, step)
    return value


def integers_above(instruction, boundaries, depth):
    """Arithmetic on integers, one inside of the other, that the expression of an instruction has."""
    own = instruction.opcode in ("add", "subtract", "multiply")
    inner = [depth[operand] for operand in instruction.operands if operand not in boundaries]
    return own + max(inner, default=0)


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_of_integers_is_cut(name):
    hlo = lower_jax(lambda x: chain(name, x), X).hlo
    computation = read(hlo).entry
    boundaries, depth = fusion_boundaries(computation), {}
    for instruction in computation.instructions:
        depth[instruction] = integers_above(instruction, boundaries, depth)
    assert max(depth.values()) <= 10
    check(hlo, [X])


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_not_long_stays_whole(name):
    module = read(lower_jax(WHOLE[name], np.ones((8, 16), "float32")).hlo)
    assert [fusion_boundaries(computation) for computation in module.computations] == [set()] * len(module.computations)


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_in_a_reducer_is_cut(name):
    """The longest statement of the body does not grow with its steps; elements are taken in their order."""

    def program(steps):
        return lower_jax(lambda x: jax.lax.reduce(x, np.int32(0), lambda a, b: chain(name, a + b, steps), (0,)), X).hlo

    longest = []
    for steps in (STEPS, 2 * STEPS):
        entry = read(program(steps)).entry
        (reduce,) = [each for each in entry.instructions if each.opcode == "reduce"]
        loops = Loops()
        evaluate_body(loops, scalar_body(reduce.called_computations[0]), [tir.Var(n, "int32") for n in "ab"])
        longest.append(max(map(len, str(loops.finish()).splitlines())))
    assert longest[1] <= 1.2 * longest[0]
    in_order = jax.jit(lambda x: jax.lax.scan(lambda a, b: (chain(name, a + b), None), np.int32(0), x)[0])
    (got,) = run_tvm(program(STEPS), [X])
    np.testing.assert_array_equal(got, in_order(X))
