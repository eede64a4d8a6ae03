"""reduce-window against an evaluator that visits windows as HloEvaluator does, and against XLA:CPU where that is right.

Numbers in the names are rules of HLO's semantics.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tools.support.compare import check, compare

from tests.python.frontend.kernels.test_reduce import floats, in_dialect, integers, kernels_of, with_nan
from tests.support import reference
from tests.support.emitted import source_for
from tests.support.reduction_modules import Case, module_of, run_cases
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import WindowDimension as W

NAN, INF = np.nan, np.inf

NUMPY = {
    "add": lambda a, x: (a + x,),
    "multiply": lambda a, x: (a * x,),
    "maximum": lambda a, x: (np.maximum(a, x),),
    "minimum": lambda a, x: (np.minimum(a, x),),
    "and": lambda a, x: (a & x,),
    "or": lambda a, x: (a | x,),
    "xor": lambda a, x: (a ^ x,),
    "subtract": lambda a, x: (a - x,),
    "horner": lambda a, x: (a * np.int32(3) + x,),
    "sum_and_product": lambda a, b, x, y: (a + x, b - a * y),
}


def pooling() -> list[Case]:
    """What models hold."""
    random = np.random.default_rng(0)
    image, last = floats(random, 2, 3, 13, 17), floats(random, 2, 13, 17, 3)
    wide, point = W(3, 2, 1, 1), W(1)
    return [
        Case("rule_68-max-pool-nchw", "maximum", (image,), (-INF,), window=(point, point, wide, wide)),
        Case("rule_68-max-pool-nhwc", "maximum", (last,), (-INF,), window=(point, wide, wide, point)),
        Case("rule_68-sum-pool-nchw", "add", (image,), (0.0,), window=(point, point, W(2, 2), W(3, 3))),
        Case(
            "rule_68-sum-pool-nhwc-asymmetric",
            "add",
            (last,),
            (0.0,),
            window=(point, W(3, 2, 0, 1), W(4, 2, 2, 1), point),
        ),
        Case("rule_68-global", "add", (image,), (0.0,), window=(point, point, W(13), W(17))),
        Case("rule_68-global-with-stride", "maximum", (image,), (-INF,), window=(point, point, W(13, 2), W(17, 5))),
        Case("rule_68-large-window", "add", (floats(random, 3, 60),), (0.0,), window=(point, W(25, 1, 12, 12))),
        Case("rule_68-large-stride", "maximum", (floats(random, 3, 60),), (-INF,), window=(point, W(12, 12))),
        Case("rule_68-batch-and-channels", "maximum", (image,), (-INF,), window=(W(2, 1, 1, 0), W(2), wide, wide)),
        Case(
            "rule_68-float16",
            "add",
            (floats(random, 2, 3, 9, 9, dtype="float16"),),
            (0.0,),
            window=(point, point, W(3), W(3)),
            rtol=4e-3,
        ),
        # above 0, so that padding with zeros would show
        Case("rule_68-one-dimension", "minimum", (1 + np.abs(floats(random, 50)),), (INF,), window=(W(5, 1, 2, 2),)),
        Case(
            "rule_68-same-size-window-padded",
            "maximum",
            (floats(random, 6, 6),),
            (-INF,),
            window=(W(6, 1, 3, 2), W(6, 1, 2, 3)),
        ),
    ]


def semantics() -> list[Case]:
    """Edges of the rule."""
    random = np.random.default_rng(0)
    ones, x, whole = np.ones(4, "float32"), floats(random, 7, 9), integers(random, 7, 9)
    return [
        Case("rule_68-init-once-padding-skipped", "add", (ones,), (10.0,), window=(W(3, 1, 1, 1),)),
        Case("rule_68-window-of-padding-gives-init", "add", (ones,), (10.0,), window=(W(2, 1, 4, 4),)),
        Case("rule_68-init-at-run-time", "maximum", (x,), (0.5,), window=(W(2), W(2)), runtime_init=True),
        Case("rule_68-subtract-init", "subtract", (x,), (0.5,), window=(W(2, 1, 1, 0), W(3, 2, 1, 1))),
        Case("rule_68-any-body-in-order", "horner", (whole,), (2,), window=(W(2, 1, 1, 0), W(3, 2, 1, 1))),
        Case(
            "rule_68-variadic",
            "sum_and_product",
            (whole, integers(random, 7, 9)),
            (1, 2),
            window=(W(2, 1, 1, 0), W(3, 2, 1, 1)),
        ),
        Case("rule_68-window-dilation", "add", (x,), (0.0,), window=(W(2, 1, 1, 1, 3), W(3, 2, 0, 0, 2))),
        Case("rule_68-window-dilation-any-body", "horner", (whole,), (0,), window=(W(2, 1, 1, 1, 3), W(3, 2, 0, 0, 2))),
        Case("rule_68-base-dilation", "add", (x,), (0.0,), window=(W(2, 1, 0, 0, 1, 2), W(3, 1, 1, 1, 1, 3))),
        Case(
            "rule_68-base-dilation-any-body",
            "horner",
            (whole,),
            (5,),
            window=(W(2, 1, 0, 0, 1, 2), W(3, 1, 1, 1, 1, 3)),
        ),
        Case("rule_68-both-dilations", "maximum", (x,), (-INF,), window=(W(3, 2, 2, 1, 2, 3), W(2, 1, 0, 2, 3, 2))),
        Case(
            "rule_68-base-dilation-one-window", "add", (x,), (3.0,), window=(W(1, 1, 0, 0, 1, 2), W(1, 1, 1, 1, 1, 3))
        ),
        Case("rule_68-negative-padding", "add", (x,), (0.0,), window=(W(2, 1, -1, -2), W(3, 2, -2, 1))),
        Case("rule_68-negative-padding-any-body", "horner", (whole,), (1,), window=(W(2, 1, -1, -2), W(3, 2, -2, 1))),
        Case(
            "rule_68-negative-padding-dilated",
            "maximum",
            (x,),
            (-INF,),
            window=(W(2, 1, -3, -1, 1, 2), W(2, 1, -1, 0, 2, 2)),
        ),
        Case("rule_68-one-window-padded", "add", (x,), (1.0,), window=(W(1, 1, 2, 1), W(1, 2, 0, 0))),
        Case("rule_68-trivial-window", "add", (x,), (1.0,), window=(W(1), W(1))),
        Case("rule_68-nan", "maximum", (with_nan(x),), (-INF,), window=(W(3, 1, 1, 1), W(3, 2, 1, 1))),
        Case("rule_68-nan-init", "minimum", (x,), (NAN,), window=(W(3, 1, 1, 1), W(3, 2, 1, 1))),
        Case("rule_68-pred", "or", (x > 1,), (False,), window=(W(2), W(3, 2, 1, 1))),
        *(
            Case(
                f"rule_68-{name}-{dtype}",
                name,
                (integers(random, 7, 9, dtype=dtype),),
                (init,),
                window=(W(2, 2, 1, 1), W(3)),
            )
            for dtype in ("int8", "uint8", "int64", "uint32")
            for name, init in (("add", 3), ("maximum", 0), ("xor", 5), ("multiply", 1))
        ),
        Case("rule_47-empty-operand", "add", (np.zeros((0, 3), "float32"),), (4.0,), window=(W(2, 1, 2, 2), W(2))),
    ]


def running() -> list[Case]:
    """Running reductions, forward and reverse, along every dimension."""
    random = np.random.default_rng(0)
    cases = []
    for name, init, x in (
        ("add", 0.0, floats(random, 4, 40, 6)),
        ("multiply", 1.0, floats(random, 4, 40, 6)),
        ("maximum", -INF, with_nan(floats(random, 4, 40, 6))),
        ("minimum", 7, integers(random, 4, 40, 6)),
        ("add", 0, integers(random, 4, 40, 6, dtype="int8")),
    ):
        for axis in range(3):
            size = x.shape[axis]
            for label, dimension in (("forward", W(size, 1, size - 1, 0)), ("reverse", W(size, 1, 0, size - 1))):
                window = tuple(dimension if other == axis else W(1) for other in range(3))
                title = f"rule_68-running-{name}-{x.dtype}-{label}-{axis}"
                cases.append(Case(title, name, (x,), (init,), window=window, rtol=1e-4))
    x = floats(random, 3000)
    cases.append(Case("rule_68-running-long", "add", (x,), (0.0,), window=(W(3000, 1, 2999, 0),), rtol=1e-4))
    return cases


GROUPS = {"pooling": pooling(), "semantics": semantics(), "running": running()}

XLA_IS_WRONG = {
    # xla#48714: YNNPACK's reduce-window ignores base dilation where the window has one element
    "rule_68-base-dilation-one-window",
}


def evaluated(case: Case) -> list[np.ndarray]:
    """The case by the independent evaluator; half precision accumulated in f32."""
    data = [x.astype("float32") if x.dtype == np.float16 else x for x in case.data]
    if case.name == "rule_68-running-long":
        return [np.cumsum(data[0].astype("float64")).astype("float32")]
    with np.errstate(all="ignore"):
        results = reference.reduce_window(data, case.inits, case.window, NUMPY[case.body])
    return [result.astype(x.dtype) for result, x in zip(results, case.data)]


@functools.cache
def results(group: str) -> dict:
    return run_cases(GROUPS[group])


def drops_nan(case: Case) -> bool:
    """XLA:CPU's maximum and minimum in reductions drop NaN (openxla/xla#21461)."""
    values = [np.asarray(x, "float64") for x in (*case.data, *case.inits)]
    return case.body in ("maximum", "minimum") and any(np.isnan(x).any() for x in values)


