"""Steps with any floats: infinities, NaN, zeros of both signs, halves, very large and very small numbers.

One rounded operation of such numbers is the same everywhere. A second one need not be, since compilers contract
products and sums and zeros may have either sign; what comes of the first is only compared, chosen, converted and moved.
"""

from __future__ import annotations

import numpy as np

from tools.fuzz.arithmetic import DIRECTIONS, FUNCTIONS, most, ulps_of
from tools.fuzz.kinds import FLOATS, INTEGERS, TYPES, is_float
from tools.fuzz.program import LOOSE, MADE, WHOLE, WILD, Program, Tolerance, Value, depends_on_parameters
from tvm_hlo_frontend.hlo.ir.attributes import CompareAttributes, ReducePrecisionAttributes
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, array_shape

# of products and quotients of such numbers none is denormal, which XLA flushes
EXPONENTS = {"f32": 60, "f64": 60, "bf16": 60, "f16": 12}
_SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, -0.5, 1.5, -1.5, 2.5, 1.0, -1.0, 2.0, 3.0, 127.5, -128.5, 255.5)
WIDE = ("f32", "f64", "f16", "bf16")


def wild_array(program: Program, kind: str, sizes: tuple[int, ...], mild: bool = False) -> np.ndarray:
    """Any numbers of a type; mild ones are up to 8."""
    most_bits = 3 if mild else EXPONENTS.get(kind, 4)
    numbers = program.rng.normal(size=sizes) * np.exp2(program.rng.integers(-most_bits, most_bits + 1, sizes))
    special = program.rng.choice(_SPECIAL, size=sizes)
    with np.errstate(all="ignore"):
        return np.asarray(np.where(program.rng.random(sizes) < 0.25, special, numbers)).astype(
            array_shape(kind).numpy_dtype
        )


def wild_leaf(program: Program, kind: str, sizes: tuple[int, ...], mild: bool = False) -> Value:
    """A new parameter, or seldom a constant, of any numbers."""
    array = wild_array(program, kind, sizes, mild)
    make = program.constant if program.chance(0.15) else program.argument
    return make(array, 0, WILD)


def _kind(program: Program) -> str:
    return str(program.pick((*WIDE, *WIDE, *FLOATS)))


def _operand(program: Program, stage: int = WILD) -> Value:
    """A float value up to a stage, or a new one."""
    found = program.value(lambda value: is_float(value.kind) and value.stage > WHOLE, stage)
    if found is not None and program.chance(0.7):
        return found
    return wild_leaf(program, _kind(program), program.sizes())


def _beside(program: Program, x: Value, stage: int = WILD) -> Value:
    """Another one of its type and dimensions."""
    found = program.value(lambda value: value.kind == x.kind and value.sizes == x.sizes, stage)
    return found if found is not None and program.chance(0.4) else wild_leaf(program, x.kind, x.sizes)


def operation(program: Program) -> Value:
    """A rounded operation."""
    x = _operand(program)
    y = _beside(program, x)
    opcode = program.pick(("add", "subtract", "multiply", "divide", "remainder"))
    return program.add(opcode, [x, y], stage=MADE)


def choice(program: Program) -> Value:
    """An operation that rounds nothing."""
    x = _operand(program, MADE)
    opcode = program.pick(("maximum", "minimum", "clamp", "compare", "select"))
    if opcode == "clamp":
        return program.add("clamp", [_beside(program, x, MADE), x, _beside(program, x, MADE)], stage=MADE)
    if opcode == "compare":
        total = x.stage <= WILD and x.kind in WIDE and program.chance(0.3)
        y = _beside(program, x, WILD if total else MADE)
        attributes = CompareAttributes(program.pick(DIRECTIONS), "TOTALORDER" if total else "FLOAT")
        return program.add("compare", [x, y], 1, attributes, stage=WHOLE)
    if opcode == "select":
        return program.add("select", [program.like("pred", x.sizes), x, _beside(program, x, MADE)], stage=MADE)
    return program.add(opcode, [x, _beside(program, x, MADE)], stage=MADE)


