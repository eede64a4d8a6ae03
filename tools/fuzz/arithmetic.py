"""Steps that compute each element from those at its index, of whole numbers."""

from __future__ import annotations

from tools.fuzz.kinds import INTEGERS, LIMITS, comparison_of, greatest, is_complex, is_float, is_unsigned
from tools.fuzz.program import LOOSE, Program, Tolerance, Value, depends_on_parameters, with_layout
from tvm_hlo_frontend.hlo.ir.attributes import CompareAttributes
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, array_shape

DIRECTIONS = ("EQ", "NE", "GE", "GT", "LE", "LT")
_OF_BITS = ("and", "or", "xor")
_OF_NUMBERS = ("add", "subtract", "multiply", "maximum", "minimum")
_OF_INTEGERS = ("divide", "remainder", "shift-left", "shift-right-logical", "shift-right-arithmetic", "power")
# functions of whole numbers, and the units of the last place to which both sides have them
FUNCTIONS = {
    "exponential": 8, "exponential-minus-one": 8, "log": 8, "log-plus-one": 8, "logistic": 8, "tanh": 8, "sine": 8,
    "cosine": 8, "sqrt": 2, "rsqrt": 8, "cbrt": 8, "erf": 8, "tan": 16,
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
    if opcode == "power":  # XLA takes larger exponents modulo 64, and loses signs of s2 and s4 in loops
        if program.outer is not None and kind in ("s2", "s4"):
            return None
        y = program.leaf(kind, x.sizes, 20)
    elif opcode in ("divide", "remainder"):
        y = _divisor(program, x)
    elif program.chance(0.3):
        x, y = y, x
    bounds = {"multiply": x.bound * y.bound, "add": x.bound + y.bound, "subtract": x.bound + y.bound}
    bound = bounds.get(opcode, max(x.bound, y.bound))
    return program.add(opcode, [x, y], bound) if program.fits(kind, bound) else None


def _divisor(program: Program, x: Value) -> Value:
    """What to divide by: anything, but where XLA would divide constants, which by zero ends the process."""
    array = program.random_array(x.kind, x.sizes, 9)
    if program.outer is not None:
        array = array + (array == 0).astype(array.dtype)
    return program.argument(array, 10)


def unary(program: Program) -> Value | None:
    """An operation of one array."""
    x = program.value()
    if x is None:
        return None
    opcodes = ["copy", "opt-barrier"]
    if x.kind == "pred":
        opcodes += ["not"]
    elif x.kind in INTEGERS:
        opcodes += ["not", "abs", "negate", "sign", "popcnt"]
        if program.outer is None and depends_on_parameters(x.instruction):
            # where XLA folds constants it counts wrong numbers of zeros
            opcodes += ["count-leading-zeros"]
    else:
        opcodes += ["abs", "negate", "sign", "floor", "ceil", "round-nearest-even", "round-nearest-afz"]
    if is_unsigned(x.kind):
        opcodes = [opcode for opcode in opcodes if opcode not in ("abs", "sign")]
    opcode = program.pick(opcodes)
    if opcode == "copy" and program.chance(0.5):
        return with_layout(program, x)
    return program.add(opcode, [x], x.bound)


def compare(program: Program) -> Value | None:
    """Truth values."""
    x = program.value(with_complex=True)
    if x is None:
        return None
    directions = DIRECTIONS[:2] if is_complex(x.kind) else DIRECTIONS
    attributes = CompareAttributes(program.pick(directions), comparison_of(x.kind))
    return program.add("compare", [x, program.like(x.kind, x.sizes)], 1, attributes)


def select(program: Program) -> Value | None:
    """One of two arrays, element by element, or as a whole."""
    x = program.moved()
    if x is None:
        return None
    y = program.like(x.kind, x.sizes)
    which = program.like("pred", x.sizes if program.chance(0.8) else ())
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
    """Another element type in which the numbers are exact; integers wrap."""
    x = program.value()
    if x is None:
        return None
    kind = program.kind()
    bound = x.bound if is_float(x.kind) else most(x.kind)
    if kind != "pred" and bound > greatest(kind) and (kind not in INTEGERS or is_float(x.kind)):
        return None  # what does not fit is rounded or saturates, see wild.py
    return program.add("convert", [x], bound, None, array_shape(kind, x.sizes))


def most(kind: str) -> int:
    """The magnitude of the largest number of an integer type."""
    return 1 if kind == "pred" else greatest(kind) + (0 if is_unsigned(kind) else 1)


def function(program: Program) -> Value | None:
    """A function of an array, as a result."""
    x = program.value(lambda value: is_float(value.kind) and BY_NAME[value.kind].bits > 8 and value.bound <= 100)
    if x is None:
        return None
    opcode = str(program.pick(list(FUNCTIONS)))
    return program.add(opcode, [x], stage=LOOSE, tolerance=Tolerance(ulps_of(x.kind, opcode)))


def ulps_of(kind: str, opcode: str) -> float:
    """Tolerance of a function. XLA rounds each step of one of 16 bits; its log-plus-one of f64 is off by 127 units."""
    if kind in ("f16", "bf16"):
        return 4
    return 256 if (opcode, kind) == ("log-plus-one", "f64") else FUNCTIONS[opcode]


def complex_parts(program: Program) -> Value | None:
    """Complex numbers from real ones, and real ones from complex ones."""
    x = program.value(lambda value: value.kind in ("f32", "f64", "c64", "c128"), with_complex=True)
    if x is None:
        return None
    if is_complex(x.kind):
        return program.add(program.pick(("real", "imag")), [x], x.bound)
    y = program.like(x.kind, x.sizes)
    bound = max(x.bound, y.bound)
    return program.add("complex", [x, y], bound) if bound <= LIMITS["c64"] else None


def complex_arithmetic(program: Program) -> Value | None:
    """An operation of one or two complex arrays."""
    x = program.value(lambda value: is_complex(value.kind), with_complex=True)
    if x is None:
        return None
    opcode = str(program.pick(("add", "subtract", "multiply", "negate", "copy", "abs")))
    if opcode == "abs":
        return program.add("abs", [x], stage=LOOSE, tolerance=Tolerance(8))
    if opcode in ("negate", "copy"):
        return program.add(opcode, [x], x.bound)
    y = program.like(x.kind, x.sizes)
    bound = 2 * x.bound * y.bound if opcode == "multiply" else x.bound + y.bound
    return program.add(opcode, [x, y], bound) if program.fits(x.kind, bound) else None


STEPS = (
    (8, binary), (3, unary), (2, compare), (3, select), (1, clamp), (3, convert), (1, function), (0.4, complex_parts),
    (0.8, complex_arithmetic),
)  # fmt: skip