@pytest.mark.parametrize(
    ("group", "case"), [pytest.param(g, c, id=c.name) for g, cases in GROUPS.items() for c in cases]
)
def test_reduce_window(group: str, case: Case) -> None:
    ours, theirs = results(group)[case.name]
    compare(ours, evaluated(case), rtol=case.rtol)
    if case.name not in XLA_IS_WRONG and not drops_nan(case):
        compare(ours, theirs, rtol=case.rtol)


@st.composite
def windows(draw: st.DrawFn) -> Case:
    """A window over one to three dimensions, with whatever reduce-window allows."""
    body = draw(st.sampled_from(["add", "maximum", "horner", "xor"]))
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    window = []
    for size in shape:
        base, step, taps = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
        span = (size - 1) * base + 1
        low = draw(st.integers(-min(2, span - 1), 4))
        least = max(-2, (taps - 1) * step + 1 - span - low)
        high = draw(st.integers(least, max(4, least)))
        window.append(W(taps, draw(st.integers(1, 3)), low, high, step, base))
    data = np.arange(1, 1 + np.prod(shape), dtype="int32").reshape(shape) * 7 % 31
    return Case("generated", body, (data,), (draw(st.integers(-3, 3)),), window=tuple(window))


@settings(max_examples=4, derandomize=True, deadline=None, database=None, phases=[Phase.generate])
@given(st.lists(windows(), min_size=8, max_size=8))
def test_rule_68_generated_windows(cases: list[Case]) -> None:
    named = [Case(str(i), c.body, c.data, c.inits, window=c.window) for i, c in enumerate(cases)]
    got = run_cases(named, xla=False)
    for case in named:
        try:
            compare(got[case.name][0], evaluated(case))
        except AssertionError as error:
            raise AssertionError(f"{case}{error}") from error


