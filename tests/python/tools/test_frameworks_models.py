"""The table of the frameworks' models, and what its errors are."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tvm")

from tools.frameworks_models.measure import allowed
from tools.frameworks_models.report import merged, to_markdown
from tools.models.library import relative_error, varied
from tools.support.outcome import Outcome

NUMBERS = {
    "road": "jax",
    "instructions": 7,
    "xla_error": 0.0,
    "error": 1e-6,
    "error_to_xla": 2e-6,
    "build_s": 1.0,
    "tvm_ms": 1.0,
    "xla_ms": 4.0,
    "weights_sampled": 3,
    "weights_without_effect": ["bias"],
}
KNOWN = ["jax: A", "jax: B", "flax: C"]


def test_a_run_of_some_models_and_one_dialect_keeps_the_other_rows():
    first = [Outcome("jax: A", "", "pass", data=NUMBERS), Outcome("jax: gone", "", "pass", data=NUMBERS)]
    data = merged({}, ["jax: A", "jax: gone"], first, "relay", 2)
    data = merged(data, KNOWN, [Outcome("jax: B", "", "refused", "sort: why", data={"road": "jax"})], "relay", 2)
    data = merged(data, KNOWN, [Outcome("jax: A", "", "pass", data=NUMBERS)], "relax", 2)
    rows = {dialect: results["models"] for dialect, results in data["dialects"].items()}
    assert list(rows["relay"]) == ["jax: A", "jax: B"] and list(rows["relax"]) == ["jax: A"]
    assert rows["relay"]["jax: A"]["error"] == 1e-6 and rows["relay"]["jax: B"]["message"] == "sort: why"


def test_a_run_without_some_packages_keeps_their_versions():
    before = merged({}, KNOWN, [], "relay", 2)
    before["dialects"]["relay"]["versions"] |= {"qwix": "0.0.1", "jax": "0.0.1", "gone": "1"}
    versions = merged(before, KNOWN, [], "relay", 2)["dialects"]["relay"]["versions"]
    assert versions == {"qwix": "0.0.1", **merged({}, KNOWN, [], "relay", 2)["dialects"]["relay"]["versions"]}


def test_an_integer_that_xla_rounds_the_other_way_allows_tvm_none():
    assert [allowed(error) for error in (0.0, 1e-5, 1e-4, 2e-2)] == [1e-4, 1e-4, pytest.approx(3e-4), 1e-3]


def test_the_page_has_columns_of_each_dialect_and_reasons_of_failures():
    outcomes = [Outcome("jax: A", "", "pass", data=NUMBERS), Outcome("jax: B", "", "refused", "sort: why", data={})]
    data = merged({}, KNOWN, outcomes, "relay", 2)
    data = merged(data, KNOWN, [Outcome("jax: A", "", "wrong", "error 5", data=NUMBERS | {"error": 5.0})], "relax", 2)
    page = to_markdown(data)
    header, _, row = page[page.index("| model") :].splitlines()[:3]
    assert [cell.strip() for cell in row.split("|")[1:5]] == ["A", "jax", "7", "0.0e+00"]
    assert header.count("TVM/XLA") == 2 and row.count("| 0.25 |") == 2 and "**5.0e+00, wrong**" in row
    assert "- jax: B, relay: refused. sort: why" in page and "- jax: A, relax: wrong. error 5" in page
    assert "1 of 2 models pass" in page and "0 of 1 models pass" in page
    assert "Of 3 weights tried, 1 change" in page


def test_relative_errors():
    ones = np.ones((2, 2), np.float32)
    assert relative_error([ones], [ones]) == 0.0
    assert relative_error([ones * 1.5], [ones]) == pytest.approx(0.5)  # no deviation: in units of the magnitude
    assert relative_error([np.array([0.0, 3.0])], [np.array([0.0, 2.0])]) == pytest.approx(1.0)
    assert relative_error([np.array([1, 2])], [np.array([1, 3])]) == float("inf")
    assert relative_error([np.array([1.0, np.nan])], [np.array([1.0, 2.0])]) == float("inf")
    assert relative_error([ones], [ones.astype("f8")]) == float("inf")


def test_only_parameters_that_start_as_one_number_are_varied():
    rng = np.random.default_rng(0)
    kernel = np.array([1.0, 2.0], np.float32)
    assert varied(rng, kernel) is kernel
    scale, bias = varied(rng, np.ones(50, np.float32)), varied(rng, np.zeros(50, np.float32))
    assert scale.dtype == np.float32 and scale.min() >= 0.5 and scale.std() > 0.1
    assert bias.min() < 0 < bias.max()
