"""dot: rule 48 of the contract (and 47, empty tensors), against XLA:CPU; and what it becomes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.support.compare import check
from tvm import te

from tests.support.contraction_modules import Contractions
from tests.support.dialect_marks import relay_only
from tests.support.emitted import calls_of, code_of, compiled_kernel, tensor
from tvm_hlo_frontend import from_hlo
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import DotDimensionNumbers as Numbers
from tvm_hlo_frontend.hlo.proto.writer import to_proto
from tvm_hlo_frontend.kernels.spec import KernelSpec

MATRIX = Numbers((1,), (0,))
BATCHED = Numbers((2,), (1,), (0,), (0,))
F32 = ("f32",) * 3

# id -> (types of lhs, rhs and result; lhs; rhs; dimension numbers)
DIMENSIONS = {
    "rule_48-matrix": (F32, (5, 7), (7, 6), MATRIX),
    "rule_48-both-transposed": (F32, (7, 5), (6, 7), Numbers((0,), (1,))),
    "rule_48-tiles-with-rest": (F32, (43, 70), (70, 37), MATRIX),
    "rule_48-outer-product": (F32, (3,), (4,), Numbers()),
    "rule_48-scalars": (F32, (), (), Numbers()),
    "rule_48-scalar-by-vector": (F32, (), (4,), Numbers()),
    "rule_48-matrix-by-scalar": (F32, (5, 6), (), Numbers()),
    "rule_48-inner-product": (F32, (300,), (300,), Numbers((0,), (0,))),
    "rule_48-row-by-matrix": (F32, (1, 301), (301, 70), MATRIX),
    "rule_48-row-by-transposed": (F32, (1, 301), (70, 301), Numbers((1,), (1,))),
    "rule_48-matrix-by-column": (F32, (70, 301), (301,), MATRIX),
    "rule_48-two-rows-by-narrow": (F32, (2, 9), (9, 5), MATRIX),
    "rule_48-two-contracting-crossed": (F32, (6, 3, 4), (4, 3, 5), Numbers((1, 2), (1, 0))),
    "rule_48-contracting-apart": (F32, (3, 6, 4), (4, 5, 3), Numbers((0, 2), (2, 0))),
    "rule_48-batch": (F32, (3, 9, 17), (3, 17, 5), BATCHED),
    "rule_48-batch-of-transposed": (F32, (3, 17, 9), (3, 5, 17), Numbers((1,), (2,), (0,), (0,))),
    "rule_48-batch-not-first": (F32, (9, 2, 17), (17, 5, 2), Numbers((2,), (0,), (1,), (2,))),
    "rule_48-two-batches": (F32, (2, 4, 3, 6), (4, 6, 2, 5), Numbers((3,), (1,), (0, 1), (2, 0))),
    "rule_48-batch-alone": (F32, (4, 3), (3, 4), Numbers((), (), (0, 1), (1, 0))),
    "rule_48-batched-rows": (F32, (4, 1, 40), (4, 40, 50), BATCHED),
    "rule_48-many-free": (F32, (2, 3, 1, 4), (4, 2, 2), Numbers((3,), (0,))),
    "rule_47-no-products": (F32, (3, 0), (0, 4), MATRIX),
    "rule_47-empty-result": (F32, (0, 3), (3, 4), MATRIX),
    "rule_47-empty-batch": (F32, (0, 3, 2), (0, 2, 4), BATCHED),
}
TYPES = {
    "rule_48-f64": (("f64",) * 3, (6, 70), (70, 8), MATRIX),
    "rule_48-f64-batch": (("f64",) * 3, (2, 6, 70), (2, 70, 8), BATCHED),
    "rule_48-f16": (("f16",) * 3, (6, 70), (70, 8), MATRIX),
    "rule_48-f16-batch": (("f16",) * 3, (2, 9, 70), (2, 70, 8), BATCHED),
    "rule_48-f16-row": (("f16",) * 3, (1, 70), (70, 40), MATRIX),
    "rule_48-f16-to-f32": (("f16", "f16", "f32"), (6, 70), (70, 8), MATRIX),
    "rule_48-f32-to-f64": (("f32", "f32", "f64"), (6, 70), (70, 8), MATRIX),
    "rule_48-s8-wraps": (("s8",) * 3, (6, 70), (70, 8), MATRIX),
    "rule_48-s8-to-s32": (("s8", "s8", "s32"), (6, 70), (70, 33), MATRIX),
    "rule_48-u8-to-s32": (("u8", "u8", "s32"), (6, 70), (70, 8), MATRIX),
    "rule_48-u8-by-s8-to-s32": (("u8", "s8", "s32"), (6, 70), (70, 8), MATRIX),
    "rule_48-u8-wraps": (("u8",) * 3, (6, 70), (70, 8), MATRIX),
    "rule_48-s16-to-s64": (("s16", "s16", "s64"), (6, 70), (70, 8), MATRIX),
    "rule_48-s32-wraps": (("s32",) * 3, (6, 70), (70, 8), MATRIX),
    "rule_48-s32-row": (("s32",) * 3, (1, 70), (8, 70), Numbers((1,), (1,))),
    "rule_48-u32-batch": (("u32",) * 3, (2, 6, 70), (2, 70, 8), BATCHED),
    "rule_48-s64-wraps": (("s64",) * 3, (6, 70), (70, 8), MATRIX),
    "rule_48-u64-wraps": (("u64",) * 3, (6, 70), (70, 8), MATRIX),
    "rule_12-pred": (("pred",) * 3, (6, 3), (3, 8), MATRIX),
    "rule_12-pred-many": (("pred",) * 3, (6, 512), (512, 8), MATRIX),
}


def run(cases, seed: int = 0, **options) -> None:
    made = Contractions(seed)
    for case in cases:
        made.dot(*case)
    check(made.module(), made.arguments, rtol=2e-5, **options)


def test_rule_48_dimensions():
    """Every case of the table in one module; a failure names the instruction."""
    run(DIMENSIONS.values())


def test_rule_47_no_products():
    """Sums of nothing are zero."""
    run(case for name, case in DIMENSIONS.items() if name.startswith("rule_47"))


@pytest.mark.parametrize("plain", [False, True], ids=["build", "relay.build"])
def test_rule_48_rule_12_element_types(plain):
    exact = {name: case for name, case in TYPES.items() if not case[0][2].startswith("f16")}
    run(exact.values(), plain=plain)


def test_half_precision():
    """Sums are f32 and rounded once: XLA's sum may stand on the other side of a rounding, by one unit."""
    made = Contractions()
    for case in TYPES.values():
        if case[0][2] == "f16":
            made.dot(*case)
    check(made.module(), made.arguments, rtol=1e-3)


