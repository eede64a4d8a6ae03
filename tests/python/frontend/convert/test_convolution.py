"""convolution: rules 49 to 52 of the contract (and 47, empty tensors), against XLA:CPU; and what it becomes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxlib import _hlo
from tools.support.compare import check, compare, run_tvm
from tvm import te

from tests.support.contraction_modules import CHANNELS_LAST, WIDTH_AND_HEIGHT_LAST, Contractions
from tests.support.dialect_marks import DIALECT
from tests.support.emitted import calls_of, code_of, compiled_kernel
from tests.support.reference_convolution import convolve
from tvm_hlo_frontend import from_hlo
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import WindowDimension as W
from tvm_hlo_frontend.hlo.proto.writer import to_proto
from tvm_hlo_frontend.kernels.spec import KernelSpec

SAME = [W(3, 1, 1, 1), W(3, 1, 1, 1)]
UNEVEN = [W(3, 2, 1, 1), W(2, 1, 0, 1)]
FIRST = WIDTH_AND_HEIGHT_LAST

LAYOUTS = {
    "rule_49-channels-first": dict(labels=FIRST, features=3, outputs=8, sizes=(9, 9), window=SAME),
    "rule_49-channels-last": dict(features=3, outputs=8, sizes=(9, 10), window=UNEVEN),
    "rule_49-mixed": dict(labels=("01bf", "1o0i", "f0b1"), features=3, outputs=4, sizes=(7, 8), window=UNEVEN),
    "rule_49-spatial-crossed": dict(
        labels=("b10f", "01io", "bf01"), features=3, outputs=4, sizes=(7, 8), window=UNEVEN
    ),
    "rule_49-1d": dict(
        labels=("b0f", "0io", "b0f"), features=4, outputs=8, sizes=(9,), window=[W(3, 2, 1, 1)]
    ),
    "rule_49-3d": dict(
        labels=("b012f", "012io", "b012f"), features=4, outputs=8, sizes=(5, 6, 7),
        window=[W(3, 1, 1, 1), W(2, 2), W(3)],
    ),
    "rule_49-4d": dict(
        labels=("b0123f", "0123io", "b0123f"), features=2, outputs=3, sizes=(3, 4, 5, 6),
        window=[W(2), W(2, 2), W(2, 1, 1, 1), W(3)],
    ),
    "rule_49-0d": dict(labels=("bf", "oi", "bf"), features=4, outputs=8, sizes=(), window=[]),
    "rule_49-1x1": dict(features=32, outputs=64, sizes=(8, 8), window=[W(1), W(1)]),
    "rule_49-1x1-strided": dict(features=32, outputs=64, sizes=(8, 8), window=[W(1, 2), W(1, 2)]),
    "rule_49-winograd-like": dict(labels=FIRST, features=32, outputs=32, sizes=(14, 14), window=SAME),
}  # fmt: skip
WINDOWS = {
    "rule_49-window-dilation": dict(features=4, outputs=8, sizes=(9, 9), window=[W(3, 1, 2, 2, 2), W(2, 1, 0, 0, 3)]),
    "rule_49-base-dilation": dict(
        features=4, outputs=8, sizes=(5, 5), window=[W(3, 1, 2, 2, 1, 2), W(3, 1, 1, 2, 1, 3)]
    ),
    "rule_49-reversal": dict(features=4, outputs=8, sizes=(5, 5), window=[W(3, 1, 1, 1, 1, 1, True), W(2)]),
    "rule_49-transposed-convolution": dict(
        features=4, outputs=8, sizes=(5, 5), window=[W(3, 1, 1, 2, 1, 2, True), W(3, 1, 2, 1, 1, 2, True)]
    ),
    "rule_49-both-dilations": dict(
        features=4, outputs=8, sizes=(5, 5), window=[W(2, 1, 1, 1, 2, 2), W(2, 2, 3, 0, 3, 2)]
    ),
    "rule_49-negative-high": dict(features=4, outputs=8, sizes=(9, 9), window=[W(3, 2, 1, -2), W(2, 1, 2, -1)]),
    "rule_49-large-window": dict(
        batch=8, features=20, outputs=3, sizes=(18, 18), window=[W(16, 1, 1, 1), W(16, 1, 0, 1)]
    ),
    "rule_49-large-window-dilated": dict(features=3, outputs=3, sizes=(27, 14), window=[W(12, 2, 1, 1, 2), W(12, 1)]),
    "rule_47-no-features": dict(features=0, outputs=3, sizes=(4, 4), window=[W(2), W(2)]),
    "rule_47-window-larger-than-data": dict(features=3, outputs=3, sizes=(4, 4), window=[W(5), W(2)]),
    "rule_47-padding-alone": dict(features=3, outputs=3, sizes=(0, 4), window=[W(2, 1, 2, 1), W(2)]),
}
GROUPS = {
    "rule_50-depthwise": dict(features=16, outputs=16, sizes=(9, 9), window=SAME, groups=16),
    "rule_50-depthwise-multiplier": dict(features=8, outputs=24, sizes=(9, 9), window=SAME, groups=8),
    "rule_50-groups": dict(features=16, outputs=32, sizes=(9, 9), window=SAME, groups=4),
    "rule_50-groups-first": dict(labels=FIRST, features=16, outputs=16, sizes=(9, 9), window=SAME, groups=4),
    "rule_50-groups-dilated": dict(
        labels=FIRST, features=16, outputs=16, sizes=(9, 9), window=[W(3, 1, 2, 2, 2), W(3, 1, 2, 2, 2)], groups=4
    ),
    "rule_50-depthwise-dilated": dict(
        labels=FIRST, features=16, outputs=16, sizes=(9, 9), window=[W(3, 1, 2, 2, 2), W(3, 1, 2, 2, 2)], groups=16
    ),
    "rule_50-1d-groups": dict(
        labels=("bf0", "oi0", "bf0"), features=4, outputs=8, sizes=(9,), window=[W(3, 2, 1, 1, 2)], groups=2
    ),
    "rule_50-3d-groups": dict(
        labels=("b012f", "012io", "b012f"), features=4, outputs=8, sizes=(5, 6, 7),
        window=[W(3, 1, 1, 1), W(2, 2), W(3, 1, 1, 1, 2)], groups=2,
    ),
    "rule_50-3d-depthwise": dict(
        labels=("bf012", "oi012", "bf012"), features=4, outputs=8, sizes=(5, 6, 7), window=[W(3, 1, 1, 1)] * 3, groups=4
    ),
    "rule_50-0d-groups": dict(labels=("bf", "oi", "bf"), features=4, outputs=8, sizes=(), window=[], groups=2),
    "rule_50-groups-transposed": dict(
        features=4, outputs=8, sizes=(5, 5), window=[W(3, 1, 1, 2, 1, 3), W(2, 1, 2, 1, 1, 2, True)], groups=2
    ),
    "rule_51-batch-groups": dict(batch=4, features=6, outputs=8, sizes=(7, 7), window=SAME, batch_groups=2),
    "rule_51-all-batch": dict(batch=4, features=6, outputs=8, sizes=(7, 7), window=SAME, batch_groups=4),
    "rule_51-one-feature": dict(batch=6, features=1, outputs=6, sizes=(7, 7), window=SAME, batch_groups=6),
}  # fmt: skip
TYPES = {
    "rule_49-f64": dict(kind="f64", features=3, outputs=8, sizes=(9, 10), window=UNEVEN),
    "rule_49-f16-to-f32": dict(kind="f16", result="f32", features=3, outputs=8, sizes=(9, 10), window=UNEVEN),
    "rule_52-s8-wraps": dict(kind="s8", features=3, outputs=8, sizes=(9, 10), window=UNEVEN),
    "rule_52-s8-to-s32": dict(kind="s8", result="s32", features=3, outputs=8, sizes=(9, 10), window=UNEVEN),
    "rule_52-u8-batch-groups": dict(
        kind="u8", batch=4, features=4, outputs=8, sizes=(9, 10), batch_groups=2,
        window=[W(3, 2, 1, 1), W(2, 1, 0, 1, 2)],
    ),
    "rule_52-s32-groups-transposed": dict(
        kind="s32", labels=FIRST, features=4, outputs=8, sizes=(9, 10), groups=2,
        window=[W(3, 2, 1, 1), W(2, 1, 0, 1, 1, 2, True)],
    ),
    "rule_52-u32": dict(kind="u32", features=3, outputs=8, sizes=(9, 16), window=SAME),
    "rule_52-s64": dict(kind="s64", labels=FIRST, features=4, outputs=8, sizes=(4, 5), window=UNEVEN),
}  # fmt: skip
NEGATIVE_LOW = {
    "rule_49-negative-low": dict(features=4, outputs=8, sizes=(9, 9), window=[W(3, 1, -2, 1), W(2, 2, 1, -1)]),
    "rule_49-negative-both": dict(features=4, outputs=8, sizes=(9, 9), window=[W(3, 1, -2, -1), W(2, 1, -1, -1)]),
    "rule_49-negative-low-in-holes": dict(
        features=4, outputs=4, sizes=(6, 6), window=[W(3, 1, -3, 0, 1, 2), W(2, 1, -1, -2, 1, 3, True)]
    ),
    "rule_52-negative-low": dict(
        kind="s32", features=4, outputs=4, sizes=(6, 6), window=[W(3, 1, -3, 0, 1, 2), W(2, 1, -1, -2)]
    ),
    "rule_50-negative-low": dict(
        labels=FIRST, features=4, outputs=8, sizes=(9, 9), window=[W(3, 2, -2, 1), W(2, 2, 1, -1)], groups=2
    ),
}


def collect(cases, seed: int = 0) -> Contractions:
    made = Contractions(seed)
    for case in cases:
        made.convolution(**case)
    return made


@pytest.mark.parametrize("cases", [LAYOUTS, WINDOWS], ids=["rule_49 layouts", "rule_49 rule_47 windows"])
def test_float(cases):
    """Every case of the table in one module; a failure names the instruction."""
    made = collect(cases.values())
    check(made.module(), made.arguments, rtol=2e-5)


def test_rule_50_rule_51_groups_with_plain_relay_build():
    """At opt_level 3, where TVM's layout and Winograd rewrites run."""
    made = collect(GROUPS.values(), seed=1)
    check(made.module(), made.arguments, rtol=2e-5, plain=True)


