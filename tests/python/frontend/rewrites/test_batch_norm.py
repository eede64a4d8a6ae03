"""batch-norm-inference, -training and -grad (rule 76) at any feature index."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import check, compare
from tools.support.oracle import run_xla

from tvm_hlo_frontend.hlo.ir.attributes import BatchNormAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape, tuple_shape
from tvm_hlo_frontend.rewrites.capabilities import Capabilities
from tvm_hlo_frontend.rewrites.expansion import expand
from tvm_hlo_frontend.rewrites.expansions.batch_norm import EXPANSIONS

SIZES = (3, 4, 5, 6)


def batch_norm(random, opcode, feature, element_type="f32"):
    builder = ComputationBuilder("main")
    big = array_shape(element_type, SIZES)
    vector = array_shape(element_type, (SIZES[feature],))
    parameters = {
        "batch-norm-inference": [big, vector, vector, vector, vector],
        "batch-norm-training": [big, vector, vector],
        "batch-norm-grad": [big, vector, vector, vector, big],
    }[opcode]
    shape = big if opcode == "batch-norm-inference" else tuple_shape(big, vector, vector)
    operands = [builder.parameter(number, part) for number, part in enumerate(parameters)]
    root = builder.add(opcode, operands, shape, BatchNormAttributes(2.0**-10, feature))
    dtype = big.numpy_dtype
    args = [np.abs(random.normal(size=part.dimensions)).astype(dtype) + 0.5 for part in parameters]
    args[0] = (random.normal(size=SIZES) + 3).astype(dtype)
    return module(opcode, builder.build(root)), args


@pytest.mark.parametrize("feature", [0, 1, 3])
@pytest.mark.parametrize("opcode", ["batch-norm-inference", "batch-norm-training", "batch-norm-grad"])
def test_rule_76(opcode, feature, random):
    hlo, args = batch_norm(random, opcode, feature)
    # XLA takes the variance as E[x^2] - E[x]^2, which cancels
    check(hlo, args, rtol=2e-5 if opcode == "batch-norm-training" else 2e-6)


@pytest.mark.parametrize("opcode", ["batch-norm-inference", "batch-norm-training", "batch-norm-grad"])
def test_rule_76_rewritten_on_xla(opcode, random):
    hlo, args = batch_norm(random, opcode, 2, "f64")
    expanded = expand(hlo, Capabilities(frozenset()), EXPANSIONS)
    compare(run_xla(expanded, args), run_xla(hlo, args), rtol=1e-13)


def test_rule_76_a_large_mean_does_not_cancel(random):
    hlo, args = batch_norm(random, "batch-norm-inference", 1)
    args[3] = np.full(4, 1e4, "float32")
    args[0] = args[0] + np.float32(1e4)
    wide = [arg.astype("float64") for arg in args]
    x, scale, offset, mean, variance = wide[0], *(v[:, None, None] for v in wide[1:])
    expected = ((x - mean) / np.sqrt(variance + 2.0**-10) * scale + offset).astype("float32")
    compare(check(hlo, args, rtol=1e-3), [expected], rtol=2e-6)