@st.composite
def dots(draw):
    """Dimension numbers of every kind, with sizes from 0 up."""
    sizes = st.integers(0, 5)
    batch, contracting = draw(st.lists(sizes, max_size=2)), draw(st.lists(sizes, max_size=2))
    free = [draw(st.lists(sizes, max_size=2)) for _ in range(2)]
    sides, axes = [], []
    for side in range(2):
        tagged = [("b", i, size) for i, size in enumerate(batch)]
        tagged += [("c", i, size) for i, size in enumerate(contracting)]
        tagged += [("f", i, size) for i, size in enumerate(free[side])]
        tagged = draw(st.permutations(tagged))
        where = {(tag, i): axis for axis, (tag, i, _) in enumerate(tagged)}
        sides.append([size for _, _, size in tagged])
        parts = (("c", contracting), ("b", batch))
        axes.append([tuple(where[tag, i] for i in range(len(part))) for tag, part in parts])
    numbers = Numbers(axes[0][0], axes[1][0], axes[0][1], axes[1][1])
    kind = draw(st.sampled_from(["f32", "s32"]))
    return ((kind,) * 3, sides[0], sides[1], numbers)


@settings(max_examples=3, deadline=None, derandomize=True, database=None)
@given(st.lists(dots(), min_size=12, max_size=12))
def test_any_dimension_numbers(cases):
    run(cases)


def calls(*cases) -> list[str]:
    made = Contractions()
    for case in cases:
        made.dot(*case)
    return calls_of(mod_and_params(from_hlo(to_proto(made.module())))[0])


@relay_only("Relax has no schedule of a dense layer")
def test_dense_stays_dense():
    assert calls((F32, (8, 64), (32, 64), Numbers((1,), (1,)))) == ["nn.dense"]


@relay_only("Relax has no schedule of a dense layer")
@pytest.mark.parametrize(("rows", "columns"), [(128, 48), (8, 1000), (197, 32)])
def test_sizes_without_tiles_in_tvms_dense_are_the_kernel(rows, columns):
    assert "nn.dense" not in calls((F32, (rows, 64), (columns, 64), Numbers((1,), (1,))))


@relay_only("Relax has no schedule of a dense layer")
def test_weights_are_transposed_alone():
    """x . w of a weight [K, N]: one transpose, of the weight, which TVM folds when it is bound."""
    found = calls((F32, (2, 8, 64), (64, 32), Numbers((2,), (0,))))
    assert found.count("transpose") == 1 and found.count("nn.dense") == 1


def test_no_slow_operator():
    """nn.matmul and nn.batch_matmul have no schedule that comes near XLA."""
    found = calls((F32, (2, 8, 64), (2, 64, 16), BATCHED), (F32, (1, 64), (64, 16), MATRIX))
    assert found.count("dot") == 2 and not any("matmul" in name for name in found)


FORMS = {
    "packed": ((2, 9, 33), (2, 33, 21), "MK", "KN"),
    "packed-transposed": ((2, 33, 9), (2, 21, 33), "KM", "NK"),
    "columns": ((2, 1, 33), (2, 33, 21), "MK", "KN"),
    "rows": ((2, 1, 33), (2, 21, 33), "MK", "NK"),
}


@pytest.mark.parametrize("target", ["c", "llvm -mtriple=aarch64-linux-gnu", "llvm"])
@pytest.mark.parametrize("form", FORMS)
def test_code_for_target(form, target):
    lhs, rhs, lhs_order, rhs_order = FORMS[form]
    spec = KernelSpec("dot", {"lhs": lhs_order, "rhs": rhs_order, "accumulator": "float32"})
    inputs = [te.placeholder(lhs, "float16"), te.placeholder(rhs, "float16")]
    rows = lhs[1] if lhs_order == "MK" else lhs[2]
    built = compiled_kernel(spec, inputs, [((2, rows, 21), "float32")], target)
    if target != "llvm":
        assert code_of(built)
        return
    arrays = [np.random.default_rng(0).standard_normal(sizes).astype("float16") for sizes in (lhs, rhs)]
    result = tensor(np.zeros((2, rows, 21), "float32"))
    built(*map(tensor, arrays), result)
    left, right = (array.astype("float32") for array in arrays)
    left = left if lhs_order == "MK" else left.transpose(0, 2, 1)
    right = right if rhs_order == "KN" else right.transpose(0, 2, 1)
    np.testing.assert_allclose(result.numpy(), left @ right, rtol=1e-4, atol=1e-4)
