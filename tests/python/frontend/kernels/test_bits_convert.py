"""convert between all pairs of types, bit by bit; all values of types of 16 bits and less."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import run_tvm
from tools.support.oracle import run_xla

from tests.support.bits_check import ANY_NAN, ANY_PAYLOAD, FLUSHED, assert_none, failures, is_float, is_subnormal
from tests.support.bits_values import every, special
from tests.support.elementwise_cases import Case, module_of
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME

INTEGERS = "s2 s4 s8 s16 s32 s64 u2 u4 u8 u16 u32 u64".split()
FLOATS = """
f16 bf16 f32 f64 f8e5m2 f8e4m3 f8e4m3fn f8e4m3b11fnuz f8e5m2fnuz f8e4m3fnuz f8e3m4 f8e8m0fnu f4e2m1fn
""".split()
ALL = ("pred", *INTEGERS, *FLOATS)
# all narrow types are read as f32 and written from it, so f32 with each and each with f32 is every way there is;
# the 16-bit types also take ways of their own
TARGETS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(FLOATS, ("f32", "f16", "s8")),
    "f32": tuple(kind for kind in ALL if kind != "f32"),
    "f16": ("f32", "f64", "bf16", "f8e5m2", "f8e4m3fn", "s8", "u16", "pred"),
    "bf16": ("f32", "f64", "f16", "f8e5m2", "f4e2m1fn", "s8", "u16", "pred"),
    "f64": ("f32", "f16", "bf16", "f8e4m3fn", "s64", "u64", "s4"),
    "s64": ("f32", "f64", "f16", "bf16", "s4", "u8"),
    "u64": ("f32", "f64", "s32", "f8e5m2"),
    "s4": ("f32", "u64", "pred"),
    "pred": ("f16", "f8e4m3fn", "u2"),
}
# (source, target) -> where XLA:CPU rounds twice, by way of f32: the target in which numpy rounds once
ROUNDED_ONCE = {("f64", "f16")}
# of XLA:CPU: its limit of s8, rounded to f4, is 6, and it takes that and more for too large
SATURATED_EARLY = {("f4e2m1fn", "s8")}
# sources whose modules are made and run together
GROUPS = (("f32",), ("f16", "bf16"), ("f64", "s64", "u64", "s4", "pred"), tuple(FLOATS[4:]))


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group[0])
def test_convert_to_every_type(group: tuple[str, ...]) -> None:
    cases = []
    for source in group:
        x = every(source) if BY_NAME[source].bits <= 16 and source != "pred" else special(source)
        cases += [Case(0, "convert", (x,), target) for target in TARGETS[source] if target != source]
    hlo, arguments = module_of(cases)
    lines = []
    for item, got, want in zip(cases, run_tvm(hlo, arguments), run_xla(hlo, arguments)):
        (x,) = item.operands
        source = next(kind for kind in group if BY_NAME[kind].numpy_dtype == x.dtype)
        # XLA:CPU gives one NaN of f8e5m2 for those of f16 and bf16 of either sign
        nan = ANY_NAN if got.dtype.itemsize == 1 else ANY_PAYLOAD
        left_open = frozenset({FLUSHED, nan}) if is_float(got) else frozenset({FLUSHED})
        name = f"convert {source}"
        if (source, item.result_type) in SATURATED_EARLY:
            lines += failures(name, [x], got, x.astype(np.float32).astype(got.dtype), of_xla=False)
        elif (source, item.result_type) not in ROUNDED_ONCE:
            lines += failures(name, [x], got, want, left_open)
        if is_float(x) and is_float(got) and x.dtype.itemsize > 1 and got.dtype.itemsize > 1:
            with np.errstate(all="ignore"):
                numbers = x if (source, item.result_type) in ROUNDED_ONCE else np.where(is_subnormal(x), x, 0)
                numbers = numbers.astype(x.dtype)
                exact = numbers.astype(got.dtype)
            kept = is_subnormal(x) | ((source, item.result_type) in ROUNDED_ONCE)
            lines += failures(name, [x[kept]], got[kept], exact[kept], left_open, of_xla=False)
    assert_none(lines)
