"""Steps that compute each element from those at its index."""

from __future__ import annotations

from tools.fuzz.program import INTEGERS, LIMITS, Program, Value
from tvm_hlo_frontend.hlo.ir.attributes import CompareAttributes
from tvm_hlo_frontend.hlo.ir.shape import array_shape

_DIRECTIONS = ("EQ", "NE", "GE", "GT", "LE", "LT")
_OF_BITS = ("and", "or", "xor")
_OF_NUMBERS = ("add", "subtract", "multiply", "maximum", "minimum")
_OF_INTEGERS = ("divide", "remainder", "shift-left", "shift-right-logical", "shift-right-arithmetic", "power")
# functions with values that are no integers, and the units of the last place to which both sides have them
_ROUNDED = {
    "exponential": 8, "exponential-minus-one": 8, "log-plus-one": 8, "logistic": 8, "tanh": 8, "sine": 8,
    "cosine": 8, "sqrt": 2, "cbrt": 8, "erf": 8, "tan": 16,
}  # fmt: skip


def binary(program: Program) -> Value | None:
    """An operation of two arrays."""
    x = program.value()
    if x is None:
        return None
    y, kind = program.like(x.kind, x.sizes), x.kind
    opcodes = list(_OF_BITS) if kind == "pred" else list(_OF_NUMBERS)
    if kind in INTEGERS:
        opcodes += [*_OF_BITS, *_OF_INTEGERS]
    opcode = program.pick(opcodes)
    if opcode == "power":  # XLA takes larger exponents modulo 64
        y = program.leaf(kind, x.sizes, 20)
    elif opcode in ("divide", "remainder"):  # by zero XLA divides constants when it folds them, which ends the process
        array = program.random_array(kind, x.sizes, 9)
        y = program.argument(array + (array == 0).astype(array.dtype), 10)
    elif program.chance(0.3):
        x, y = y, x
    bounds = {"multiply": x.bound * y.bound, "add": x.bound + y.bound, "subtract": x.bound + y.bound}
    bound = bounds.get(opcode, max(x.bound, y.bound))
    return program.add(opcode, [x, y], bound) if program.fits(kind, bound) else None


def unary(program: Program) -> Value | None:
    """An operation of one array."""
    x = program.value()
    if x is None:
        return None
    opcodes = ["copy", "opt-barrier"]
    if x.kind == "pred":
        opcodes += ["not"]
    elif x.kind in INTEGERS:
        # XLA counts wrong numbers of zeros where it folds constants
        opcodes += ["not", "abs", "negate", "sign", "popcnt"]
    else:
        opcodes += ["abs", "negate", "sign", "floor", "ceil", "round-nearest-even", "round-nearest-afz"]
    if x.kind.startswith("u"):
        opcodes = [opcode for opcode in opcodes if opcode not in ("abs", "sign")]
    return program.add(program.pick(opcodes), [x], x.bound)


def compare(program: Program) -> Value | None:
    """Truth values."""
    x = program.value()
    if x is None:
        return None
    kinds = {"pred": "UNSIGNED", "f32": "FLOAT", "f64": "FLOAT"}
    how = kinds.get(x.kind, "UNSIGNED" if x.kind.startswith("u") else "SIGNED")
    attributes = CompareAttributes(program.pick(_DIRECTIONS), how)
    return program.add("compare", [x, program.like(x.kind, x.sizes)], 1, attributes)


def select(program: Program) -> Value | None:
    """One of two arrays, element by element, or as a whole."""
    x = program.value()
    if x is None:
        return None
    y = program.like(x.kind, x.sizes)
    which = program.like("pred", x.sizes)
    return program.add("select", [which, x, y], max(x.bound, y.bound))


def clamp(program: Program) -> Value | None:
    """Between two arrays, or two numbers."""
    x = program.value(lambda value: value.kind != "pred")
    if x is None:
        return None
    sizes = () if program.chance(0.5) else x.sizes
    low, high = program.like(x.kind, sizes), program.like(x.kind, sizes)
    return program.add("clamp", [low, x, high], max(low.bound, x.bound, high.bound))


def convert(program: Program) -> Value | None:
    """Another element type; of integers that wrapped, one in which they are exact."""
    x = program.value()
    if x is None:
        return None
    kind = program.kind()
    small = {"s8": 128, "u8": 255, "pred": 1, "s16": 1 << 15, "u16": 1 << 16, "s32": 1 << 31, "u32": 1 << 32}
    bound = x.bound if x.kind in LIMITS else small.get(x.kind, 1 << 64)
    if x.kind in LIMITS and kind in INTEGERS and bound > 100:
        return None  # what does not fit saturates; JAX's own tests of conversions have that
    return program.add("convert", [x], bound, None, array_shape(kind, x.sizes)) if program.fits(kind, bound) else None


def rounded(program: Program) -> None:
    """A function of an array, as a result."""
    x = program.value(lambda value: value.kind in LIMITS and value.bound <= 100)
    if x is None:
        return
    opcode = str(program.pick(list(_ROUNDED)))
    made = program.builder.add(opcode, [x.instruction])
    program.rounded[made] = _ROUNDED[opcode]


STEPS = (
    (8, binary), (3, unary), (2, compare), (3, select), (1, clamp), (3, convert), (1, rounded),
)  # fmt: skip
