"""Element types, sizes and names of random programs, and how often each comes."""

from __future__ import annotations

from tvm_hlo_frontend.hlo.ir.shape import BY_NAME

# whole numbers up to here are numbers of the type, and so are their sums and products
LIMITS = {
    "f32": 2**23, "f64": 2**50, "f16": 2**11, "bf16": 2**8, "f8e4m3fn": 16, "f8e4m3b11fnuz": 16, "f8e4m3fnuz": 16,
    "f8e4m3": 16, "f8e3m4": 15, "f8e5m2": 8, "f8e5m2fnuz": 8, "f4e2m1fn": 4, "c64": 2**22, "c128": 2**50,
}  # fmt: skip
INTEGERS = ("s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64", "s4", "u4", "s2", "u2")
FLOATS = tuple(kind for kind in LIMITS if not kind.startswith("c"))
COMPLEX = ("c64", "c128")
# XLA:CPU computes sums of products in these
MULTIPLIED = ("f32", "f64", "f16", "bf16", "s8", "u8", "s32", "c64", "c128")
_WEIGHTS = {
    "f32": 10, "s32": 5, "pred": 2, "f64": 1, "s8": 2, "u8": 2, "s64": 1, "u32": 1, "s16": 1, "u16": 0.7, "u64": 0.7,
    "f16": 1.2, "bf16": 1.2, "s4": 0.3, "u4": 0.3, "s2": 0.15, "u2": 0.15, "f8e4m3fn": 0.2, "f8e5m2": 0.2,
    "f8e4m3b11fnuz": 0.1, "f8e4m3fnuz": 0.1, "f8e5m2fnuz": 0.1, "f8e4m3": 0.1, "f8e3m4": 0.1, "f4e2m1fn": 0.1,
    "c64": 0.7, "c128": 0.3,
}  # fmt: skip
TYPES, TYPE_WEIGHTS = tuple(_WEIGHTS), tuple(_WEIGHTS.values())
SIZES = (1, 2, 3, 4, 5, 7, 8, 16, 17, 33, 0)
SIZE_WEIGHTS = (4, 6, 6, 6, 4, 3, 4, 3, 2, 1, 0.3)
MAX_ELEMENTS = 4096
# legal in HLO: keywords of C and Python, what TVM and frameworks call things, and what only looks like that
NAMES = (
    "int", "for", "return", "default", "lambda", "main", "data", "compute", "T_add", "fused_add", "p0", "gv", "lv", "R",
    "x.1", "x.1.1", "add.3", "tvmgen_default_fused", "__tvm_main__", "vm", "Placeholder", "jit_f-1", "Arg_0.1", "A",
    "compute_red", "placeholder", "T", "float32", "inf", "nan", "NULL", "weight", "loop_body", "cast", "i0",
)  # fmt: skip


def is_unsigned(kind: str) -> bool:
    """Whether it has no negative numbers."""
    return BY_NAME[kind].kind == "unsigned"


def is_complex(kind: str) -> bool:
    """Whether its numbers are pairs."""
    return kind in COMPLEX


def is_float(kind: str) -> bool:
    """Whether its numbers are real and not all integers."""
    return BY_NAME[kind].kind == "float"


def comparison_of(kind: str) -> str:
    """How numbers of a type are compared."""
    return {"float": "FLOAT", "complex": "FLOAT", "signed": "SIGNED"}.get(BY_NAME[kind].kind, "UNSIGNED")


def greatest(kind: str) -> int:
    """The greatest whole number of a type, or up to which all are numbers of it."""
    if kind == "pred":
        return 1
    if kind in LIMITS:
        return LIMITS[kind]
    bits = BY_NAME[kind].bits
    return (1 << bits) - 1 if is_unsigned(kind) else (1 << (bits - 1)) - 1