def test_rule_49_rule_50_rule_52_element_types():
    made = collect(TYPES.values())
    check(made.module(), made.arguments, rtol=2e-5)


def test_rule_49_square_kernels_of_crossed_dimensions():
    """No size tells one spatial dimension from the other."""
    crossed = [("b10f", "01io", "b01f"), ("b01f", "10io", "b01f"), ("bf01", "oi01", "bf10"), ("bf10", "oi10", "bf01")]
    window = [W(3, 1, 1, 1), W(3, 1, 1, 1)]
    made = collect(dict(labels=labels, features=3, outputs=4, sizes=(6, 6), window=window) for labels in crossed)
    check(made.module(), made.arguments, rtol=2e-5)


@pytest.mark.parametrize(("batch", "outputs"), [(2, 2), (4, 1), (4, 3), (8, 2), (8, 3)])
def test_rule_49_one_position_of_few_outputs(batch, outputs):
    """Loops over one position must not vanish: what belongs to a position would be done once for all images."""
    text = f"""HloModule one\nENTRY main {{ x = f32[{batch},2,3] parameter(0) k = f32[2,{outputs},3] parameter(1)
      ROOT r = f32[{batch},{outputs},1] convolution(x, k), window={{size=3}}, dim_labels=bf0_io0->bf0 }}"""
    generator = np.random.default_rng(0)
    shapes = ((batch, 2, 3), (2, outputs, 3))
    hlo = _hlo.hlo_module_from_text(text).as_serialized_hlo_module_proto()
    check(hlo, [generator.normal(size=shape).astype("float32") for shape in shapes], rtol=1e-5)


