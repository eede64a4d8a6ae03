"""ragged-dot (rule 91) against JAX's ragged_dot_general on XLA:CPU, which has no ragged-dot of its own."""

from __future__ import annotations

import jax
import ml_dtypes
import numpy as np
import pytest
from jax import lax
from tools.support.compare import compare, run_tvm

from tests.support.emitted import source_for
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import DotDimensionNumbers, RaggedDotAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape, element_type_of
from tvm_hlo_frontend.hlo.proto.reader import read


def numbers(lhs_contracting, rhs_contracting, lhs_batch, rhs_batch, ragged, groups):
    """Attributes of the instruction and JAX's form of them."""
    dots = DotDimensionNumbers(lhs_contracting, rhs_contracting, lhs_batch, rhs_batch)
    theirs = lax.RaggedDotDimensionNumbers(
        dot_dimension_numbers=((lhs_contracting, rhs_contracting), (lhs_batch, rhs_batch)),
        lhs_ragged_dimensions=[ragged],
        rhs_group_dimensions=list(groups),
    )
    return RaggedDotAttributes(dots, (ragged,), groups), theirs


ROWS = numbers((1,), (1,), (), (), 0, (0,))
DEPTH = numbers((0,), (0,), (), (), 0, ())
TWO_SETS = [[4, 0, 5], [1, 2, 3]]
FOUR_SETS = [[4, 0, 5], [1, 2, 3], [9, 9, 9], [0, 0, 0]]

# id -> (lhs, rhs, group sizes, dimension numbers)
CASES = {
    "rows": ((11, 5), (3, 5, 7), [4, 0, 5], ROWS),
    "rows, tiles with rest": ((200, 64), (3, 64, 150), [70, 0, 100], ROWS),
    "rows, many groups": ((130, 8), (20, 8, 70), [7] * 20, ROWS),
    "rows, groups last": ((11, 5), (5, 7, 3), [4, 0, 5], numbers((1,), (0,), (), (), 0, (2,))),
    "rows, batch": ((2, 11, 5), (3, 2, 5, 7), TWO_SETS, numbers((2,), (2,), (0,), (1,), 1, (0,))),
    "rows, batch not first": ((11, 2, 5), (2, 3, 5, 7), TWO_SETS, numbers((2,), (2,), (1,), (0,), 0, (1,))),
    "rows, sets per outer row": ((4, 11, 5), (3, 5, 7), FOUR_SETS, numbers((2,), (1,), (), (), 1, (0,))),
    "rows, one set for outer rows": ((4, 11, 5), (3, 5, 7), [4, 0, 5], numbers((2,), (1,), (), (), 1, (0,))),
    "rows, inner rows": ((4, 3, 5), (3, 5, 7), [1, 1, 2], numbers((2,), (1,), (), (), 0, (0,))),
    "rows, two contracting crossed": ((9, 2, 3), (3, 3, 2, 4), [2, 3, 1], numbers((1, 2), (2, 1), (), (), 0, (0,))),
    "depth": ((11, 6), (11, 5), [4, 0, 5], DEPTH),
    "depth, tiles with rest": ((200, 70), (200, 150), [70, 0, 100], DEPTH),
    "depth, few rows": ((50, 3), (50, 5), [20, 30], DEPTH),
    "depth, batch": ((2, 11, 6), (2, 5, 11), TWO_SETS, numbers((1,), (2,), (0,), (0,), 1, ())),
    "depth, sets per outer element": ((4, 11, 6), (4, 11, 5), FOUR_SETS, numbers((0, 1), (0, 1), (), (), 1, ())),
    "depth, inner elements": ((4, 11, 6), (4, 11, 5), [1, 0, 2], numbers((0, 1), (0, 1), (), (), 0, ())),
    "depth, ragged not first": ((6, 4, 11), (11, 4, 5), [4, 3], numbers((1, 2), (1, 0), (), (), 2, ())),
    "batch": ((4, 11, 6), (4, 6, 5), [1, 0, 2], numbers((2,), (1,), (0,), (0,), 0, ())),
    "no element": ((11, 0), (3, 0, 7), [4, 0, 5], ROWS),
    "no row": ((0, 5), (3, 5, 7), [4, 0, 5], ROWS),
    "no group": ((4, 5), (0, 5, 7), [], ROWS),
}
# whatever the sizes, nothing outside of the operands is read
SIZES = {
    "all zero": [0, 0, 0],
    "too large": [40, 3, 5],
    "first alone": [11, 0, 0],
    "below zero": [6, -3, 5],
    "far below zero": [-100, 50, 60],
    "overflow": [2**31 - 1, 2**31 - 1, 7],
}


def module_of(arguments, attributes, result, shape):
    builder = ComputationBuilder("main")
    operands = [builder.parameter(i, array_shape(element_type_of(a.dtype), a.shape)) for i, a in enumerate(arguments)]
    made = builder.add("ragged-dot", operands, array_shape(result, shape), attributes)
    return module("ragged", builder.build(made))


