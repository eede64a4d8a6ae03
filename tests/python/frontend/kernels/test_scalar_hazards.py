"""Chains in one fused kernel that TVM's simplifiers and LLVM would bend, under unmodified relay.build(opt_level=3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tools.support.compare import check, compare, run_tvm

from tvm_hlo_frontend.hlo.ir.attributes import CompareAttributes, DimensionsAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, array_shape

# neither a multiple of the vector width nor below it: vector and scalar code both run
COUNT = 37


class Chain:
    """Short names for building one chain on parameters x and y."""

    def __init__(self, kind: str) -> None:
        self.kind, self.shape = kind, array_shape(kind, (COUNT,))
        self.builder = ComputationBuilder("main")
        self.x, self.y = (self.builder.parameter(number, self.shape) for number in range(2))

    def number(self, value: float) -> Any:
        scalar = self.builder.constant(value, self.kind)
        return self.builder.add("broadcast", [scalar], self.shape, DimensionsAttributes(()))

    def __getattr__(self, opcode: str) -> Callable[..., Any]:
        return lambda *operands: self.builder.add(opcode.rstrip("_").replace("_", "-"), list(operands))

    def less(self, x: Any, y: Any, direction: str = "LT") -> Any:
        order = {"f": "FLOAT", "s": "SIGNED", "u": "UNSIGNED"}[self.kind[0]]
        return self.builder.add("compare", [x, y], None, CompareAttributes(direction, order))

    def to(self, x: Any, kind: str) -> Any:
        return self.builder.add("convert", [x], array_shape(kind, (COUNT,)))


FLOAT_CHAINS: dict[str, Callable[[Chain], Any]] = {
    "(x+y)-y": lambda c: c.subtract(c.add(c.x, c.y), c.y),
    "(x-y)+y": lambda c: c.add(c.subtract(c.x, c.y), c.y),
    "x+y-x": lambda c: c.subtract(c.add(c.x, c.y), c.x),
    "x-x": lambda c: c.subtract(c.x, c.x),
    "x*0": lambda c: c.multiply(c.x, c.number(0)),
    "x+0": lambda c: c.add(c.x, c.number(0)),
    "0-x": lambda c: c.subtract(c.number(0), c.x),
    "x/inf": lambda c: c.divide(c.x, c.number(np.inf)),
    "0/x": lambda c: c.divide(c.number(0), c.x),
    "x/x": lambda c: c.divide(c.x, c.x),
    "x/0": lambda c: c.divide(c.x, c.number(0)),
    "x/3": lambda c: c.divide(c.x, c.number(3)),
    "not(x<y)": lambda c: c.not_(c.less(c.x, c.y)),
    "not(not(x<y))": lambda c: c.not_(c.not_(c.less(c.x, c.y))),
    "not(x>=y)": lambda c: c.not_(c.less(c.x, c.y, "GE")),
    "select(x<y,0,1)": lambda c: c.select(c.less(c.x, c.y), c.number(0), c.number(1)),
    "select(not(x<y),x,y)": lambda c: c.select(c.not_(c.less(c.x, c.y)), c.x, c.y),
    "select(x!=x,0,x)": lambda c: c.select(c.less(c.x, c.x, "NE"), c.number(0), c.x),
    "x==x": lambda c: c.less(c.x, c.x, "EQ"),
    "x!=y": lambda c: c.less(c.x, c.y, "NE"),
    "x<=x": lambda c: c.less(c.x, c.x, "LE"),
    "convert(x<y)": lambda c: c.to(c.less(c.x, c.y), "s32"),
    "1-convert(x<y)": lambda c: c.subtract(c.number(1), c.to(c.less(c.x, c.y), c.kind)),
    "and(x<y,not(x<y))": lambda c: c.and_(c.less(c.x, c.y), c.not_(c.less(c.x, c.y))),
    "or(x<y,x>=y)": lambda c: c.or_(c.less(c.x, c.y), c.less(c.x, c.y, "GE")),
    "select(x<y,select(x>=y,..),..)": lambda c: c.select(
        c.less(c.x, c.y), c.y, c.select(c.less(c.x, c.y, "GE"), c.x, c.number(7))
    ),
    "x+(-x)": lambda c: c.add(c.x, c.negate(c.x)),
    "max(x,y)-max(y,x)": lambda c: c.subtract(c.maximum(c.x, c.y), c.maximum(c.y, c.x)),
    "relu": lambda c: c.maximum(c.x, c.number(0)),
    "relu6": lambda c: c.clamp(c.number(0), c.x, c.number(6)),
    "relu(x*2+y)": lambda c: c.maximum(c.number(0), c.add(c.multiply(c.x, c.number(2)), c.y)),
    "min(x,nan)": lambda c: c.minimum(c.x, c.number(np.nan)),
    "-(-x)": lambda c: c.negate(c.negate(c.x)),
    "tanh(x)-tanh(x)": lambda c: c.subtract(c.tanh(c.x), c.tanh(c.x)),
    "tanh(tanh(x))": lambda c: c.tanh(c.tanh(c.x)),
    "logistic(x)*x": lambda c: c.multiply(c.logistic(c.x), c.x),
    "f32->f16->f32": lambda c: c.to(c.to(c.x, "f16"), c.kind),
    "floor(x)-x": lambda c: c.subtract(c.floor(c.x), c.x),
    "s32(x)": lambda c: c.to(c.to(c.x, "s32"), c.kind),
}
INTEGER_CHAINS: dict[str, Callable[[Chain], Any]] = {
    "(x+1)>x": lambda c: c.less(c.x, c.add(c.x, c.number(1))),
    "(x+1)-1": lambda c: c.subtract(c.add(c.x, c.number(1)), c.number(1)),
    "(x*2)/2": lambda c: c.divide(c.multiply(c.x, c.number(2)), c.number(2)),
    "(x*y)/y": lambda c: c.divide(c.multiply(c.x, c.y), c.y),
    "x/y*y+x%y": lambda c: c.add(c.multiply(c.divide(c.x, c.y), c.y), c.remainder(c.x, c.y)),
    "select(y!=0,x/y,0)": lambda c: c.select(c.less(c.y, c.number(0), "NE"), c.divide(c.x, c.y), c.number(0)),
    "select(y==0,x,x%y)": lambda c: c.select(c.less(c.y, c.number(0), "EQ"), c.x, c.remainder(c.x, c.y)),
    "x/0": lambda c: c.divide(c.x, c.number(0)),
    "x%0": lambda c: c.remainder(c.x, c.number(0)),
    "0/x": lambda c: c.divide(c.number(0), c.x),
    "-x<0": lambda c: c.less(c.negate(c.x), c.number(0)),
    "x<lowest": lambda c: c.less(c.x, c.number(int(np.iinfo(BY_NAME[c.kind].numpy_dtype).min))),
    "x==lowest": lambda c: c.less(c.x, c.number(int(np.iinfo(BY_NAME[c.kind].numpy_dtype).min)), "EQ"),
    "max(x,lowest)": lambda c: c.maximum(c.x, c.number(int(np.iinfo(BY_NAME[c.kind].numpy_dtype).min))),
    "s64(x+y)": lambda c: c.to(c.add(c.x, c.y), "s64"),
    "u64(x*y)>x": lambda c: c.to(c.less(c.multiply(c.x, c.y), c.x, "GT"), "u64"),
    "x<<y>>y": lambda c: c.shift_right_arithmetic(c.shift_left(c.x, c.y), c.y),
    "x<<0": lambda c: c.shift_left(c.x, c.number(0)),
    "s8(x+1)": lambda c: c.to(c.add(c.x, c.number(1)), "s8"),
    "x-y<0": lambda c: c.less(c.subtract(c.x, c.y), c.number(0)),
}


def arguments(kind: str) -> list[np.ndarray]:
    dtype = BY_NAME[kind].numpy_dtype
    rng = np.random.default_rng(0)
    if dtype.kind == "f":
        edges = [0, -0.0, 1, -1, 3, np.inf, -np.inf, np.nan, 60000, 1e-3, 0.1, 1e8 if kind != "f16" else 2048]
    else:
        info = np.iinfo(dtype)
        edges = [0, 1, info.max, info.min, info.max - 1, 2, 3, 7, info.max // 2, info.min + 1, 8, 31]
    x = np.resize(np.array(edges, dtype), COUNT)
    y = rng.permutation(x)
    y[:12] = x[:12]
    return [x, y]


# XLA reassociates and folds these itself, or makes one instruction of a product and a sum where a processor computes in
# f16; here they are what they say
IEEE_CHAINS: dict[str, tuple[Callable[[Chain], Any], Callable[..., Any]]] = {
    "x*300*300*1e-4": (
        lambda c: c.multiply(c.multiply(c.multiply(c.x, c.number(300)), c.number(300)), c.number(1e-4)),
        lambda x, y: x * x.dtype.type(300) * x.dtype.type(300) * x.dtype.type(1e-4),
    ),
    "x+1-1": (
        lambda c: c.subtract(c.add(c.x, c.number(1)), c.number(1)),
        lambda x, y: x + x.dtype.type(1) - x.dtype.type(1),
    ),
    "x*2-x": (
        lambda c: c.subtract(c.multiply(c.x, c.number(2)), c.x),
        lambda x, y: x * x.dtype.type(2) - x,
    ),
}


def chains_module(kind: str, chains: dict[str, Callable[[Chain], Any]]) -> Any:
    chain = Chain(kind)
    results = [make(chain) for make in chains.values()]
    return module("chains", chain.builder.build(chain.builder.add("tuple", results)))


@pytest.mark.parametrize("executor", [True, "vm"], ids=["graph", "vm"])
@pytest.mark.parametrize("kind", ["f16", "f32", "f64"])
def test_float_chains_keep_rule_16_and_rule_25(kind: str, executor: bool | str) -> None:
    check(chains_module(kind, FLOAT_CHAINS), arguments(kind), plain=executor, ulps=4)


def folded_zero(chain: Chain) -> Any:
    """A scalar that is computed from constants, which TVM finds to be zero: the product of three zeros."""
    kind = chain.kind
    body, scalar = ComputationBuilder("product"), array_shape(kind, ())
    product = body.build(body.add("multiply", [body.parameter(number, scalar) for number in range(2)]))
    zero = chain.builder.constant(0, kind)
    zeros = chain.builder.add("broadcast", [zero], array_shape(kind, (3,)), DimensionsAttributes(()))
    one = chain.builder.constant(1, kind)
    return chain.builder.add("reduce", [zeros, one], scalar, DimensionsAttributes((0,)), called_computations=[product])


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "build"])
@pytest.mark.parametrize("dimensions", [(), (COUNT,)], ids=["scalar", "vector"])
@pytest.mark.parametrize("kind", ["f16", "f32", "f64"])
def test_nan_times_a_scalar_that_folds_to_zero_is_nan(kind: str, dimensions: tuple[int, ...], plain: bool) -> None:
    """Only where nothing else reads the zero does fusion write it down as a number."""
    chain, shape = Chain(kind), array_shape(kind, dimensions)
    x, zero = chain.builder.parameter(2, shape), folded_zero(chain)
    if dimensions:
        zero = chain.builder.add("broadcast", [zero], shape, DimensionsAttributes(()))
    nan = np.full(dimensions, np.nan, BY_NAME[kind].numpy_dtype)
    (made,) = check(module("zero", chain.builder.build(chain.multiply(x, zero))), [*arguments(kind), nan], plain=plain)
    assert np.isnan(made).all()


@pytest.mark.parametrize("kind", ["f16", "f32", "f64"])
def test_rule_25_chains_that_xla_reassociates(kind: str) -> None:
    x, y = arguments(kind)
    hlo = chains_module(kind, {name: make for name, (make, _) in IEEE_CHAINS.items()})
    with np.errstate(all="ignore"):
        wanted = [reference(x, y) for _, reference in IEEE_CHAINS.values()]
    compare(run_tvm(hlo, [x, y], plain=True), wanted, ulps=0)


def test_abs_of_the_lowest_integer_is_negative() -> None:
    """XLA folds abs(x) >= 0 to true."""
    hlo = chains_module("s32", {"abs": lambda c: c.less(c.abs(c.x), c.number(0), "GE")})
    x, y = arguments("s32")
    compare(run_tvm(hlo, [x, y], plain=True), [np.where(x == np.iinfo("i4").min, False, True)])


@pytest.mark.parametrize("kind", ["s8", "s32", "s64", "u8", "u32", "u64"])
def test_integer_chains(kind: str) -> None:
    check(chains_module(kind, INTEGER_CHAINS), arguments(kind), plain=True)


def test_chains_with_the_machines_own_vectors() -> None:
    for kind, chains in (("f32", FLOAT_CHAINS), ("s32", INTEGER_CHAINS)):
        check(chains_module(kind, chains), arguments(kind), ulps=4)


def test_select_between_predicates_by_a_comparison_of_integers():
    builder = ComputationBuilder("main")
    index = builder.parameter(0, array_shape("s32", (2, 3)))
    flags = [builder.parameter(number, array_shape("pred", (2, 3))) for number in (1, 2)]
    bound = builder.add("broadcast", [builder.constant(np.int32(1))], index.shape, DimensionsAttributes(()))
    below = builder.add("compare", [index, bound], attributes=CompareAttributes("LT", "SIGNED"))
    inner = builder.add("select", [below, *flags])
    root = builder.add("select", [below, inner, flags[0]])
    values = np.arange(6, dtype=np.int32).reshape(2, 3) - 2
    check(module("select", builder.build(root)), [values, values % 2 == 0, values % 3 == 0])


@pytest.mark.parametrize("kind", ["s8", "s32", "s64"])
def test_negative_constants(kind: str) -> None:
    names = ("add", "subtract", "multiply", "maximum", "shift-left", "shift-right-logical", "shift-right-arithmetic")
    chains = {name: lambda c, name=name: getattr(c, name.replace("-", "_"))(c.x, c.number(-5)) for name in names}
    check(chains_module(kind, chains), arguments(kind), plain=True)


def test_concatenation_of_values_that_share_an_operand_with_variables():
    builder, shape = ComputationBuilder("main"), array_shape("f32", (20, 1, 50))
    x, y = (builder.parameter(number, shape) for number in range(2))
    scale = builder.add("sqrt", [builder.add("negate", [builder.add("log", [y])])])
    parts = [builder.add("multiply", [builder.add(name, [x]), scale]) for name in ("sine", "cosine")]
    both = builder.add("concatenate", parts, array_shape("f32", (20, 2, 50)), DimensionsAttributes((1,)))
    root = builder.add("reshape", [both], array_shape("f32", (40, 50)))
    values = np.linspace(0.1, 0.9, 1000, dtype=np.float32).reshape(shape.dimensions)
    check(module("joined", builder.build(root)), [values, values[::-1].copy()], plain=True)


@pytest.mark.parametrize("kind", ["pred", "s32"])
@pytest.mark.parametrize("plain", [True, "vm"])
def test_truth_of_a_choice_between_equal_values_is_bound_to_a_variable(kind, plain):
    """TVM's intervals are scalars and vectors for it, which code generation for a Let cannot compare."""
    shape = array_shape(kind, (5, 16))
    builder = ComputationBuilder("main")
    x, which = builder.parameter(0, shape), builder.parameter(1, array_shape("pred", (5, 16)))
    chosen = builder.add("select", [which, x, x])
    truth = chosen if kind == "pred" else builder.add("convert", [chosen], array_shape("pred", (5, 16)))
    number = builder.add("convert", [truth], array_shape("s32", (5, 16)))
    values = (np.arange(80).reshape(5, 16) % 3).astype(shape.numpy_dtype)
    root = builder.add("clamp", [number, number, number])
    check(module("chosen", builder.build(root)), [values, values % 2 == 0], plain=plain)