def test_half_precision():
    """Sums are f32 and rounded once: XLA's sum may stand on the other side of a rounding, by one unit."""
    made = collect([dict(kind="f16", features=3, outputs=8, sizes=(9, 10), window=UNEVEN)])
    check(made.module(), made.arguments, rtol=1e-3)


def against_reference(made: Contractions) -> None:
    built = made.module()
    wanted = []
    for index, instruction in enumerate(built.entry.root.operands):
        wanted.append(convolve(*made.arguments[2 * index : 2 * index + 2], instruction))
    compare(run_tvm(built, made.arguments), wanted, rtol=2e-5)


def test_rule_49_negative_low_padding():
    """XLA:CPU reads out of bounds here (xla#48713), so the reference is our own."""
    against_reference(collect(NEGATIVE_LOW.values()))


@st.composite
def convolutions(draw):
    """Windows, groups and layouts of every kind in small sizes."""
    rank = draw(st.integers(1, 3))
    spatial = "012"[:rank]
    labels = tuple("".join(draw(st.permutations(part + spatial))) for part in ("bf", "io", "bf"))
    window = []
    for _ in range(rank):
        size, factor, padding = st.integers(1, 3), st.integers(1, 2), st.integers(-1, 2)
        window.append(W(*map(draw, (size, factor, padding, padding, factor, factor, st.booleans()))))
    groups, batch_groups = draw(st.sampled_from([(1, 1), (2, 1), (4, 1), (1, 2)]))
    return dict(
        labels=labels, window=window, sizes=[draw(st.integers(1, 5)) for _ in range(rank)], batch=2, features=4,
        outputs=4 * draw(st.integers(1, 2)), groups=groups, batch_groups=batch_groups,
        kind=draw(st.sampled_from(["f32", "s32"])),
    )  # fmt: skip