@pytest.mark.parametrize("plain", [False, True, "vm"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_bodies_of_many_operations_compile(dtype: str, plain: bool | str, random: np.random.Generator) -> None:
    """TVM's common subexpressions and the Lets that round to f16 must not meet; see docs/decisions/0007."""
    x = with_nan(floats(random, 8, 9, dtype=dtype))
    window = (W(8, 1, 7, 0), W(1))
    cases = [
        Case("cumulative", "log_sum_exp", (x,), (-INF,), window=window),
        Case("reduced", "log_sum_exp", (x,), (-INF,), dimensions=(0,)),
    ]
    hlo, arguments, _ = module_of(cases)
    check(hlo, arguments, plain=plain, rtol=2e-3 if dtype == "float16" else 1e-5)


@pytest.mark.parametrize(
    ("case", "kernels"),
    [
        (pooling()[0], ["window", "window"]),
        (pooling()[4], ["sum"]),
        (running()[0], ["cumulative"]),
        (running()[3], ["cumulative"]),
        (semantics()[4], ["fold_window"]),
    ],
    ids=["pool", "global", "running", "running-reverse", "any-body"],
)
def test_which_kernel(case: Case, kernels: list[str]) -> None:
    assert kernels_of([case]) == in_dialect(kernels)


@pytest.mark.parametrize("target", ["c", "llvm -mtriple=aarch64-linux-gnu"])
def test_code_for_other_targets(target: str) -> None:
    from tvm_hlo_frontend import from_hlo

    mod, params = mod_and_params(
        from_hlo(module_of([pooling()[0], pooling()[7], running()[0], running()[2], semantics()[4]])[0])
    )
    assert source_for(mod, params, target)