@pytest.mark.parametrize("name", ["and", "or", "xor"])
@pytest.mark.parametrize("plain", [False, True])
def test_truth_of_two_predicates_is_bound_to_a_variable(name, plain):
    """TVM's interval analysis, which code generation asks of a Let, fails on casts of vectors of And and Or."""
    body, pred, number = ComputationBuilder("body"), array_shape("pred"), array_shape("f32")
    x, y, z = (body.parameter(at, shape) for at, shape in enumerate((pred, pred, number)))
    truth = body.add(name, [x, y])
    chosen = body.add("select", [truth, z, body.add("negate", [z])])
    called = body.build(body.add("select", [truth, chosen, body.add("add", [chosen, z])]))
    builder = ComputationBuilder("main")
    parameters = [builder.parameter(at, array_shape(kind, (16,))) for at, kind in enumerate(("pred", "pred", "f32"))]
    root = builder.add("map", parameters, array_shape("f32", (16,)), DimensionsAttributes((0,)), [called])
    values = [np.arange(16) % 2 == 0, np.arange(16) % 3 == 0, np.arange(16, dtype=np.float32)]
    check(module("both", builder.build(root)), values, plain=plain)


@pytest.mark.parametrize("kind", ["f8e4m3fnuz", "f8e5m2", "f16", "f32", "f64"])
@pytest.mark.parametrize("plain", [False, True])
def test_a_float_between_itself_and_itself(kind, plain):
    """A comparison with itself is simpler the second time that TVM 0.17 visits its Let, which it refuses then."""
    builder, shape = ComputationBuilder("main"), array_shape(kind, (16,))
    x = builder.parameter(0, array_shape("f16" if kind != "f64" else "f32", (16,)))
    y = builder.add("convert", [x], shape)
    found = builder.add("clamp", [y, y, y])
    bits = builder.add("bitcast-convert", [found], array_shape(f"u{BY_NAME[kind].bits}", (16,)))
    values = np.array([*np.linspace(-3, 3, 14), -0.0, 0.0]).astype(x.shape.numpy_dtype)
    check(module("itself", builder.build(bits)), [values], plain=plain)


@pytest.mark.parametrize("opcode", ["maximum", "minimum"])
@pytest.mark.parametrize("kind", ["f16", "f32", "f64"])
def test_extremes_of_two_arrays_of_one_shape(kind, opcode):
    """To TVM's structural equality elements of two arrays are one expression, and so are both zeros."""
    builder, shape = ComputationBuilder("main"), array_shape(kind, (16,))
    x, y = (builder.parameter(number, shape) for number in range(2))
    zeros = [builder.constant(np.full(16, zero), kind) for zero in (0.0, -0.0)]
    pairs = [
        (x, y),
        (y, x),
        *((builder.add("add", [x, zeros[at]]), builder.add("add", [x, zeros[1 - at]])) for at in (0, 1)),
    ]
    root = builder.add("tuple", [builder.add(opcode, list(pair)) for pair in pairs])
    values = np.array([*np.linspace(-3, 3, 14), -0.0, 0.0]).astype(shape.numpy_dtype)
    check(module("two", builder.build(root)), [values, values[::-1].copy()])
