"""The table of torchax's operators: what its verdicts tell apart, and that it is current."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # its import needs what import_torchax does
    pytest.skip("torchax is not installed", allow_module_level=True)

from tools.support.outcome import Outcome  # noqa: E402
from tools.torchax_ops import run  # noqa: E402
from tools.torchax_ops.report import headline, summary, to_markdown  # noqa: E402
from tools.torchax_ops.samples import Sample, evenly  # noqa: E402

from tvm_hlo_frontend.frameworks import torchax_bridge  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
DOCS = Path(__file__).resolve().parents[3] / "docs"
X = torch.linspace(-1, 1, 6).reshape(2, 3)


def sample(operator, *arguments, dtype="float32", **options):
    return Sample(operator, (arguments, options), dtype)


def statuses(samples):
    return [status for _, (status, _) in run.verdicts(samples)]


def test_samples_of_one_module_are_judged_one_by_one(monkeypatch):
    right = [sample(torch.add, X, 2.0), sample(torch.split, X, 1, dim=1), sample(torch.sin, X)]
    assert statuses(right) == [run.RIGHT] * 3
    lowerings = {**torchax_bridge._own_lowerings(), torch.ops.aten.sin.default: lambda x: x * 0.9}
    monkeypatch.setattr(torchax_bridge, "_own_lowerings", lambda: lowerings)
    (_, (status, message)), *_ = run.verdicts(right[2:])
    assert status == run.WRONG and "result 0 at [0, 0]" in message and "arguments float32[2, 3]" in message


def test_one_that_fails_is_told_apart_from_the_others():
    assert statuses([sample(torch.add, X, 2.0), sample(torch.nonzero, X)]) == [run.RIGHT, run.NOT_LOWERED]
    assert statuses([sample(torch.bernoulli, X.abs())]) == [run.RANDOM]
    assert statuses([sample(torch.allclose, X, X)]) == [run.NOT_TRACEABLE]
    assert statuses([sample(torch.nn.functional.linear, X, X[:, :1])]) == [run.NO_REFERENCE]


def test_what_is_not_unique_is_compared_by_what_all_have():
    turned = sample(torch.linalg.svd, X, full_matrices=False)
    got = [-np.linalg.svd(X.numpy(), full_matrices=False)[0], *np.linalg.svd(X.numpy(), full_matrices=False)[1:]]
    wanted = list(torch.linalg.svd(X, full_matrices=False))
    assert run.judged(turned, got, wanted)[0] == run.WRONG
    magnitudes = Sample(turned.operator, turned.arguments, "float32", lambda usv: (usv[0].abs(), usv[1], usv[2].abs()))
    assert run.judged(magnitudes, got, wanted)[0] == run.RIGHT


def test_an_operator_has_the_worst_status_of_its_samples():
    right, wrong = run.summary([(run.RIGHT, "")] * 2), run.summary([(run.RIGHT, ""), (run.WRONG, "why")])
    assert run.worst({"float32": right, "bool": wrong}) == (run.WRONG, "bool: why")
    assert run.worst({"float32": right}) == (run.RIGHT, "") and run.worst({}) == (run.NO_SAMPLES, "")
    outcomes = [
        Outcome("abs float32", "abs", run.RIGHT, data={"float32": right}),
        Outcome("abs int64", "abs", run.WRONG, "int64: why", data={"int64": wrong}),
    ]
    data = summary(outcomes, ["abs float32", "abs int64", "sin float32"])
    assert data["operators"]["abs"]["status"] == run.WRONG and data["not_run"] == {"float32": 1}
    assert data["samples"] == {run.WRONG: 1, run.RIGHT: 3} and "1 of 2 operators" in headline(data)


def test_samples_are_taken_evenly():
    assert evenly(range(10), 4) == [0, 3, 6, 9] and evenly([1, 2], 4) == [1, 2]


def test_the_table_is_current_and_nothing_in_it_is_wrong():
    data = json.loads((DOCS / "torchax_ops.json").read_text(encoding="utf-8"))
    assert to_markdown(data) == (DOCS / "torchax_ops.md").read_text(encoding="utf-8")
    wrong = [name for name, row in data["operators"].items() if row["status"] in (run.WRONG, "crash", "timeout")]
    assert not wrong, f"correct the lowerings in frameworks/torch_corrections.py, or refuse them: {wrong}"
