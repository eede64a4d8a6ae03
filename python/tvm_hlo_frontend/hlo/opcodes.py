"""The 136 opcodes of XLA (xla/hlo/ir/hlo_opcode.h) and the retired ones that old protos may still hold."""

from __future__ import annotations

OPCODES: tuple[str, ...] = tuple(
    """
abs acos acosh add add-dependency after-all all-gather all-gather-done all-gather-start all-reduce
all-reduce-done all-reduce-start all-to-all and asin asinh async-done async-start async-update atan atan2
atanh batch-norm-grad batch-norm-inference batch-norm-training bitcast bitcast-convert broadcast call cbrt
ceil cholesky clamp collective-broadcast collective-permute collective-permute-done collective-permute-start
collective-reduce compare complex concatenate conditional constant convert convolution copy copy-done copy-start
cosine cosh count-leading-zeros custom-call divide domain dot dynamic-reshape dynamic-slice dynamic-update-slice
erf exponential exponential-minus-one fft floor fusion gather get-dimension-size get-tuple-element imag infeed
iota is-finite log log-plus-one logistic map maximum minimum mulhi multiply negate not opt-barrier or outfeed
pad parameter partition-id popcnt power ragged-all-to-all ragged-dot real recv recv-done reduce reduce-precision
reduce-scatter reduce-window remainder replica-id reshape reverse rng rng-bit-generator
rng-get-and-update-state round-nearest-afz round-nearest-even rsqrt scaled-dot scan scatter select
select-and-scatter send send-done set-dimension-size shift-left shift-right-arithmetic shift-right-logical
shuffle sign sine sinh slice sort sqrt stochastic-convert subtract tan tanh topk transpose triangular-solve
tuple while xor
""".split()
)

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

ELEMENTWISE_UNARY: tuple[str, ...] = tuple(
    """
abs acos acosh asin asinh atan atanh cbrt ceil cosine cosh count-leading-zeros erf exponential
exponential-minus-one floor imag is-finite log log-plus-one logistic negate not popcnt real
round-nearest-afz round-nearest-even rsqrt sign sine sinh sqrt tan tanh
""".split()
)
ELEMENTWISE_BINARY: tuple[str, ...] = tuple(
    """
add and atan2 complex divide maximum minimum mulhi multiply or power remainder shift-left
shift-right-arithmetic shift-right-logical subtract xor
""".split()
)
# opcodes whose result at an index depends on the operands at that index alone
ELEMENTWISE: frozenset[str] = frozenset(
    (*ELEMENTWISE_UNARY, *ELEMENTWISE_BINARY, "compare", "select", "clamp", "convert", "reduce-precision")
)
