"""fft as dots: the rewritten module on XLA against the original, then a sample in TVM (rule 53)."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import check

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
CASES = [
    ("FFT", (2, 1), (1,)), ("FFT", (3, 2), (2,)), ("FFT", (3, 12), (12,)), ("FFT", (2, 64), (64,)),
    ("FFT", (2, 67), (67,)), ("FFT", (2, 100), (100,)), ("FFT", (2, 211), (211,)), ("FFT", (1024,), (1024,)),
    ("FFT", (2018,), (2018,)), ("IFFT", (2, 30, 45), (30, 45)), ("IFFT", (2, 3, 4, 5), (3, 4, 5)),
    ("RFFT", (2, 6, 7, 9), (6, 7, 9)), ("RFFT", (2, 512), (512,)), ("IRFFT", (2, 6, 7, 5), (6, 7, 9)),
    ("IRFFT", (2, 6, 7, 5), (6, 7, 8)), ("IRFFT", (2, 257), (512,)), ("IRFFT", (2, 1), (1,)), ("IRFFT", (2, 2), (2,)),
    ("FFT", (0, 8), (8,)),
]  # fmt: skip


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


@pytest.mark.parametrize("element_type", ["c64", "c128"], ids=lambda name: f"rule_53-{name}")
def test_every_type_and_length(element_type):
    """One element, powers of two, composite, small and large primes; 1 to 3 dimensions."""
    hlo, args = transforms(element_type, CASES)
    got, wanted = run_both(hlo, args, expand_fft, split_complex)
    for case, ours, theirs in zip(CASES, got, wanted):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        scale = np.sqrt(np.mean(np.abs(theirs) ** 2)) if theirs.size else 1.0
        assert np.abs(ours - theirs).max(initial=0) <= TOLERANCE[element_type] * scale, case


def test_small_transforms_are_one_dot():
    hlo, _ = transforms("c64", [("FFT", (5, 32), (32,))])
    new = split_complex(expand_fft(hlo, CARRIED), CARRIED)
    assert sum(instruction.opcode == "dot" for instruction in new.instructions) == 1


def test_imaginary_parts_that_irfft_ignores_rule_53():
    hlo, (spectrum,) = transforms("c64", [("IRFFT", (2, 5), (8,))])
    changed = spectrum.copy()
    changed[:, [0, 4]] += 100j
    (same,), _ = run_both(hlo, [spectrum], expand_fft, split_complex)
    (other,), _ = run_both(hlo, [changed], expand_fft, split_complex)
    assert np.abs(same - other).max() < 1e-4


def test_fft_in_tvm_rule_53():
    cases = [("FFT", (2, 100), (100,)), ("RFFT", (3, 48), (48,)), ("IRFFT", (2, 6, 5), (6, 8))]
    hlo, args = transforms("c64", cases)
    check(hlo, args, rtol=2e-6)
