"""Element-wise opcodes as data: what each rule of HLO's semantics says of which values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tvm_hlo_frontend.hlo.ir.attributes import Attributes, CompareAttributes, NoAttributes, ReducePrecisionAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.module import HloModule
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, array_shape, element_type_of

NAN, INF = float("nan"), float("inf")
SIGNED, UNSIGNED = ("s8", "s16", "s32", "s64"), ("u8", "u16", "u32", "u64")
FLOATS = ("f16", "f32", "f64")


@dataclass(frozen=True, eq=False)
class Case:
    """One instruction on parameters.

    Attributes
    ----------
    rule : int
        Number of the rule of HLO's semantics that it exercises.
    opcode : str
    operands : tuple of numpy.ndarray
    result_type : str
    expected : numpy.ndarray or None
        What the rule says; None to ask XLA alone.
    attributes : Attributes
    dimensions : tuple of int or None
        Dimensions of the result, by default those of the last operand.
    """

    rule: int
    opcode: str
    operands: tuple[np.ndarray, ...]
    result_type: str
    expected: np.ndarray | None = None
    attributes: Attributes = field(default_factory=NoAttributes)
    dimensions: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        kinds = "-".join(dict.fromkeys(element_type_of(operand.dtype) for operand in self.operands))
        detail = getattr(self.attributes, "direction", "") or getattr(self.attributes, "exponent_bits", "")
        return f"rule_{self.rule}-{self.opcode}{detail}-{kinds}-{self.result_type}"


def case(rule: int, opcode: str, kind: str, operands: Any, expected: Any = None, **more: Any) -> Case:
    """Case whose operands are all of one element type; ``to=`` is the result type where it differs."""
    result = more.pop("to", kind)
    dtype = BY_NAME[kind].numpy_dtype
    with np.errstate(over="ignore"):  # numbers that only wider types hold become infinite
        arrays = tuple(np.atleast_1d(np.array(operand, dtype)) for operand in operands)
    if expected is not None:
        expected = np.atleast_1d(np.array(expected, BY_NAME[result].numpy_dtype))
    return Case(rule, opcode, arrays, result, expected, **more)


def module_of(cases: list[Case]) -> tuple[HloModule, list[np.ndarray]]:
    """One module with one result per case, and its arguments."""
    builder = ComputationBuilder("main")
    arguments: list[np.ndarray] = []
    known: dict[tuple, Any] = {}
    results = []
    for item in cases:
        operands = []
        for array in item.operands:
            key = (array.dtype, array.shape, array.tobytes())
            if key not in known:
                shape = array_shape(element_type_of(array.dtype), array.shape)
                known[key] = builder.parameter(len(arguments), shape)
                arguments.append(array)
            operands.append(known[key])
        dimensions = item.operands[-1].shape if item.dimensions is None else item.dimensions
        shape = array_shape(item.result_type, dimensions)
        results.append(builder.add(item.opcode, operands, shape, item.attributes))
    return module("cases", builder.build(builder.add("tuple", results))), arguments


def lowest(kind: str) -> int:
    return int(np.iinfo(BY_NAME[kind].numpy_dtype).min)


def highest(kind: str) -> int:
    return int(np.iinfo(BY_NAME[kind].numpy_dtype).max)


def compare(direction: str, order: str = "FLOAT") -> CompareAttributes:
    return CompareAttributes(direction, order)


def _integer_cases() -> list[Case]:
    cases = []
    for kind in SIGNED:
        low, high, bits = lowest(kind), highest(kind), BY_NAME[kind].bits
        cases += [
            case(1, "divide", kind, ([7, 0, low], [0, 0, 0]), [-1, -1, -1]),
            case(2, "divide", kind, ([low], [-1]), [low]),
            case(3, "divide", kind, ([-7, 7, -7], [2, -2, -2]), [-3, -3, 3]),
            case(4, "remainder", kind, ([5, low, 7, -7], [0, -1, -3, 3]), [5, 0, 1, -1]),
            case(6, "shift-left", kind, ([1, 1, 1, -1], [bits, -1, bits - 1, 1]), [0, 0, low, -2]),
            case(6, "shift-right-logical", kind, ([-1, -1, -1], [bits, -1, bits - 1]), [0, 0, 1]),
            case(6, "shift-right-arithmetic", kind, ([-8, 8, -8, -8], [bits, -1, -1, 2]), [-1, 0, -1, -2]),
            case(7, "add", kind, ([high, low, high], [1, -1, high]), [low, high, -2]),
            case(7, "subtract", kind, ([low, 0], [1, low]), [high, low]),
            case(7, "multiply", kind, ([high, low, high], [2, -1, high]), [-2, low, 1]),
            case(8, "abs", kind, ([low, -5, 5, 0],), [low, 5, 5, 0]),
            case(8, "negate", kind, ([low, -5, 5],), [low, 5, -5]),
            case(9, "power", kind, ([0, 2, -1, -1, 1, 3, 3], [0, -1, -1, -2, -1, 4, -1]), [1, 0, -1, 1, 1, 81, 0]),
            case(10, "count-leading-zeros", kind, ([0, 1, -1],), [bits, bits - 1, 0]),
            case(10, "popcnt", kind, ([0, -1, 5],), [0, bits, 2]),
            case(11, "not", kind, ([0, -1, 5],), [-1, 0, -6]),
            case(11, "and", kind, ([6, -1, 0], [3, 12, 7]), [2, 12, 0]),
            case(11, "or", kind, ([6, -1, 0], [3, 12, 7]), [7, -1, 7]),
            case(11, "xor", kind, ([6, -1, 0], [3, 12, 7]), [5, -13, 7]),
            case(14, "clamp", kind, ([1, 1, 9], [0, 5, 0], [3, 3, 3]), [1, 3, 3]),
            case(15, "sign", kind, ([low, 0, 3],), [-1, 0, 1]),
        ]
    for kind in UNSIGNED:
        high, bits = highest(kind), BY_NAME[kind].bits
        cases += [
            case(1, "divide", kind, ([7, 0], [0, 0]), [high, high]),
            case(4, "remainder", kind, ([7, high], [0, 10]), [7, high % 10]),
            case(6, "shift-left", kind, ([1, 1], [bits, bits - 1]), [0, 1 << (bits - 1)]),
            case(6, "shift-right-arithmetic", kind, ([high], [bits - 1]), [high]),
            case(7, "add", kind, ([high, high], [1, high]), [0, high - 1]),
            case(7, "subtract", kind, ([0], [1]), [high]),
            case(7, "multiply", kind, ([high, high], [high, 2]), [1, high - 1]),
            case(8, "negate", kind, ([1, 0],), [high, 0]),
            case(9, "power", kind, ([0, 3, high], [0, 4, 2]), [1, 81, 1]),
            case(10, "count-leading-zeros", kind, ([0, 1, high],), [bits, bits - 1, 0]),
            case(10, "popcnt", kind, ([0, high, 5],), [0, bits, 2]),
            case(11, "not", kind, ([0, high],), [high, 0]),
        ]
    return cases


def _predicate_cases() -> list[Case]:
    left, right = [False, False, True, True], [False, True, False, True]
    tables = {
        "and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "xor": [0, 1, 1, 0], "multiply": [0, 0, 0, 1], "add": [0, 1, 1, 1],
        "maximum": [0, 1, 1, 1], "minimum": [0, 0, 0, 1],
    }  # fmt: skip
    rules = {"multiply": 12, "add": 12, "maximum": 12, "minimum": 12}
    cases = [case(rules.get(op, 11), op, "pred", (left, right), table) for op, table in tables.items()]
    cases.append(case(11, "not", "pred", (right,), [1, 0, 1, 0]))
    cases += [
        case(11, "select", "pred", (left, right, [1, 0, 1, 0]), [1, 0, 0, 1]),
        *(case(16, "compare", "pred", (left, right), attributes=compare(d, "UNSIGNED")) for d in ("EQ", "LT", "GE")),
    ]
    return cases


def _float_cases() -> list[Case]:
    cases = []
    for kind in FLOATS:
        cases += [
            case(5, "remainder", kind, ([INF, 1, -7, 7, 5, -0.0], [2, 0, 3, -3, INF, 1]), [NAN, NAN, -1, 1, 5, -0.0]),
            case(13, "maximum", kind, ([NAN, 1, -INF, 3], [1, NAN, 2, INF]), [NAN, NAN, 2, INF]),
            case(13, "minimum", kind, ([NAN, 1, -INF, 3], [1, NAN, 2, INF]), [NAN, NAN, -INF, 3]),
            case(14, "clamp", kind, ([NAN, 0, 0, 5, 0], [1, NAN, 1, 1, 9], [3, 3, NAN, 2, 3]), [NAN, NAN, NAN, 2, 3]),
            case(15, "sign", kind, ([NAN, -0.0, 0.0, -INF, 3],), [NAN, -0.0, 0.0, -1, 1]),
            case(15, "abs", kind, ([NAN, -0.0, -INF],), [NAN, 0, INF]),
            case(15, "negate", kind, ([0.0, -0.0, INF],), [-0.0, 0.0, -INF]),
            case(19, "round-nearest-afz", kind, ([2.5, -2.5, 0.5, -0.25, INF, NAN],), [3, -3, 1, -0.0, INF, NAN]),
            case(19, "round-nearest-even", kind, ([2.5, -2.5, 0.5, 1.5, -0.5, INF],), [2, -2, 0, 2, -0.0, INF]),
            case(21, "power", kind, ([NAN, 1, -8, 0, 2, -2], [0, NAN, 1 / 3, 0, 3, 3]), [1, 1, NAN, 1, 8, -8]),
            case(21, "cbrt", kind, ([-8, 27, 0],), [-2, 3, 0]),
            case(22, "logistic", kind, ([-INF, INF, 0, -1000, 1000],), [0, 1, 0.5, 0, 1]),
            case(24, "is-finite", kind, ([INF, -INF, NAN, 1, 0],), [0, 0, 0, 1, 1], to="pred"),
            *(
                case(16, "compare", kind, _PAIRS, want, to="pred", attributes=compare(d))
                for d, want in _ORDERED.items()
            ),
            *(
                case(16, "compare", kind, _STEPS, [want] * 5, to="pred", attributes=compare(d, "TOTALORDER"))
                for d, want in {"LT": 1, "GE": 0, "EQ": 0, "NE": 1}.items()
            ),
        ]
    cases += [
        case(5, "remainder", "f32", ([1e20], [3])),
        case(19, "round-nearest-afz", "f32", ([0.49999997, 8388609, -8388609],), [0, 8388609, -8388609]),
        case(19, "round-nearest-even", "f32", ([8388609, 4194305.5],), [8388609, 4194306]),
        case(20, "log-plus-one", "f32", ([1e-10, -1e-10, -1, -2, INF, -0.0],), [1e-10, -1e-10, -INF, NAN, INF, -0.0]),
        case(20, "exponential-minus-one", "f32", ([1e-10, -1e-10, -INF, INF, -0.0],), [1e-10, -1e-10, -1, INF, -0.0]),
        case(20, "log-plus-one", "f64", ([1e-10],), [9.9999999995e-11]),
        case(20, "exponential-minus-one", "f64", ([1e-10],), [1.00000000005e-10]),
        case(91, "erf", "f32", ([0.5, -1, 5, NAN, -0.0],), [0.52049988, -0.84270079, 1, NAN, -0.0]),
        case(91, "tan", "f32", ([0.5, -1, NAN, -0.0],), [0.54630249, -1.5574077, NAN, -0.0]),
        case(23, "atan2", "f32", ([0.0, -0.0, 0.0, -0.0], [-1, -1, 1, 1]), [np.pi, -np.pi, 0, -0.0]),
        case(25, "add", "f16", ([2048, 60000], [1, 60000]), [2048, INF]),
        case(25, "multiply", "f16", ([1e-4], [1e-4]), [0]),
    ]
    return cases


_ORDERED = {
    "EQ": [0, 0, 0, 1], "NE": [1, 1, 1, 0], "LT": [0, 0, 1, 0], "LE": [0, 0, 1, 1], "GT": [0, 0, 0, 0],
    "GE": [0, 0, 0, 1],
}  # fmt: skip
_PAIRS = ([NAN, 1, 1, -0.0], [NAN, NAN, 2, 0.0])
_TOTAL = [-NAN, -INF, -0.0, 0.0, INF, NAN]
_STEPS = (_TOTAL[:-1], _TOTAL[1:])


def _convert_cases() -> list[Case]:
    cases = []
    for kind in FLOATS:
        for target in (*SIGNED, *UNSIGNED):
            ends = [0, highest(target), lowest(target), 1, -1 if lowest(target) else 0, 0]
            cases.append(case(26, "convert", kind, ([NAN, INF, -INF, 1.9, -1.9, -0.5],), ends, to=target))
        cases.append(case(28, "convert", kind, ([NAN, -0.0, 0.5],), [1, 0, 1], to="pred"))
    return [
        *cases,
        case(26, "convert", "f32", ([3e9, -3e9],), [highest("s32"), lowest("s32")], to="s32"),
        case(26, "convert", "f32", ([-1, 4294967040, 3e9],), [0, 4294967040, 3000000000], to="u32"),
        case(26, "convert", "f64", ([1e19, 1.8e19, 2e19],), [10**19, 18 * 10**18, highest("u64")], to="u64"),
        case(27, "convert", "s32", ([300, -1, 128],), [44, -1, -128], to="s8"),
        case(27, "convert", "s32", ([-1],), [highest("u64")], to="u64"),
        case(27, "convert", "u32", ([highest("u32")],), [-1], to="s32"),
        case(28, "convert", "s32", ([0, 256],), [0, 1], to="pred"),
        case(28, "convert", "pred", ([0, 1],), [0, 1], to="f32"),
        case(29, "convert", "f32", ([65520, 65519, 2049, 2051, 1e-8],), [INF, 65504, 2048, 2052, 0], to="f16"),
        case(29, "convert", "f64", ([1 + 2**-24, 1 + 2**-24 + 2**-40],), [1, 1 + 2**-23], to="f32"),
        case(29, "convert", "s64", ([2**24 + 1, 2**62 + 2**38 + 1],), [2**24, 2**62 + 2**39], to="f32"),
    ]


def _precision_cases() -> list[Case]:
    values = [6.1e-5, 65520, 65519, 1.0009766, 1.0004883, -1e-30, -INF, NAN, 0, 1e38]
    wanted = [0, INF, 65504, 1.0009766, 1, -0.0, -INF, NAN, 0, INF]
    attributes = ReducePrecisionAttributes(5, 10)
    cases = [case(33, "reduce-precision", "f32", (values,), wanted, attributes=attributes)]
    for kind, bits in (
        ("f16", (5, 3)),
        ("f32", (8, 7)),
        ("f32", (4, 0)),
        ("f32", (8, 0)),
        ("f64", (8, 23)),
        ("f64", (11, 52)),
    ):
        cases.append(case(33, "reduce-precision", kind, (values,), attributes=ReducePrecisionAttributes(*bits)))
    return cases


def _bitcast_cases() -> list[Case]:
    word = np.array([0x01020304, 0], np.uint32)
    return [
        Case(32, "bitcast-convert", (word,), "f32", word.view("f4")),
        Case(32, "bitcast-convert", (word,), "s32", word.view("i4")),
        Case(32, "bitcast-convert", (word,), "u8", word.view("u1").reshape(2, 4), dimensions=(2, 4)),
        Case(32, "bitcast-convert", (word,), "f16", word.view("f2").reshape(2, 2), dimensions=(2, 2)),
        Case(32, "bitcast-convert", (word.view("u1").reshape(2, 4),), "u32", word, dimensions=(2,)),
        Case(32, "bitcast-convert", (np.array([[1, 2], [0, 7]], "i4"),), "f64", dimensions=(2,)),
    ]


RULE_CASES = [
    *_integer_cases(), *_predicate_cases(), *_float_cases(), *_convert_cases(), *_precision_cases(), *_bitcast_cases(),
]  # fmt: skip