def rounding(program: Program) -> Value:
    """An operation of one array that rounds to what numbers there are."""
    x = _operand(program, MADE)
    opcodes = ("abs", "negate", "sign", "floor", "ceil", "round-nearest-even", "round-nearest-afz", "is-finite")
    opcode = program.pick(opcodes)
    if opcode == "is-finite":
        return program.add(opcode, [x], 1, stage=WHOLE)
    return program.add(opcode, [x], stage=MADE)


def conversion(program: Program) -> Value:
    """Any type to any: rounded, saturated, wrapped."""
    x = _operand(program, MADE) if program.chance(0.6) else program.value() or _operand(program)
    kinds = [kind for kind in TYPES if not kind.startswith("c") and kind != x.kind]
    if x.kind == "f4e2m1fn":  # XLA takes its largest number for an infinity and gives the integer's
        kinds = [kind for kind in kinds if kind not in INTEGERS]
    kind = str(program.pick(kinds))
    shape = array_shape(kind, x.sizes)
    if kind in INTEGERS or kind == "pred":
        return program.add("convert", [x], most(kind), None, shape, stage=WHOLE)
    return program.add("convert", [x], 0, None, shape, stage=MADE)


def precision(program: Program) -> Value:
    """Fewer bits of exponent or mantissa."""
    kind = str(program.pick(WIDE))
    x = program.value(lambda value: value.kind == kind, MADE) or wild_leaf(program, kind, program.sizes())
    bits = program.pick(((5, 10), (8, 7), (4, 3), (5, 2), (8, 0), (3, 4)))
    return program.add("reduce-precision", [x], 0, ReducePrecisionAttributes(*bits), stage=MADE)


def function(program: Program) -> Value:
    """A function of numbers that are not large, within a few units of the last place."""
    opcode = str(program.pick(list(FUNCTIONS)))
    kind = str(program.pick(WIDE))
    x = program.argument(wild_array(program, kind, program.sizes(), mild=True), 0, WILD)
    return program.add(opcode, [x], stage=LOOSE, tolerance=Tolerance(ulps_of(kind, opcode)))


def function_of_two(program: Program) -> Value:
    """A power or an angle."""
    opcode, kind, sizes = program.pick(("power", "atan2")), str(program.pick(("f32", "f64"))), program.sizes()
    x, y = (program.argument(wild_array(program, kind, sizes, mild=True), 0, WILD) for _ in range(2))
    return program.add(opcode, [x, y], stage=LOOSE, tolerance=Tolerance(16))


def bits(program: Program) -> Value | None:
    """The bits of a number as another one, or as several in a last dimension."""
    x = program.value(lambda value: value.kind in INTEGERS and BY_NAME[value.kind].bits >= 8)
    if x is None or not depends_on_parameters(x.instruction):
        return None
    width = BY_NAME[x.kind].bits
    kind = str(program.pick([kind for kind in INTEGERS if BY_NAME[kind].bits in (width, width // 2, width // 4)]))
    parts = width // BY_NAME[kind].bits
    if BY_NAME[kind].bits < 8 or len(x.sizes) > 5:
        return None
    shape = array_shape(kind, (*x.sizes, parts) if parts > 1 else x.sizes)
    return program.add("bitcast-convert", [x], most(kind), None, shape)


def bits_of_floats(program: Program) -> Value:
    """The bits of floats as integers."""
    kind = str(program.pick(("f32", "f64", "f16", "bf16")))
    x = wild_leaf(program, kind, program.sizes())
    to = str(program.pick([other for other in INTEGERS if BY_NAME[other].bits == BY_NAME[kind].bits]))
    return program.add("bitcast-convert", [x], most(to), None, array_shape(to, x.sizes), stage=WHOLE)


STEPS = (
    (3, operation), (3, choice), (2, rounding), (4, conversion), (0.7, precision), (2, function),
    (0.6, function_of_two), (0.5, bits), (0.5, bits_of_floats),
)  # fmt: skip