@settings(max_examples=2, deadline=None, derandomize=True, database=None)
@given(st.lists(convolutions(), min_size=10, max_size=10))
def test_any_window(cases):
    against_reference(collect(cases))


CONVOLUTION = {"relay": "nn.conv2d", "relax": "convolution"}[DIALECT]
# of outputs that fill vectors: weights in panels first
FULL = {"relay": ["nn.conv2d"], "relax": ["weight_panels", "convolution_channels_last"]}[DIALECT]


def calls(**case) -> list[str]:
    return calls_of(mod_and_params(from_hlo(to_proto(collect([case]).module())))[0])


@pytest.mark.parametrize(
    ("outputs", "first", "last"),
    [(16, 0 if DIALECT == "relay" else 3, 3 if DIALECT == "relay" else 0), (3, 0, 3)],
)
def test_operands_are_transposed_where_the_layout_is_another(outputs, first, last):
    convolution = FULL if outputs == 16 else [CONVOLUTION]
    for labels, transposes in ((FIRST, first), (CHANNELS_LAST, last)):
        found = calls(labels=labels, features=16, outputs=outputs, sizes=(9, 9), window=SAME)
        assert sorted(found) == sorted([*convolution, *["transpose"] * transposes])


def test_depthwise_convolution_has_a_kernel_of_its_own():
    found = calls(labels=CHANNELS_LAST, features=16, outputs=16, sizes=(9, 9), window=SAME, groups=16)
    assert [name for name in found if name != "transpose"] == [
        {"relay": "nn.conv2d", "relax": "depthwise_channels_last"}[DIALECT]
    ]


def test_weight_gradient_is_products():
    """A window as large as the data: schedules of convolutions would unroll it."""
    found = calls(labels=FIRST, features=8, outputs=8, sizes=(30, 30), window=[W(28), W(28)])
    assert CONVOLUTION not in found and found.count("nn.dense" if DIALECT == "relay" else "dot") == 9


@pytest.mark.parametrize("target", ["c", "llvm -mtriple=aarch64-linux-gnu"])
@pytest.mark.parametrize("rank", [0, 2, 3])
def test_code_for_target(rank, target):
    spec = KernelSpec(
        "convolution",
        {
            "stride": [1] * rank, "low": [1] * rank, "window_dilation": [2] * rank, "base_dilation": [2] * rank,
            "groups": 2, "accumulator": "int32",
        },
    )  # fmt: skip
    inputs = [te.placeholder((2, 4, *(5,) * rank), "int8"), te.placeholder((6, 2, *(2,) * rank), "int8")]
    assert code_of(compiled_kernel(spec, inputs, [((2, 6, *(9,) * rank), "int8")], target))


def test_reference_is_the_textbook():
    """The reference itself, on a case that numpy can say in one line."""
    made = collect([dict(labels=("bf0", "oi0", "bf0"), batch=1, features=1, outputs=1, sizes=(6,), window=[W(3)])])
    instruction = made.module().entry.root.operands[0]
    (data, kernel) = made.arguments
    wanted = np.correlate(data[0, 0], kernel[0, 0], "valid")
    np.testing.assert_allclose(convolve(data, kernel, instruction)[0, 0], wanted, rtol=1e-5, atol=1e-6)
