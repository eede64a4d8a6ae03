"""bf16, f8 and f4 in terms of f32: rounding as XLA's convert, and the way from bits to values and back.

Everything is exact element-wise HLO, so it fuses with what stands around it. Sources: OCP 8-bit and MX formats, and
XLA's convert as measured on XLA:CPU (rule 30).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from ...hlo.ir.attributes import ReducePrecisionAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import BY_NAME, ELEMENT_TYPES
from ..emit import Emitter


@dataclass(frozen=True)
class Format:
    """A float format of at most 8 bits.

    Attributes
    ----------
    bits, mantissa : int
    least_exponent : int
        Exponent of the least normal number, and of subnormal ones.
    greatest : float
        Greatest finite value.
    infinity, nan : int or None
        Their bits without the sign; None if there is none.
    negative_zero : bool
        False where those bits are NaN, or there is no zero.
    saturates : bool
        Whether too large values become the greatest one.
    """

    bits: int
    mantissa: int
    least_exponent: int
    greatest: float
    infinity: int | None
    nan: int | None
    negative_zero: bool
    saturates: bool


@dataclass(frozen=True)
class Wide:
    """The float type in which a value is rounded: its bits as an unsigned type."""

    bits: str
    mantissa: int
    bias: int

    @property
    def sign(self) -> int:
        """The bit of the sign."""
        return 1 << (31 if self.bits == "u32" else 63)


WIDE = {"f32": Wide("u32", 23, 127), "f64": Wide("u64", 52, 1023)}


def _format(name: str) -> Format:
    row = BY_NAME[name]
    info = ml_dtypes.finfo(row.numpy_dtype)
    sign = 1 << (row.bits - 1)

    def code(value: float) -> int:
        with np.errstate(all="ignore"):
            return int(np.array(value, np.float32).astype(row.numpy_dtype).view(np.uint8))

    def value(bits: int) -> float:
        return float(np.array(bits, np.uint8).view(row.numpy_dtype))  # type: ignore[arg-type]

    infinity = code(np.inf) if np.isinf(value(code(np.inf))) else None
    has_nan = np.isnan(value(code(np.nan)))
    unsigned_zero = has_nan and np.isnan(value(sign))
    nan = None if not has_nan else sign if unsigned_zero else code(np.nan) & (sign - 1)
    least, greatest = int(info.minexp), float(info.max)
    return Format(row.bits, info.nmant, least, greatest, infinity, nan, not unsigned_zero, not has_nan)


POWERS_OF_TWO = "f8e8m0fnu"
FORMATS: dict[str, Format] = {
    row.name: _format(row.name)
    for row in ELEMENT_TYPES
    if row.kind == "float" and row.bits <= 8 and row.name != POWERS_OF_TWO
}
NARROW_FLOATS = frozenset({"bf16", POWERS_OF_TWO, *FORMATS})


def rounded(emit: Emitter, x: HloInstruction, element_type: str) -> HloInstruction:
    """`x` (f32 or f64) rounded to `element_type`, as f32: XLA's convert, which goes from f64 to bf16 by way of f32."""
    if element_type == "bf16":
        # the exponents are f32's, so nothing is flushed (rule 33)
        return emit("reduce-precision", emit.convert(x, "f32"), attributes=ReducePrecisionAttributes(8, 7))
    if element_type == POWERS_OF_TWO:
        return _nearest_power_of_two(emit, x)
    return emit.convert(_rounded_to(emit, x, FORMATS[element_type]), "f32")


def converted(emit: Emitter, x: HloInstruction, element_type: str) -> HloInstruction:
    """`x` of any value rounded to `element_type`: what `rounded` does to the results of arithmetic, whose NaN are
    quiet, and to a signalling NaN whose payload `element_type` has no room for."""
    value = rounded(emit, x, element_type)
    if element_type != "bf16":  # the others are rounded by arithmetic
        return value
    sign = emit("and", emit.bits(value, "u32"), 0x80000000)
    nan = emit.bits(emit("or", sign, 0x7FC00000), "f32")
    return emit.select(emit.compare("NE", value, value), nan, value)


def positive_nan(emit: Emitter, x: HloInstruction) -> HloInstruction:
    """`x` with its NaN as XLA converts that of a format without -0, whose bits are those of a negative number."""
    return emit.select(emit.compare("EQ", x, x), x, math.nan)


