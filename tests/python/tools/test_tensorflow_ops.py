"""The table of TensorFlow's operations: a sample of its cases, and what the comparison catches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from tools.support.outcome import PASS, WRONG
from tools.tensorflow_ops.case import Case, op_case
from tools.tensorflow_ops.report import to_markdown
from tools.tensorflow_ops.run import AS_XLA, BROKEN, NOT_RUN, distribution_faults, run_case, verdict
from tools.tensorflow_ops.table import load_cases

DOCS = Path(__file__).resolve().parents[3] / "docs"
# one of each kind of case; XlaSetBound makes a custom-call to "SetBound"
SAMPLE = [
    *("BatchMatMulV3", "ConcatOffset", "FusedBatchNormV3", "MaxPoolGradGrad", "MirrorPadGrad", "Cumprod"),
    *("ResourceApplyAdam", "ResourceScatterNdUpdate", "StackPopV2", "SymbolicGradient", "TensorListPopBack"),
    *("StatefulUniformInt", "UniformQuantizedDot", "XlaSetBound", "XlaVariadicReduceV2"),
]


@pytest.fixture(scope="module")
def table():
    return load_cases()


@pytest.mark.parametrize("op", SAMPLE)
def test_a_sample_of_operations_is_equal(table, op):
    outcome = run_case(table[op])
    assert outcome.status in (PASS, AS_XLA), outcome.message


def test_stateless_random_numbers_are_those_of_xla(table):
    assert run_case(table["StatelessRandomNormal"]).status == AS_XLA


def test_what_xla_does_not_run_is_told_apart(table):
    outcome = run_case(table["XlaSend"])
    assert outcome.status == NOT_RUN and "send" in outcome.message


def test_cases_hold_the_operation_that_they_are_about():
    outcome = run_case(Case("Tanh", lambda x: x + 1.0, (np.ones(3, np.float32),)))
    assert outcome.status == BROKEN and "no node of Tanh" in outcome.message


def test_verdicts():
    case, right = op_case("Abs", np.ones(3, np.float32)), [np.arange(3, dtype=np.float32)]
    other = [right[0] + 1]
    assert verdict(case, right, (right, []), (other, []), [])[0] == PASS
    assert verdict(case, right, (other, []), (right, []), [])[0] == AS_XLA
    assert verdict(case, right, None, (right, []), [])[0] == AS_XLA
    assert verdict(case, right, (other, []), (other, []), [])[0] == WRONG
    assert verdict(case, right, (right[:0], right), (right[:0], right), [0])[0] == PASS


def test_distributions():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(2, 1000))
    assert not distribution_faults(0, normal, rng.normal(size=(2, 1000)))
    assert distribution_faults(0, normal + 0.3, normal)
    assert distribution_faults(0, np.repeat(normal[:, :500], 2, axis=1), normal)
    assert distribution_faults(0, normal[:, :5], normal[:, :5])


def test_the_table_is_current():
    data = json.loads((DOCS / "tensorflow_ops.json").read_text(encoding="utf-8"))
    assert to_markdown(data) == (DOCS / "tensorflow_ops.md").read_text(encoding="utf-8")
    assert sorted(data["operations"]) == sorted(load_cases())
