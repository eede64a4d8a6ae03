"""Rules 48 to 53: dot, convolution, fft."""

from __future__ import annotations

from .model import Break, Rule

CONVOLUTION_TYPES = ("test_convolution.py::test_rule_49_rule_50_rule_52_element_types",)
WINDOWS = ("test_convolution.py::test_float[rule_49 rule_47 windows]",)

RULES = (
    Rule(48, "dot: batch, lhs free, rhs free dimensions; contracting ones in pairs; operands are widened first", (
        Break(
            "arrangements",
            "pairs = sorted(zip(numbers.lhs_contracting, numbers.rhs_contracting))",
            "pairs = list(zip(sorted(numbers.lhs_contracting), sorted(numbers.rhs_contracting)))",
            ("test_dot.py::test_rule_48_dimensions",),
        ),
        Break(
            "accumulator_type",
            '    if BY_NAME[result].kind != "float":\n        return result',
            '    if BY_NAME[result].kind != "float":\n        return lhs',
            ("test_dot.py::test_rule_48_rule_12_element_types[build]",),
        ),
        Break(
            "Arrangement.free_first",
            "        return (*self.batch, *self.free, *self.contracting)",
            "        return (*sorted(self.batch), *self.free, *self.contracting)",
            ("test_dot.py::test_rule_48_dimensions",),
        ),
    )),
    Rule(49, "convolution: zero padding, also negative; dilation of both sides; reversal; any layout", (
        Break(
            "with_reversals",
            "if w.window_reversal and w.size > 1]",
            "if w.window_reversal and w.size > 9]",
            WINDOWS,
        ),
        Break(
            "padded",
            '"interior": [0, 0, *(w.base_dilation - 1 for w in windows)]',
            '"interior": [0, 0, *(0 for w in windows)]',
            WINDOWS,
        ),
        Break(
            "padded",
            '{"low": [0, 0, *(w.padding_low for w in windows)]',
            '{"low": [0, 0, *(max(w.padding_low, 0) for w in windows)]',
            ("test_convolution.py::test_rule_49_negative_low_padding",),
        ),
        Break(
            "convolution_spec",
            '"window_dilation": [w.window_dilation for w in windows]',
            '"window_dilation": [1 for w in windows]',
            CONVOLUTION_TYPES,
        ),
        Break(
            "channels_first._positions",
            "(numbers.kernel_output_feature, numbers.kernel_input_feature, *numbers.kernel_spatial)",
            "(numbers.kernel_output_feature, numbers.kernel_input_feature, *sorted(numbers.kernel_spatial))",
            ("test_convolution.py::test_rule_49_square_kernels_of_crossed_dimensions",),
        ),
    )),
    Rule(50, "feature groups: the features of a group are neighbours, in and out", (
        Break(
            "convolution.convolution",
            "c = channel if groups == 1 else tir.indexdiv(o, outputs) * channels + channel",
            "c = channel if groups == 1 else tir.indexmod(o, groups) * channels + channel",
            CONVOLUTION_TYPES,
        ),
        Break(
            "convolution.convolution",
            "c = channel if groups == 1 else tir.indexdiv(o, outputs) * channels + channel",
            "c = channel if groups == 1 else tir.indexdiv(o, outputs) + channel * groups",
            CONVOLUTION_TYPES,
        ),
    )),
    Rule(51, "batch groups: output features of group g see block g of the batch", (
        Break(
            "batch_groups_as_features",
            "    blocks = ctx.dialect.transpose(blocks, (1, 0, *range(2, blocks.rank)))\n",
            "",
            ("test_convolution.py::test_rule_50_rule_51_groups_with_plain_relay_build",),
        ),
    )),
    Rule(52, "convolutions of integers wrap", (
        Break(
            "accumulator_type",
            '    if BY_NAME[result].kind != "float":\n        return result',
            '    if BY_NAME[result].kind != "float":\n        return "f64"',
            CONVOLUTION_TYPES,
        ),
    )),
    Rule(53, "fft over the last dimensions; IFFT and IRFFT divide by the length; RFFT has n/2+1 results", (
        Break(
            "fft._expand",
            'return emit("complex", *(emit("multiply", part, factor) for part in _all_axes(emit, z, axes, 1)))',
            'return emit("complex", *_all_axes(emit, z, axes, 1))',
            ("test_fft.py::test_dots_of_every_type_and_length[rule_53-c64]",),
        ),
        Break(
            "_hermitian",
            'return emit.concatenate([part, emit("negate", tail) if negative else tail], axis)',
            "return emit.concatenate([part, tail], axis)",
            ("test_fft.py::test_fft_in_tvm_rule_53",),
        ),
        Break(
            "fft._expand",
            "axes = range(x.shape.rank - len(lengths), x.shape.rank)",
            "axes = range(x.shape.rank - 1, x.shape.rank)",
            ("test_fft.py::test_dots_of_every_type_and_length[rule_53-c64]",),
        ),
    )),
)  # fmt: skip