def after_arithmetic(emit: Emitter, x: HloInstruction, element_type: str) -> HloInstruction:
    """The f32 result `x` of an operation on `element_type`: XLA:CPU computes f8 and f4 in f16 and rounds twice."""
    if element_type in FORMATS:
        x = emit.convert(emit.convert(x, "f16"), "f32")
    return rounded(emit, x, element_type)


def _exponent(emit: Emitter, x: HloInstruction, form: Format) -> HloInstruction:
    """Biased exponent in x's own type of x's binade, at least that of the format's subnormal numbers."""
    wide = WIDE[x.shape.element_type]
    magnitude = emit("and", emit.bits(x, wide.bits), wide.sign - 1)
    exponent = emit("shift-right-logical", magnitude, wide.mantissa)
    return emit("maximum", exponent, form.least_exponent + wide.bias)


def _in_units(emit: Emitter, x: HloInstruction, exponent: HloInstruction, form: Format) -> HloInstruction:
    """`x` divided by the distance of the format's numbers around it; exact."""
    wide = WIDE[x.shape.element_type]
    inverse = emit("subtract", emit.full(2 * wide.bias + form.mantissa, exponent.shape), exponent)
    scale = emit.bits(emit("shift-left", inverse, wide.mantissa), x.shape.element_type)
    return emit("multiply", x, scale)


def _rounded_to(emit: Emitter, x: HloInstruction, form: Format) -> HloInstruction:
    wide = WIDE[x.shape.element_type]
    if form.saturates:
        number = emit.compare("EQ", x, x)
        clamped = emit("clamp", emit.full(-form.greatest, x.shape), x, emit.full(form.greatest, x.shape))
        x = emit.select(number, clamped, -0.0)
    exponent = _exponent(emit, x, form)
    units = emit("round-nearest-even", _in_units(emit, x, exponent, form))
    unit = emit.bits(emit("shift-left", emit("subtract", exponent, form.mantissa), wide.mantissa), x.shape.element_type)
    y = emit("multiply", units, unit)
    if not form.saturates:
        beyond = np.inf if form.infinity is not None else np.nan
        y = emit.select(emit.compare("GT", y, form.greatest), beyond, y)
        y = emit.select(emit.compare("LT", y, -form.greatest), -beyond, y)
    if not form.negative_zero:
        y = emit.select(emit.compare("EQ", y, 0), 0, y)
    return y


def _nearest_power_of_two(emit: Emitter, x: HloInstruction) -> HloInstruction:
    """f8e8m0fnu: 2^-127 … 2^127 and NaN, for which negative numbers and zero stand too."""
    nearest = emit.convert(x, "f32")
    bits = emit.bits(nearest, "u32")
    if x.shape.element_type == "f64":  # towards zero, so that nothing is rounded twice
        above = emit.compare("GT", emit.convert(nearest, "f64"), x)
        bits = emit("subtract", bits, emit.convert(above, "u32"))
    # ties go up
    up = emit("and", emit("add", bits, 0x400000), 0xFF800000)
    # the least value, 2^-127, is a denormal of f32; everything above it goes up, as in XLA
    tiny = emit.compare("LE", bits, 0x400000)
    value = emit.select(tiny, 0x400000, up)
    too_small = emit.compare("LT", bits, 1)
    outside = emit("or", too_small, emit.compare("GE", bits, 0x7F400000))
    return emit.bits(emit.select(outside, 0x7FC00000, value), "f32")


def carried_values(array: np.ndarray, element_type: str) -> np.ndarray:
    """f32 values of an array of `element_type`, with what `from_bits` makes of NaN."""
    values = np.asarray(array, order="C").astype(np.float32)
    flat, nan = values.reshape(-1).view(np.uint32), np.isnan(values.reshape(-1))
    if not nan.any() or element_type == POWERS_OF_TWO:
        return values
    form = FORMATS.get(element_type)
    if form is not None and form.infinity is None:
        flat[nan] |= np.uint32(0 if form.negative_zero else 0xFFC00000)
        return values
    width, mantissa = (16, 7) if form is None else (form.bits, form.mantissa)
    words = np.asarray(array, order="C").reshape(-1).view(f"u{width // 8}").astype(np.uint32)
    payload = (words & np.uint32((1 << mantissa) - 1)) << np.uint32(23 - mantissa)
    flat[nan] = (words >> np.uint32(width - 1) << np.uint32(31) | np.uint32(0x7F800000) | payload)[nan]
    return values


