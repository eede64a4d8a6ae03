"""reduce and map against XLA:CPU; numbers in the names are rules of HLO's semantics."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from tools.support.compare import check, compare, run_tvm

from tests.support import reference
from tests.support.dialect_marks import DIALECT, relay_only
from tests.support.emitted import calls_of, source_for
from tests.support.reduction_modules import BODIES, Case, body, module_of, run_cases
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import UnsupportedHloError
from tvm_hlo_frontend.hlo.ir.attributes import DimensionsAttributes, DotAttributes, DotDimensionNumbers
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape

NAN, INF = np.nan, np.inf


def floats(random: np.random.Generator, *shape: int, dtype: str = "float32") -> np.ndarray:
    return random.standard_normal(shape).astype(dtype)


def integers(random: np.random.Generator, *shape: int, dtype: str = "int32") -> np.ndarray:
    info = np.iinfo(dtype)
    return random.integers(max(info.min, -(2**31)), min(info.max, 2**31 - 1), shape).astype(dtype)


def with_nan(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flat[:: max(7, x.size // 20)] = NAN
    x.flat[x.size // 2] = -NAN
    x.flat[x.size // 3] = INF
    x.flat[x.size // 5] = -INF
    return x


def layouts(random: np.random.Generator) -> list[Case]:
    """Every way in which reduced and kept dimensions can lie, small and large (lanes, remainders, parts, tiles)."""
    rows = [
        ((5, 7), (1,)),
        ((5, 7), (0,)),
        ((5, 7), (1, 0)),
        ((64, 300), (1,)),
        ((300, 64), (0,)),
        ((3, 40, 5, 50), (1, 3)),
        ((3, 40, 5, 50), (0, 2)),
        ((1, 40, 1, 50), (1, 3)),
        ((2, 8, 1, 9), (2, 0)),
        ((4, 9, 3000), (1,)),
        ((70000,), (0,)),
        ((2, 40000), (1,)),
        ((70000, 3), (0,)),
        ((6, 1, 5), (1,)),
        ((1, 1), (0, 1)),
        ((9, 2053), (1,)),
    ]
    cases = []
    for shape, dimensions in rows:
        name = f"{'x'.join(map(str, shape))}-over-{''.join(map(str, dimensions))}"
        cases.append(Case(f"rule_64-sum-f32-{name}", "add", (floats(random, *shape),), (0.0,), dimensions))
        cases.append(
            Case(f"rule_64-max-f32-nan-{name}", "maximum", (with_nan(floats(random, *shape)),), (-INF,), dimensions)
        )
        cases.append(Case(f"rule_64-sum-s32-wraps-{name}", "add", (integers(random, *shape),), (0,), dimensions))
        cases.append(Case(f"rule_64-fold-s32-{name}", "horner", (integers(random, *shape),), (2,), dimensions))
    return cases


def dtypes(random: np.random.Generator) -> list[Case]:
    """Each kind on each type, init that is no identity."""
    cases = []
    for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        x = integers(random, 6, 90, dtype=dtype)
        for name, init in (
            ("add", 3),
            ("multiply", 1),
            ("maximum", 1),
            ("minimum", 100),
            ("and", 77),
            ("or", 5),
            ("xor", 9),
        ):
            cases.append(Case(f"rule_67-{name}-{dtype}", name, (x,), (init,), (1,)))
        cases.append(Case(f"rule_64-selected-max-{dtype}", "selected_max", (x,), (np.iinfo(dtype).min,), (1,)))
    for dtype in ("float16", "float32", "float64"):
        x = floats(random, 6, 90, dtype=dtype)
        for name, init in (("add", 10.0), ("multiply", 1.5), ("maximum", 0.5), ("minimum", -0.5), ("subtract", 1.0)):
            rtol = 4e-3 if dtype == "float16" else 1e-5
            scaled = x / 2 + 1 if name == "multiply" else x
            cases.append(Case(f"rule_64-{name}-{dtype}", name, (scaled,), (init,), (1,), rtol=rtol))
        cases.append(Case(f"rule_64-nan-minimum-{dtype}", "minimum", (with_nan(x),), (INF,), (1,)))
        cases.append(Case(f"rule_64-nan-minimum-columns-{dtype}", "minimum", (with_nan(x),), (INF,), (0,)))
    truth = random.random((6, 900)) > 0.001
    for name, init in (
        ("and", True),
        ("or", False),
        ("xor", False),
        ("maximum", False),
        ("minimum", True),
        ("and", False),
    ):
        for axis in (0, 1):
            cases.append(Case(f"rule_67-pred-{name}-{init}-{axis}", name, (truth,), (init,), (axis,)))
    return cases


def bodies(random: np.random.Generator) -> list[Case]:
    """Bodies of all kinds."""
    x, y = floats(random, 9, 70), floats(random, 9, 70)
    ties = with_nan(random.integers(0, 4, (9, 300)).astype("float32"))
    whole = random.integers(-3, 3, (9, 300)).astype("int32")
    index = np.tile(np.arange(300, dtype="int32"), (9, 1))[:, ::-1].copy()
    return [
        Case("rule_64-init-sum-is-applied-once", "add", (np.ones((4, 6), "float32"),), (10.0,), (1,)),
        Case("rule_64-init-at-run-time", "add", (x,), (10.0,), (1,), runtime_init=True),
        Case("rule_64-init-nan", "maximum", (x,), (NAN,), (1,)),
        Case("rule_64-init-nan-sum", "add", (x,), (NAN,), (0,)),
        Case("rule_64-init-zero-product-of-nan", "multiply", (with_nan(x),), (0.0,), (1,)),
        Case("rule_64-init-infinite", "maximum", (x,), (INF,), (1,), runtime_init=True),
        Case("rule_64-swapped-operands", "swapped_maximum", (with_nan(x),), (-INF,), (1,)),
        Case("rule_64-nested-call", "nested_call", (x,), (0.0,), (0,)),
        Case(
            "rule_64-converts-around-f16",
            "widened_sum",
            (floats(random, 8, 200, dtype="float16"),),
            (0.0,),
            (1,),
            rtol=4e-3,
        ),
        Case(
            "rule_64-rounds-to-f16", "log_sum_exp", (floats(random, 8, 9, dtype="float16"),), (-INF,), (1,), rtol=4e-3
        ),
        Case("rule_65-sum-of-halves", "add", (np.ones((1, 3000), "float16"),), (0.0,), (1,)),
        Case("rule_64-not-commutative-rows", "subtract", (x,), (1.0,), (1,)),
        Case("rule_64-not-commutative-columns", "subtract", (x,), (1.0,), (0,)),
        Case("rule_64-last-element", "last", (whole,), (7,), (1,)),
        Case("rule_64-variadic-rows", "sum_and_product", (x, y), (0.5, 1.5), (1,), rtol=1e-4),
        Case("rule_64-variadic-columns", "sum_and_product", (x, y), (0.5, 1.5), (0,), rtol=1e-4),
        Case("rule_64-variadic-all", "sum_and_product", (whole, whole), (1, 2), (0, 1)),
        Case("rule_64-variadic-elementwise", "sum_and_product", (x[:, :1], y[:, :1]), (0.5, 1.5), (1,)),
        *(
            Case(f"rule_66-{name}-{label}-{axis}", name, (data, "iota"), (init, 0), (axis,))
            for name, low in (("argmax", -INF), ("argmin", INF))
            for label, data, init in (
                ("nan", ties, low),
                ("whole", whole, np.int32(-(2**31) if name == "argmax" else 2**31 - 1)),
                ("all-nan", np.full((5, 200), NAN, "float32"), low),
                ("init-wins", ties, -low),
            )
            for axis in (0, 1)
        ),
        Case("rule_66-argmax-all", "argmax", (ties.reshape(-1), "iota"), (-INF, 0), (0,)),
        Case("rule_66-argmax-indices-fall", "argmax", (ties, index), (-INF, 0), (1,)),
        Case("rule_66-tensorflow-argmax", "tf_argmax", (ties, "iota"), (-INF, 0), (1,)),
        Case("rule_47-empty-dimension-gives-init", "add", (np.zeros((3, 0), "float32"),), (-7.0,), (1,)),
        Case("rule_47-empty-variadic", "sum_and_product", (np.zeros((3, 0), "float32"),) * 2, (-7.0, 2.0), (1,)),
        Case("rule_47-empty-result", "add", (np.zeros((0, 3), "float32"),), (1.0,), (1,)),
        Case("rule_64-no-dimensions", "subtract", (x,), (10.0,), ()),
        Case("rule_64-scalar", "subtract", (np.array(3, "float32"),), (10.0,), ()),
    ]


GROUPS = {make.__name__: make(np.random.default_rng(0)) for make in (layouts, dtypes, bodies)}


@functools.cache
def results(group: str) -> dict:
    return run_cases(GROUPS[group])


NUMPY = {
    "add": np.add,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "swapped_maximum": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "subtract": np.subtract,
    "horner": lambda a, x: a * np.int32(3) + x,
    "last": lambda a, x: x,
}
NEUTRAL = {"add": 0, "multiply": 1, "maximum": -INF, "swapped_maximum": -INF, "minimum": INF}


def expected(case: Case) -> list[np.ndarray] | None:
    """What HloEvaluator would compute, where XLA:CPU does not; None where XLA:CPU is the reference.

    XLA:CPU takes init for neutral and the body for associative, as XLA's operation semantics allow: a reduction of more
    than 32 elements may start several times with init, one over no elements but one starts never. And its max and min
    drop NaN (openxla/xla#21461), which its element-wise maximum and other backends do not.
    """
    if case.body == "sum_and_product" and case.data[0].shape[1] == 1:
        (x, y), (a, b) = case.data, np.float32(case.inits)
        return [(a + x)[:, 0], (b - a * y)[:, 0]]
    x, init = case.data[0], case.inits[0]
    if case.body not in NUMPY or isinstance(x, str) or 0 in x.shape:
        return None
    floating = x.dtype.kind == "f"
    neutral = floating and init == NEUTRAL.get(case.body, NAN)
    if (neutral and not np.isnan(x).any()) or (not floating and case.body == "add" and init == 0):
        return None
    wide = x.astype("float32") if x.dtype == np.float16 else x
    with np.errstate(all="ignore"):
        (result,) = reference.reduce([wide], [init], case.dimensions, lambda a, b: (NUMPY[case.body](a, b),))
        return [result.astype(x.dtype)]


@pytest.mark.parametrize(
    ("group", "case"), [pytest.param(g, c, id=c.name) for g, cases in GROUPS.items() for c in cases]
)
def test_reduce(group: str, case: Case) -> None:
    ours, theirs = results(group)[case.name]
    compare(ours, expected(case) or theirs, rtol=case.rtol)


def test_names_are_unique() -> None:
    for cases in GROUPS.values():
        assert len({case.name for case in cases}) == len(cases)


@pytest.mark.parametrize("plain", [True, "vm"])
def test_unmodified_relay_build(plain: bool | str, random: np.random.Generator) -> None:
    x = with_nan(floats(random, 8, 300))
    cases = [
        Case("sum", "add", (floats(random, 8, 300),), (0.0,), (1,)),
        Case("argmax", "argmax", (x, "iota"), (-INF, 0), (1,)),
    ]
    hlo, arguments, _ = module_of(cases)
    check(hlo, arguments, rtol=1e-5, plain=plain)


def test_rule_64_logsumexp_body_sees_init_once(random: np.random.Generator) -> None:
    """XLA:CPU splits a large reduction and starts every part with init, so it is no reference for a body to which 0 is
    not neutral; HloEvaluator applies init once."""
    b = ComputationBuilder("logaddexp")
    x, y = (b.parameter(number, array_shape("f32")) for number in range(2))
    total = b.add("log", [b.add("add", [b.add("exponential", [x]), b.add("exponential", [y])])])
    combine = b.build(total)
    main = ComputationBuilder("main")
    data = main.parameter(0, array_shape("f32", (4, 1024)))
    root = main.add("reduce", [data, main.constant(0.0, "f32")], None, DimensionsAttributes((1,)), [combine])
    argument = floats(random, 4, 1024)
    (got,) = run_tvm(module("logsumexp", main.build(root)), [argument])
    expected = np.log(1 + np.exp(argument.astype("float64")).sum(1))
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def map_module(name: str, count: int, sizes: tuple[int, ...]) -> object:
    main = ComputationBuilder("main")
    operands = [main.parameter(number, array_shape("f32", sizes)) for number in range(count)]
    types = ["f32"] * (count // 2)
    attributes = DimensionsAttributes(tuple(range(len(sizes))))
    return module("map", main.build(main.add("map", operands, operands[0].shape, attributes, [body(name, types)])))


def test_rule_70_map(random: np.random.Generator) -> None:
    for name in ("subtract", "horner"):
        # XLA contracts a product and a sum
        check(map_module(name, 2, (3, 50)), [floats(random, 3, 50), floats(random, 3, 50)], rtol=1e-6)


def test_rule_70_map_of_nothing(random: np.random.Generator) -> None:
    check(map_module("subtract", 2, (0, 5)), [floats(random, 0, 5), floats(random, 0, 5)])


def kernels_of(cases: list[Case]) -> list[str]:
    """Names of the kernels that a module calls."""
    from tvm_hlo_frontend import from_hlo

    mod, _ = mod_and_params(from_hlo(module_of(cases)[0]))
    return [name for name in calls_of(mod) if name not in ("reshape", "broadcast_to")]


# kernels of Relay that others stand for in Relax, which has no schedules of its own operators
IN_RELAX = {"sum": "reduce", "max": "reduce"}


def in_dialect(kernels: list[str]) -> list[str]:
    """Names of the kernels in the dialect, of those in Relay."""
    return kernels if DIALECT == "relay" else [IN_RELAX.get(name, name) for name in kernels]


def zeros(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("case", "kernels"),
    [
        (Case("", "add", (zeros(4, 9),), (0.0,), (1,)), ["sum"]),
        (Case("", "add", (zeros(64, 300),), (0.0,), (1,)), ["reduce"]),
        (Case("", "maximum", (zeros(4, 9),), (-INF,), (1,)), ["reduce"]),
        (Case("", "maximum", (zeros(4, 9, dtype="int32"),), (-(2**31),), (1,)), ["max"]),
        (Case("", "add", (zeros(70000),), (0.0,), (0,)), ["reduce", "reduce"]),
        (Case("", "argmax", (zeros(64, 300), "iota"), (-INF, 0), (1,)), ["fold"]),
        (Case("", "horner", (zeros(64, 300, dtype="int32"),), (0,), (1,)), ["fold"]),
    ],
    ids=["small-sum", "sum", "float-max", "small-integer-max", "sum-in-parts", "argmax", "any-body"],
)
def test_which_kernel(case: Case, kernels: list[str]) -> None:
    assert kernels_of([case]) == in_dialect(kernels)


@relay_only("Relax fuses into reductions what `build` schedules, see test_prim_func_schedules")
def test_injective_producers_are_fused() -> None:
    import tvm
    from tvm import relay

    from tvm_hlo_frontend import from_hlo

    main = ComputationBuilder("main")
    data = main.parameter(0, array_shape("f32", (64, 300)))
    negated = main.add("negate", [data])
    root = main.add("reduce", [negated, main.constant(0.0)], None, DimensionsAttributes((1,)), [body("add", ["f32"])])
    mod, _ = mod_and_params(from_hlo(module("fused", main.build(root))))
    mod = tvm.transform.Sequential([relay.transform.InferType(), relay.transform.FuseOps(2)])(mod)
    assert str(mod["main"]).count("Primitive=1") == 1


@pytest.mark.parametrize(
    ("opcode", "kind", "reducer"),
    [("exponential", "f32", "maximum"), ("sqrt", "f16", "maximum"), ("exponential", "f32", "add")],
)
@pytest.mark.parametrize("length", [30, 1000])
def test_reductions_of_a_function_of_elements(
    opcode: str, kind: str, reducer: str, length: int, random: np.random.Generator
) -> None:
    """Lanes and the rest of a row compute the function each on their own."""
    main = ComputationBuilder("main")
    values = main.add(opcode, [main.parameter(0, array_shape(kind, (64, length)))])
    start = main.constant(np.array(-INF if reducer == "maximum" else 0.0, values.shape.numpy_dtype))
    root = main.add("reduce", [values, start], None, DimensionsAttributes((1,)), [body(reducer, [kind])])
    check(module("rows", main.build(root)), [np.abs(floats(random, 64, length)).astype(values.shape.numpy_dtype)])


def test_refusal_names_the_instruction_of_the_body(random: np.random.Generator) -> None:
    b = ComputationBuilder("odd")
    x, y = (b.parameter(number, array_shape("f32")) for number in range(2))
    b.add("add", [x, y])
    root = b.add("dot", [x, y], array_shape("f32"), DotAttributes(DotDimensionNumbers()), name="the_dot")
    main = ComputationBuilder("main")
    data = main.parameter(0, array_shape("f32", (4, 3)))
    reduced = main.add("reduce", [data, main.constant(0.0)], None, DimensionsAttributes((1,)), [b.build(root)])
    with pytest.raises(UnsupportedHloError, match="the_dot"):
        run_tvm(module("odd", main.build(reduced)), [floats(random, 4, 3)])


@pytest.mark.parametrize("target", ["c", "llvm -mtriple=aarch64-linux-gnu"])
def test_code_for_other_targets(target: str, random: np.random.Generator) -> None:
    from tvm_hlo_frontend import from_hlo

    cases = [
        Case("sum", "add", (floats(random, 8, 300),), (0.0,), (1,)),
        Case("max", "maximum", (floats(random, 30, 300),), (-INF,), (1,)),
        Case("columns", "maximum", (floats(random, 300, 30),), (-INF,), (0,)),
        Case("fold", "horner", (integers(random, 8, 30),), (0,), (1,)),
        Case("argmax", "argmax", (floats(random, 8, 300), "iota"), (-INF, 0), (1,)),
    ]
    mod, params = mod_and_params(from_hlo(module_of(cases)[0]))
    assert source_for(mod, params, target)


def test_every_body_is_used() -> None:
    used = {case.body for cases in GROUPS.values() for case in cases}
    assert used == set(BODIES)