def both(lhs, rhs, sizes, dimension_numbers, result=None):
    """Results of the opcode in TVM and of JAX's decomposition on XLA:CPU."""
    attributes, theirs = dimension_numbers
    dtype = lhs.dtype if result is None else np.dtype(result)
    function = jax.jit(lambda a, b, g: lax.ragged_dot_general(a, b, g, theirs, preferred_element_type=dtype))
    wanted = np.asarray(function(lhs, rhs, sizes))
    hlo = module_of([lhs, rhs, sizes], attributes, element_type_of(wanted.dtype), wanted.shape)
    (got,) = run_tvm(hlo, [lhs, rhs, sizes])
    return got, wanted


def normal(random, *shape):
    return random.standard_normal(shape).astype("float32")


@pytest.mark.parametrize("name", CASES)
def test_rule_91_dimensions(name, random):
    lhs, rhs, sizes, dimension_numbers = CASES[name]
    got, wanted = both(normal(random, *lhs), normal(random, *rhs), np.array(sizes, "int32"), dimension_numbers)
    compare([got], [wanted], rtol=1e-5)


@pytest.mark.parametrize("numbering", [ROWS, DEPTH], ids=["rows", "depth"])
@pytest.mark.parametrize("name", SIZES)
def test_rule_91_group_sizes_are_not_trusted(name, numbering, random):
    rhs = normal(random, 3, 5, 7) if numbering is ROWS else normal(random, 11, 7)
    sizes = np.array(SIZES[name], "int64" if name == "overflow" else "int32")
    with jax.enable_x64(name == "overflow"):
        got, wanted = both(normal(random, 11, 5), rhs, sizes, numbering)
    compare([got], [wanted], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32"])
def test_rule_91_types_of_group_sizes(dtype, random):
    got, wanted = both(normal(random, 11, 5), normal(random, 3, 5, 7), np.array([4, 0, 5], dtype), ROWS)
    compare([got], [wanted], rtol=1e-5)


def test_rule_91_many_rows_in_groups_of_narrow_sizes(random):
    """The group ends are summed in 64 bits: 300 does not fit the type of the sizes."""
    lhs, rhs = normal(random, 300, 4), normal(random, 3, 4, 5)
    hlo = module_of([lhs, rhs, np.array([100, 100, 100], "uint8")], ROWS[0], "f32", (300, 5))
    (got,) = run_tvm(hlo, [lhs, rhs, np.array([100, 100, 100], "uint8")])
    compare([got], [np.concatenate([lhs[g * 100 : g * 100 + 100] @ rhs[g] for g in range(3)])], rtol=1e-5)


# element types of operands and result
TYPES = [
    ("float64", None), ("float16", None), ("float16", "float32"), ("bfloat16", None), ("bfloat16", "float32"),
    ("int8", "int32"), ("int32", None), ("uint8", None), ("complex64", None),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "result"), TYPES, ids=lambda value: str(value))
@pytest.mark.parametrize("numbering", [ROWS, DEPTH], ids=["rows", "depth"])
def test_rules_48_and_91_element_types(dtype, result, numbering, random):
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    lhs, rhs = 9 * normal(random, 11, 40), 9 * normal(random, *((3, 40, 17) if numbering is ROWS else (11, 17)))
    if kind.kind == "c":
        lhs, rhs = lhs + 1j * normal(random, *lhs.shape), rhs + 1j * normal(random, *rhs.shape)
    with jax.enable_x64(kind.itemsize == 8 and kind.kind == "f"):
        lhs, rhs = lhs.astype(kind), np.abs(rhs).astype(kind) if kind.kind == "u" else rhs.astype(kind)
        got, wanted = both(
            np.abs(lhs) if kind.kind == "u" else lhs, rhs, np.array([4, 0, 5], "int32"), numbering, result
        )
    tolerance = {"bfloat16": 2.0**-7, "float16": 2.0**-9, "float64": 1e-13}.get(wanted.dtype.name, 1e-5)
    compare([got], [wanted], rtol=tolerance)


def test_rule_91_what_jax_lowers_for_an_accelerator(random):
    lhs, rhs, sizes = normal(random, 11, 5), normal(random, 3, 5, 7), np.array([4, 0, 5], "int32")
    function = jax.jit(lambda a, b, g: lax.ragged_dot(a, b, g))
    hlo = function.trace(lhs, rhs, sizes).lower(lowering_platforms=("tpu",)).compiler_ir("hlo")
    assert any(instruction.opcode == "ragged-dot" for instruction in read(hlo).instructions)
    compare(run_tvm(hlo, [lhs, rhs, sizes]), [np.asarray(function(lhs, rhs, sizes))], rtol=1e-5)


@pytest.mark.parametrize("target", ["c", "llvm -mtriple=aarch64-linux-gnu"])
def test_code_for_other_targets(target, random):
    from tvm_hlo_frontend import from_hlo

    for numbering, rhs in ((ROWS, (3, 5, 70)), (DEPTH, (11, 70))):
        arguments = [normal(random, 11, 5), normal(random, *rhs), np.zeros(3, "int32")]
        shape = (11, 70) if numbering is ROWS else (3, 5, 70)
        mod, params = mod_and_params(from_hlo(module_of(arguments, numbering[0], "f32", shape)))
        assert source_for(mod, params, target)