def to_bits(emit: Emitter, x: HloInstruction, element_type: str) -> HloInstruction:
    """Bits (u16 for bf16, else u8) of f32 values that `element_type` represents exactly."""
    if element_type == "bf16" and _is_widened(x):
        return x.operands[0].operands[0].operands[0]
    bits = emit.bits(x, "u32")
    if element_type == "bf16":
        # reads its operand once, so that it fuses cheaply: the upper bits of a NaN are never an infinity's, which
        # arithmetic and `converted` see to
        return emit.convert(emit("shift-right-logical", bits, 16), "u16")
    if element_type == POWERS_OF_TWO:
        return emit.convert(emit("and", emit("shift-right-logical", bits, 23), 0xFF), "u8")
    form = FORMATS[element_type]
    exponent = _exponent(emit, x, form)
    units = emit.convert(emit("abs", _in_units(emit, x, exponent, form)), "u32")
    binade = emit("subtract", exponent, form.least_exponent + 127)
    code = emit("add", emit("shift-left", binade, form.mantissa), units)
    sign = emit("shift-left", emit("shift-right-logical", bits, 31), form.bits - 1)
    magnitude = emit("and", bits, 0x7FFFFFFF)
    if form.infinity is not None:
        code = emit.select(emit.compare("EQ", magnitude, 0x7F800000), form.infinity, code)
    if form.nan is not None:
        nan: HloInstruction | int = form.nan
        if form.infinity is not None:  # the payload, which is never empty: its upper bits say that it is quiet
            nan = emit("and", emit("shift-right-logical", magnitude, 23 - form.mantissa), (1 << form.mantissa) - 1)
            nan = emit("or", nan, form.infinity)
        code = emit.select(emit.compare("GT", magnitude, 0x7F800000), nan, code)
    if not form.negative_zero:
        sign = emit.select(emit.compare("EQ", code, 0), 0, sign)
    return emit.convert(emit("or", code, sign), "u8")


def _is_widened(x: HloInstruction) -> bool:
    """Whether `x` is what `from_bits` makes of bits of bf16."""
    opcodes = []
    for _ in range(3):
        opcodes.append(x.opcode)
        if not x.operands:
            return False
        x = x.operands[0]
    return opcodes == ["bitcast-convert", "shift-left", "convert"] and x.shape.element_type == "u16"


def from_bits(emit: Emitter, bits: HloInstruction, element_type: str) -> HloInstruction:
    """f32 values of bits (u16 for bf16, else u8)."""
    bits = emit.convert(bits, "u32")
    if element_type == "bf16":
        return emit.bits(emit("shift-left", bits, 16), "f32")
    if element_type == POWERS_OF_TWO:
        value = emit("maximum", emit("shift-left", bits, 23), 0x400000)
        return emit.bits(emit.select(emit.compare("EQ", bits, 0xFF), 0x7FC00000, value), "f32")
    form = FORMATS[element_type]
    code = emit("and", bits, (1 << (form.bits - 1)) - 1)
    binade = emit("shift-right-logical", code, form.mantissa)
    hidden = emit("shift-left", emit("minimum", binade, 1), form.mantissa)
    units = emit("or", emit("and", code, (1 << form.mantissa) - 1), hidden)
    exponent = emit("add", emit("maximum", binade, 1), form.least_exponent - 1 + 127 - form.mantissa)
    unit = emit.bits(emit("shift-left", exponent, 23), "f32")
    value = emit.bits(emit("multiply", emit.convert(units, "f32"), unit), "u32")
    if form.infinity is not None:
        value = emit.select(emit.compare("EQ", code, form.infinity), 0x7F800000, value)
        payload = emit("shift-left", emit("and", code, (1 << form.mantissa) - 1), 23 - form.mantissa)
        nan = emit("or", payload, 0x7F800000)
        value = emit.select(emit.compare("GT", code, form.infinity), nan, value)
    elif form.nan is not None and form.negative_zero:
        value = emit.select(emit.compare("EQ", code, form.nan), 0x7FC00000, value)
    sign = emit("shift-left", emit("shift-right-logical", bits, form.bits - 1), 31)
    value = emit("or", value, sign)
    if not form.negative_zero:
        # the one NaN has only the sign bit: in a total order it is below all numbers
        value = emit.select(emit.compare("EQ", bits, 1 << (form.bits - 1)), 0xFFC00000, value)
    return emit.bits(value, "f32")
