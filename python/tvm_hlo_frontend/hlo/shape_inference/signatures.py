"""How many operands and called computations each opcode has, and which attributes."""

from __future__ import annotations

from ..ir import attributes as attr
from ..opcodes import ELEMENTWISE_BINARY, ELEMENTWISE_UNARY, OPCODES

_ANY = 1 << 40

# opcode -> least and greatest number of operands; opcodes not listed take any number
OPERAND_COUNTS: dict[str, tuple[int, int]] = {
    **{opcode: (1, 1) for opcode in ELEMENTWISE_UNARY},
    **{opcode: (2, 2) for opcode in ELEMENTWISE_BINARY},
    **dict.fromkeys(
        """parameter constant iota partition-id replica-id rng-get-and-update-state""".split(),
        (0, 0),
    ),
    **dict.fromkeys(
        """all-gather-done all-reduce-done async-done async-update bitcast bitcast-convert broadcast cholesky
        collective-permute-done convert copy copy-done copy-start domain fft get-dimension-size get-tuple-element infeed
        opt-barrier recv recv-done reduce-precision reshape reverse rng-bit-generator send-done shuffle slice topk
        transpose while""".split(),
        (1, 1),
    ),
    **dict.fromkeys(
        """add-dependency compare convolution outfeed pad send set-dimension-size stochastic-convert
        triangular-solve""".split(),
        (2, 2),
    ),
    **dict.fromkeys("batch-norm-training clamp ragged-dot select select-and-scatter".split(), (3, 3)),
    **dict.fromkeys("batch-norm-grad batch-norm-inference".split(), (5, 5)),
    "gather": (2, 2),
    "dot": (2, 2),
    "ragged-all-to-all": (6, 6),
    "rng": (2, 2),
    "scaled-dot": (4, 4),
    "conditional": (2, _ANY),
    "concatenate": (1, _ANY),
    "dynamic-slice": (1, _ANY),
    "dynamic-update-slice": (2, _ANY),
    "dynamic-reshape": (1, _ANY),
    "map": (0, _ANY),
    "reduce": (2, _ANY),
    "reduce-window": (2, _ANY),
    "scatter": (3, _ANY),
    "sort": (1, _ANY),
}

# opcode -> least and greatest number of called computations; opcodes not listed call none
CALLED_COUNTS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(
        """all-reduce all-reduce-start async-start call collective-reduce fusion map reduce reduce-scatter reduce-window
        scan scatter sort""".split(),
        (1, 1),
    ),
    "async-done": (0, 1),
    "async-update": (0, 1),
    "conditional": (1, _ANY),
    "custom-call": (0, _ANY),
    "select-and-scatter": (2, 2),
    "topk": (0, 1),
    "while": (2, 2),
}

# opcode -> type of its attributes; opcodes not listed have none
ATTRIBUTE_TYPES: dict[str, type] = {
    "parameter": attr.ParameterAttributes,
    "constant": attr.ConstantAttributes,
    "get-tuple-element": attr.TupleIndexAttributes,
    **dict.fromkeys(
        """broadcast transpose reverse concatenate reduce map iota set-dimension-size get-dimension-size""".split(),
        attr.DimensionsAttributes,
    ),
    "compare": attr.CompareAttributes,
    "slice": attr.SliceAttributes,
    "pad": attr.PadAttributes,
    "reduce-window": attr.WindowAttributes,
    "select-and-scatter": attr.WindowAttributes,
    "dot": attr.DotAttributes,
    "scaled-dot": attr.DotAttributes,
    "ragged-dot": attr.RaggedDotAttributes,
    "convolution": attr.ConvolutionAttributes,
    **dict.fromkeys("batch-norm-inference batch-norm-training batch-norm-grad".split(), attr.BatchNormAttributes),
    "reduce-precision": attr.ReducePrecisionAttributes,
    "dynamic-slice": attr.DynamicSliceAttributes,
    "gather": attr.GatherAttributes,
    "scatter": attr.ScatterAttributes,
    "sort": attr.SortAttributes,
    "topk": attr.TopKAttributes,
    "fft": attr.FftAttributes,
    "cholesky": attr.CholeskyAttributes,
    "triangular-solve": attr.TriangularSolveAttributes,
    "fusion": attr.FusionAttributes,
    "call": attr.CallAttributes,
    "custom-call": attr.CustomCallAttributes,
    "rng": attr.RngAttributes,
    "rng-bit-generator": attr.RngBitGeneratorAttributes,
    "rng-get-and-update-state": attr.RngStateAttributes,
    **dict.fromkeys(
        """all-gather all-gather-start all-reduce all-reduce-start all-to-all collective-broadcast collective-permute
        collective-permute-start collective-reduce ragged-all-to-all reduce-scatter""".split(),
        attr.CollectiveAttributes,
    ),
    "scan": attr.ScanAttributes,
    **dict.fromkeys("async-start async-update async-done".split(), attr.AsyncAttributes),
}

_tables = (OPERAND_COUNTS, CALLED_COUNTS, ATTRIBUTE_TYPES)
assert all(opcode in OPCODES for table in _tables for opcode in table)
