"""fft as dots and kernels against XLA (rule 53)."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import check, run_tvm
from tools.support.oracle import run_xla

from tests.support.rewritten import CARRIED, run_both
from tvm_hlo_frontend.hlo.ir.attributes import FftAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, array_shape
from tvm_hlo_frontend.rewrites.complex.types import split_complex
from tvm_hlo_frontend.rewrites.expansion import expanding
from tvm_hlo_frontend.rewrites.fourier.fft import EXPANSIONS

expand_fft = expanding(EXPANSIONS)
REAL = {"c64": "f32", "c128": "f64"}
# of the root mean square of the result
TOLERANCE = {"c64": 2e-6, "c128": 1e-14}

# (type, operand dimensions, lengths)
SHORT = [
    ("FFT", (2, 1), (1,)), ("FFT", (3, 2), (2,)), ("FFT", (3, 12), (12,)), ("FFT", (2, 16), (16,)),
    ("IFFT", (2, 10, 15), (10, 15)), ("IFFT", (2, 3, 4, 5), (3, 4, 5)), ("RFFT", (2, 6, 7, 9), (6, 7, 9)),
    ("IRFFT", (2, 6, 7, 5), (6, 7, 9)), ("IRFFT", (2, 6, 7, 5), (6, 7, 8)), ("IRFFT", (2, 1), (1,)),
    ("IRFFT", (2, 2), (2,)), ("FFT", (0, 8), (8,)),
]  # fmt: skip
LONG = {
    "c64": [
        ("FFT", (40, 17), (17,)), ("FFT", (5, 100), (100,)), ("FFT", (1024,), (1024,)), ("IFFT", (2, 323), (323,)),
        ("FFT", (2, 67, 19), (67, 19)), ("RFFT", (2, 45), (45,)), ("RFFT", (2, 134), (134,)),
        ("RFFT", (2, 22, 70), (22, 70)), ("IRFFT", (2, 23), (45,)), ("IRFFT", (2, 22, 36), (22, 70)),
        ("IRFFT", (2, 68), (134,)),
    ],
    "c128": [
        ("FFT", (2, 77), (77,)), ("IFFT", (256,), (256,)), ("IFFT", (2, 30, 45), (30, 45)), ("RFFT", (2, 134), (134,)),
        ("IRFFT", (2, 36), (70,)),
    ],
}  # fmt: skip


def operand(kind, element_type, dimensions, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=dimensions) + 1j * rng.normal(size=dimensions)
    name = REAL[element_type] if kind == "RFFT" else element_type
    return (values.real if kind == "RFFT" else values).astype(BY_NAME[name].numpy_dtype), name


def transforms(element_type, cases):
    builder, args, results = ComputationBuilder("main"), [], []
    for number, (kind, dimensions, lengths) in enumerate(cases):
        array, name = operand(kind, element_type, dimensions, number)
        x = builder.parameter(number, array_shape(name, dimensions))
        args.append(array)
        results.append(builder.add("fft", [x], None, FftAttributes(kind, lengths)))
    return module("transforms", builder.build(builder.add("tuple", results))), args


def compare(element_type, cases, got, wanted):
    for case, ours, theirs in zip(cases, got, wanted, strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        scale = np.sqrt(np.mean(np.abs(theirs) ** 2)) if theirs.size else 1.0
        assert np.abs(ours - theirs).max(initial=0) <= TOLERANCE[element_type] * scale, case


@pytest.mark.parametrize("element_type", ["c64", "c128"], ids=lambda name: f"rule_53-{name}")
def test_dots_of_every_type_and_length(element_type):
    """One element, and lengths of which the transform is a dot; 1 to 3 dimensions."""
    hlo, args = transforms(element_type, SHORT)
    compare(element_type, SHORT, *run_both(hlo, args, expand_fft, split_complex))


@pytest.mark.parametrize("element_type", ["c64", "c128"], ids=lambda name: f"rule_53-{name}")
def test_every_type_and_length(element_type):
    """Powers of two, products of small primes, small and large primes, along rows and columns; halves of real rows."""
    cases = LONG[element_type]
    hlo, args = transforms(element_type, cases)
    compare(element_type, cases, run_tvm(hlo, args), run_xla(hlo, args))


def test_small_transforms_are_one_dot():
    hlo, _ = transforms("c64", [("FFT", (5, 16), (16,))])
    new = split_complex(expand_fft(hlo, CARRIED), CARRIED)
    assert sum(instruction.opcode == "dot" for instruction in new.instructions) == 1


@pytest.mark.parametrize("length", [8, 32])
def test_imaginary_parts_that_irfft_ignores_rule_53(length):
    hlo, (spectrum,) = transforms("c64", [("IRFFT", (2, length // 2 + 1), (length,))])
    changed = spectrum.copy()
    changed[:, [0, length // 2]] += 100j
    (same,), (other,) = run_tvm(hlo, [spectrum]), run_tvm(hlo, [changed])
    assert np.abs(same - other).max() < 1e-4


def test_long_transforms_are_one_kernel():
    hlo, _ = transforms("c64", [("FFT", (5, 40), (40,))])
    new = split_complex(expand_fft(hlo, CARRIED), CARRIED)
    calls = [call.attributes.target for call in new.instructions if call.opcode == "custom-call"]
    assert calls == ["tvm_hlo.fft"]


def test_no_row_sees_what_is_in_another():
    hlo, (rows,) = transforms("c64", [("RFFT", (3, 64), (64,))])
    rows[1] = np.nan
    (got,) = run_tvm(hlo, [rows])
    assert np.isnan(got[1]).all() and np.isfinite(got[[0, 2]]).all()


def test_fft_in_tvm_rule_53():
    cases = [("FFT", (2, 12), (12,)), ("RFFT", (3, 14), (14,)), ("IRFFT", (2, 6, 5), (6, 8))]
    hlo, args = transforms("c64", cases)
    check(hlo, args, rtol=2e-6)
