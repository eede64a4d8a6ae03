"""The 136 opcodes of XLA (xla/hlo/ir/hlo_opcode.h), one row each, and the retired ones that old protos may still hold.

What is true of an opcode wherever it stands is in its row; what one place makes of it, for instance whether a kernel
can take it in, stands there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Union

from .ir import attributes as attr

# no greatest number
ANY = 1 << 40

Number = Union[int, "tuple[int, int]"]
Family = Literal[
    "algebra", "contraction", "control", "custom", "device", "elementwise", "indexing", "input", "movement", "order",
    "random", "reduction",
]  # fmt: skip
Price = Literal["free", "flop", "transcendental", "formula", "evaluations", "callees", "unknown"]
Moves = Literal["nothing", "elements", "values"]


@dataclass(frozen=True)
class OpcodeInfo:
    """What XLA says of an opcode.

    Attributes
    ----------
    name : str
    family : str
        ``elementwise`` if the result at an index depends on the operands at that index alone; the others are for
        people, in drawings.
    operands : int or (int, int)
        Number of operands, or the least and the greatest one.
    called : int or (int, int)
        Number of called computations, likewise.
    attributes : type
        Class of its attributes.
    cost : str
        What it counts in ``hlo/cost.py``: nothing (``free``), one ``flop`` or one ``transcendental`` per element of the
        result, a ``formula`` or a number of ``evaluations`` of the called computations (both there), what the
        ``callees`` cost; or it is ``unknown``.
    moves : str
        Whether it puts ``elements`` of its operands elsewhere, or hands on whole ``values``, without a look at them.
    side_effects : bool
        Whether it does something besides its result.
    """

    name: str
    family: Family
    operands: Number
    called: Number = 0
    attributes: type = attr.NoAttributes
    cost: Price = "free"
    moves: Moves = "nothing"
    side_effects: bool = False


def least_and_greatest(number: Number) -> tuple[int, int]:
    """A number of operands or called computations as a range."""
    return (number, number) if isinstance(number, int) else number


ROWS: tuple[OpcodeInfo, ...] = (
    OpcodeInfo("abs", "elementwise", 1, cost="flop"),
    OpcodeInfo("acos", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("acosh", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("add", "elementwise", 2, cost="flop"),
    OpcodeInfo("add-dependency", "movement", 2, moves="values"),
    OpcodeInfo("after-all", "movement", (0, ANY)),
    OpcodeInfo("all-gather", "device", (0, ANY), attributes=attr.CollectiveAttributes),
    OpcodeInfo("all-gather-done", "device", 1),
    OpcodeInfo("all-gather-start", "device", (0, ANY), attributes=attr.CollectiveAttributes),
    OpcodeInfo("all-reduce", "device", (0, ANY), called=1, attributes=attr.CollectiveAttributes),
    OpcodeInfo("all-reduce-done", "device", 1),
    OpcodeInfo("all-reduce-start", "device", (0, ANY), called=1, attributes=attr.CollectiveAttributes),
    OpcodeInfo("all-to-all", "device", (0, ANY), attributes=attr.CollectiveAttributes),
    OpcodeInfo("and", "elementwise", 2, cost="flop"),
    OpcodeInfo("asin", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("asinh", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("async-done", "control", 1, called=(0, 1), attributes=attr.AsyncAttributes),
    OpcodeInfo("async-start", "control", (0, ANY), called=1, attributes=attr.AsyncAttributes, cost="callees"),
    OpcodeInfo("async-update", "control", 1, called=(0, 1), attributes=attr.AsyncAttributes),
    OpcodeInfo("atan", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("atan2", "elementwise", 2, cost="transcendental"),
    OpcodeInfo("atanh", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("batch-norm-grad", "algebra", 5, attributes=attr.BatchNormAttributes, cost="unknown"),
    OpcodeInfo("batch-norm-inference", "algebra", 5, attributes=attr.BatchNormAttributes, cost="unknown"),
    OpcodeInfo("batch-norm-training", "algebra", 3, attributes=attr.BatchNormAttributes, cost="unknown"),
    OpcodeInfo("bitcast", "movement", 1),
    OpcodeInfo("bitcast-convert", "movement", 1),
    OpcodeInfo("broadcast", "movement", 1, attributes=attr.DimensionsAttributes, moves="elements"),
    OpcodeInfo("call", "control", (0, ANY), called=1, attributes=attr.CallAttributes, cost="callees", moves="values"),
    OpcodeInfo("cbrt", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("ceil", "elementwise", 1, cost="flop"),
    OpcodeInfo("cholesky", "algebra", 1, attributes=attr.CholeskyAttributes, cost="formula"),
    OpcodeInfo("clamp", "elementwise", 3, cost="flop"),
    OpcodeInfo("collective-broadcast", "device", (0, ANY), attributes=attr.CollectiveAttributes),
    OpcodeInfo("collective-permute", "device", (0, ANY), attributes=attr.CollectiveAttributes),
    OpcodeInfo("collective-permute-done", "device", 1),
    OpcodeInfo("collective-permute-start", "device", (0, ANY), attributes=attr.CollectiveAttributes),
    OpcodeInfo("collective-reduce", "device", (0, ANY), called=1, attributes=attr.CollectiveAttributes),
    OpcodeInfo("compare", "elementwise", 2, attributes=attr.CompareAttributes, cost="flop"),
    OpcodeInfo("complex", "elementwise", 2, cost="flop"),
    OpcodeInfo("concatenate", "movement", (1, ANY), attributes=attr.DimensionsAttributes, moves="elements"),
    OpcodeInfo("conditional", "control", (2, ANY), called=(1, ANY), cost="callees", moves="values"),
    OpcodeInfo("constant", "input", 0, attributes=attr.ConstantAttributes),
    OpcodeInfo("convert", "elementwise", 1, cost="flop"),
    OpcodeInfo("convolution", "contraction", 2, attributes=attr.ConvolutionAttributes, cost="formula"),
    OpcodeInfo("copy", "movement", 1, moves="elements"),
    OpcodeInfo("copy-done", "movement", 1),
    OpcodeInfo("copy-start", "movement", 1),
    OpcodeInfo("cosine", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("cosh", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("count-leading-zeros", "elementwise", 1, cost="flop"),
    OpcodeInfo(
        "custom-call", "custom", (0, ANY), called=(0, ANY), attributes=attr.CustomCallAttributes, cost="unknown"
    ),
    OpcodeInfo("divide", "elementwise", 2, cost="flop"),
    OpcodeInfo("domain", "movement", 1, moves="values"),
    OpcodeInfo("dot", "contraction", 2, attributes=attr.DotAttributes, cost="formula"),
    OpcodeInfo("dynamic-reshape", "movement", (1, ANY), moves="elements"),
    OpcodeInfo("dynamic-slice", "indexing", (1, ANY), attributes=attr.DynamicSliceAttributes, moves="elements"),
    OpcodeInfo("dynamic-update-slice", "indexing", (2, ANY), moves="elements"),
    OpcodeInfo("erf", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("exponential", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("exponential-minus-one", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("fft", "algebra", 1, attributes=attr.FftAttributes, cost="formula"),
    OpcodeInfo("floor", "elementwise", 1, cost="flop"),
    OpcodeInfo(
        "fusion", "control", (0, ANY), called=1, attributes=attr.FusionAttributes, cost="callees", moves="values"
    ),
    OpcodeInfo("gather", "indexing", 2, attributes=attr.GatherAttributes, moves="elements"),
    OpcodeInfo("get-dimension-size", "movement", 1, attributes=attr.DimensionsAttributes),
    OpcodeInfo("get-tuple-element", "movement", 1, attributes=attr.TupleIndexAttributes, moves="values"),
    OpcodeInfo("imag", "elementwise", 1, cost="flop"),
    OpcodeInfo("infeed", "device", 1, side_effects=True),
    OpcodeInfo("iota", "input", 0, attributes=attr.DimensionsAttributes),
    OpcodeInfo("is-finite", "elementwise", 1, cost="flop"),
    OpcodeInfo("log", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("log-plus-one", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("logistic", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("map", "control", (0, ANY), called=1, attributes=attr.DimensionsAttributes, cost="evaluations"),
    OpcodeInfo("maximum", "elementwise", 2, cost="flop"),
    OpcodeInfo("minimum", "elementwise", 2, cost="flop"),
    OpcodeInfo("mulhi", "elementwise", 2, cost="flop"),
    OpcodeInfo("multiply", "elementwise", 2, cost="flop"),
    OpcodeInfo("negate", "elementwise", 1, cost="flop"),
    OpcodeInfo("not", "elementwise", 1, cost="flop"),
    OpcodeInfo("opt-barrier", "movement", 1, moves="values"),
    OpcodeInfo("or", "elementwise", 2, cost="flop"),
    OpcodeInfo("outfeed", "device", 2, side_effects=True),
    OpcodeInfo("pad", "movement", 2, attributes=attr.PadAttributes, moves="elements"),
    OpcodeInfo("parameter", "input", 0, attributes=attr.ParameterAttributes, moves="values"),
    OpcodeInfo("partition-id", "device", 0),
    OpcodeInfo("popcnt", "elementwise", 1, cost="flop"),
    OpcodeInfo("power", "elementwise", 2, cost="transcendental"),
    OpcodeInfo("ragged-all-to-all", "device", 6, attributes=attr.CollectiveAttributes),
    OpcodeInfo("ragged-dot", "contraction", 3, attributes=attr.RaggedDotAttributes, cost="formula"),
    OpcodeInfo("real", "elementwise", 1, cost="flop"),
    OpcodeInfo("recv", "device", 1, side_effects=True),
    OpcodeInfo("recv-done", "device", 1, side_effects=True),
    OpcodeInfo("reduce", "reduction", (2, ANY), called=1, attributes=attr.DimensionsAttributes, cost="evaluations"),
    OpcodeInfo("reduce-precision", "elementwise", 1, attributes=attr.ReducePrecisionAttributes, cost="flop"),
    OpcodeInfo("reduce-scatter", "device", (0, ANY), called=1, attributes=attr.CollectiveAttributes),
    OpcodeInfo("reduce-window", "reduction", (2, ANY), called=1, attributes=attr.WindowAttributes, cost="evaluations"),
    OpcodeInfo("remainder", "elementwise", 2, cost="flop"),
    OpcodeInfo("replica-id", "device", 0),
    OpcodeInfo("reshape", "movement", 1, moves="elements"),
    OpcodeInfo("reverse", "movement", 1, attributes=attr.DimensionsAttributes, moves="elements"),
    OpcodeInfo("rng", "random", 2, attributes=attr.RngAttributes, cost="unknown"),
    OpcodeInfo("rng-bit-generator", "random", 1, attributes=attr.RngBitGeneratorAttributes, cost="unknown"),
    OpcodeInfo("rng-get-and-update-state", "random", 0, attributes=attr.RngStateAttributes, cost="unknown"),
    OpcodeInfo("round-nearest-afz", "elementwise", 1, cost="flop"),
    OpcodeInfo("round-nearest-even", "elementwise", 1, cost="flop"),
    OpcodeInfo("rsqrt", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("scaled-dot", "contraction", 4, attributes=attr.DotAttributes, cost="unknown"),
    OpcodeInfo("scan", "reduction", (0, ANY), called=1, attributes=attr.ScanAttributes, cost="unknown"),
    OpcodeInfo("scatter", "indexing", (3, ANY), called=1, attributes=attr.ScatterAttributes, cost="evaluations"),
    OpcodeInfo("select", "elementwise", 3, cost="flop"),
    OpcodeInfo("select-and-scatter", "reduction", 3, called=2, attributes=attr.WindowAttributes, cost="evaluations"),
    OpcodeInfo("send", "device", 2, side_effects=True),
    OpcodeInfo("send-done", "device", 1, side_effects=True),
    OpcodeInfo("set-dimension-size", "movement", 2, attributes=attr.DimensionsAttributes, moves="elements"),
    OpcodeInfo("shift-left", "elementwise", 2, cost="flop"),
    OpcodeInfo("shift-right-arithmetic", "elementwise", 2, cost="flop"),
    OpcodeInfo("shift-right-logical", "elementwise", 2, cost="flop"),
    OpcodeInfo("shuffle", "movement", 1),
    OpcodeInfo("sign", "elementwise", 1, cost="flop"),
    OpcodeInfo("sine", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("sinh", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("slice", "movement", 1, attributes=attr.SliceAttributes, moves="elements"),
    OpcodeInfo("sort", "order", (1, ANY), called=1, attributes=attr.SortAttributes, cost="evaluations"),
    OpcodeInfo("sqrt", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("stochastic-convert", "random", 2, cost="unknown"),
    OpcodeInfo("subtract", "elementwise", 2, cost="flop"),
    OpcodeInfo("tan", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("tanh", "elementwise", 1, cost="transcendental"),
    OpcodeInfo("topk", "order", 1, called=(0, 1), attributes=attr.TopKAttributes, cost="unknown"),
    OpcodeInfo("transpose", "movement", 1, attributes=attr.DimensionsAttributes, moves="elements"),
    OpcodeInfo("triangular-solve", "algebra", 2, attributes=attr.TriangularSolveAttributes, cost="formula"),
    OpcodeInfo("tuple", "movement", (0, ANY), moves="values"),
    OpcodeInfo("while", "control", 1, called=2, cost="callees", moves="values"),
    OpcodeInfo("xor", "elementwise", 2, cost="flop"),
)

OPCODES: tuple[str, ...] = tuple(info.name for info in ROWS)
ELEMENTWISE: frozenset[str] = frozenset(info.name for info in ROWS if info.family == "elementwise")
# the rest has attributes, or as convert a result type of its own choice
_PLAIN = tuple(info for info in ROWS if info.name in ELEMENTWISE - {"convert"} and info.attributes is attr.NoAttributes)
ELEMENTWISE_UNARY: tuple[str, ...] = tuple(info.name for info in _PLAIN if info.operands == 1)
ELEMENTWISE_BINARY: tuple[str, ...] = tuple(info.name for info in _PLAIN if info.operands == 2)
MOVES_ELEMENTS: frozenset[str] = frozenset(info.name for info in ROWS if info.moves == "elements")
MOVES_VALUES: frozenset[str] = frozenset(info.name for info in ROWS if info.moves == "values")
SIDE_EFFECTS: frozenset[str] = frozenset(info.name for info in ROWS if info.side_effects)

# in front of a target: the key of custom-calls to it in tables by opcode
CUSTOM_CALL_PREFIX = "custom-call:"

# opcodes of old modules -> what they are today (XLA upgrades them as it reads; a trace has no result)
COMPARISONS: dict[str, str] = {
    "equal-to": "EQ",
    "greater-than": "GT",
    "greater-than-or-equal-to": "GE",
    "less-than": "LT",
    "less-than-or-equal-to": "LE",
    "not-equal-to": "NE",
}
UPGRADED_OPCODES: dict[str, str] = {**dict.fromkeys(COMPARISONS, "compare"), "trace": "tuple", "tuple-select": "select"}
RETIRED_OPCODES: dict[str, str] = {
    "cross-replica-sum": "a sum over devices, now all-reduce; export the module again with a current XLA",
}
