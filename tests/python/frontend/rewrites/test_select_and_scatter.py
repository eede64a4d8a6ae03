"""select-and-scatter against XLA:CPU and numpy (rule 69)."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import check, compare, run_tvm

from tests.support import reference_indexing as reference
from tests.support.emitted import source_for
from tests.support.indexing_modules import Bundle, binary, body, comparison, values
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import CompareAttributes, Window, WindowAttributes, WindowDimension
from tvm_hlo_frontend.hlo.shape_inference.reductions import windowed_size

NAN = np.nan
SELECT = {
    "GE": lambda a, b: a >= b, "GT": lambda a, b: a > b, "LE": lambda a, b: a <= b,
}  # fmt: skip
SCATTER = {"add": lambda current, source: current + source, "subtract": lambda current, source: current - source}


def window(*rows: tuple[int, ...]) -> tuple[WindowDimension, ...]:
    """Rows of (size, stride, low, high)."""
    return tuple(WindowDimension(*row) for row in rows)


def ties(shape: tuple[int, ...], dtype=np.float32) -> np.ndarray:
    """Few different values."""
    return np.random.default_rng(0).integers(0, 4, shape).astype(dtype)


# name -> (operand, window, select, scatter, init)
CASES = {
    "first tie": (ties((9, 8)), window((2, 2, 0, 0), (3, 1, 0, 0)), "GE", "add", 0),
    "last tie": (ties((9, 8)), window((2, 2, 0, 0), (3, 1, 0, 0)), "GT", "add", 0),
    "smallest": (ties((9, 8)), window((2, 1, 0, 0), (3, 1, 0, 0)), "LE", "add", 0),
    "order of current and source": (ties((9, 8)), window((3, 1, 0, 0), (3, 1, 0, 0)), "GE", "subtract", 5),
    "padding": (ties((7, 6)), window((3, 2, 1, 1), (3, 1, 2, 0)), "GE", "add", 3),
    "negative padding": (ties((7, 6)), window((2, 2, -1, 0), (3, 1, 0, -2)), "GE", "add", 0),
    "integers": (ties((7, 6), np.int32), window((3, 2, 1, 1), (2, 2, 0, 0)), "GE", "add", -1),
    "gaps": (ties((13,)), window((2, 4, 0, 0)), "GE", "add", 7),
    "NHWC": (ties((2, 7, 6, 3)), window((1, 1, 0, 0), (3, 2, 1, 1), (2, 2, 0, 0), (1, 1, 0, 0)), "GE", "add", 0),
    "NCHW": (ties((2, 3, 7, 6)), window((1, 1, 0, 0), (1, 1, 0, 0), (3, 2, 1, 1), (2, 2, 0, 0)), "GE", "add", 0),
    # distinct numbers: for ties XLA:CPU does not keep to the row-major order in more than two dimensions
    "five": (
        values((2, 3, 4, 3, 2)),
        window((2, 1, 0, 0), (2, 1, 1, 0), (2, 2, 0, 0), (1, 1, 0, 0), (2, 1, 0, 0)), "GE", "add", 0,
    ),
}  # fmt: skip
NANS = {
    "NaN first": (np.array([NAN, 1, 2, NAN, NAN, NAN], np.float32), window((2, 2, 0, 0)), "GE", "add", 0),
    "NaN in the middle": (np.array([3, NAN, 2, 1, NAN, 5], np.float32), window((3, 3, 0, 0)), "GE", "add", 0),
    "NaN, GT": (np.array([3, NAN, 2, NAN, 1, 5], np.float32), window((3, 3, 0, 0)), "GT", "add", 0),
}
LARGE = {
    "threads over images": (
        ties((4, 64, 64, 8)), window((1, 1, 0, 0), (3, 2, 1, 1), (3, 2, 1, 1), (1, 1, 0, 0)), "GE", "add", 0,
    ),
    "threads over channels": (
        ties((1, 40, 40, 100)), window((1, 1, 0, 0), (2, 2, 0, 0), (2, 2, 0, 0), (1, 1, 0, 0)), "GE", "add", 0,
    ),
    "one thread": (ties((200, 200)), window((3, 2, 1, 1), (3, 1, 1, 1)), "GE", "subtract", 0),
}  # fmt: skip


def bundle_of(cases: dict) -> tuple[Bundle, list]:
    bundle, wanted = Bundle(), []
    for operand, dimensions, select, scatter, init in cases.values():
        kind = "s32" if operand.dtype == np.int32 else "f32"
        order = "SIGNED" if kind == "s32" else "FLOAT"
        sizes = [windowed_size(size, row) for size, row in zip(operand.shape, dimensions)]
        source = np.random.default_rng(1).integers(1, 50, sizes).astype(operand.dtype)
        start = np.asarray(init, operand.dtype)
        bundle.add(
            "select-and-scatter",
            [operand, source, start],
            WindowAttributes(Window(dimensions)),
            [comparison(select, order, kind), binary(scatter, kind)],
        )
        wanted.append((operand, source, start, dimensions, SELECT[select], SCATTER[scatter]))
    return bundle, wanted


@pytest.mark.parametrize("group", ["CASES", "NANS"])
def test_rule_69_select_and_scatter(group):
    bundle, wanted = bundle_of(globals()[group])
    got = check(bundle.module(), bundle.arguments)
    compare(got, [reference.select_and_scatter(*case) for case in wanted])


def test_rule_69_threads_keep_the_order():
    bundle, _ = bundle_of(LARGE)
    check(bundle.module(), bundle.arguments)


def test_rule_69_any_bodies():
    """The element of the largest magnitude, and a running average."""

    def farther(builder, parameters):
        magnitudes = [builder.add("abs", [parameter]) for parameter in parameters]
        return builder.add("compare", magnitudes, None, CompareAttributes("GE", "FLOAT"))

    def average(builder, parameters):
        half = builder.constant(0.5, "f32")
        return builder.add("multiply", [half, builder.add("add", parameters)])

    bundle = Bundle()
    operand = (ties((8, 8)) - np.float32(2)) * np.float32(1.5)
    source = ties((6, 6))
    attributes = WindowAttributes(Window(window((3, 1, 0, 0), (3, 1, 0, 0))))
    bodies = [body(["f32", "f32"], farther), body(["f32", "f32"], average)]
    bundle.add("select-and-scatter", [operand, source, np.float32(1)], attributes, bodies)
    check(bundle.module(), bundle.arguments)


def test_rule_69_windows_that_see_only_padding_select_nothing():
    """Undefined in XLA; ours leaves the operand's places alone."""
    bundle = Bundle()
    attributes = WindowAttributes(Window(window((2, 2, 2, 0))))
    bodies = [comparison("GE", "FLOAT", "f32"), binary("add", "f32")]
    bundle.add("select-and-scatter", [ties((4,)), np.array([9, 1, 2], np.float32), np.float32(0)], attributes, bodies)
    (got,) = run_tvm(bundle.module(), bundle.arguments)
    assert got.sum() == 3


@pytest.mark.parametrize("target", ["c", "llvm -mtriple=aarch64-linux-gnu"])
def test_code_for_other_targets(target):
    from tools.support.oracle import serialized

    from tvm_hlo_frontend import from_hlo

    bundle, _ = bundle_of({**CASES, **LARGE})
    mod, params = mod_and_params(from_hlo(serialized(bundle.module())))
    assert source_for(mod, params, target)
