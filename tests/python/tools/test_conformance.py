"""A fixed sample of JAX's primitive harnesses against XLA; `make conformance` runs all of them."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("jax")

from tools.conformance import deployed
from tools.conformance.driver import ask, end, groups_with, start_worker
from tools.conformance.harnesses import WIDE, X64, digest, groups_of, load_harnesses, stratified
from tools.conformance.judge import judge
from tools.conformance.report import PEER, results_path, summary, to_json, to_markdown, write_page, write_results
from tools.conformance.stages import run_harness
from tools.support.outcome import PASS, REFUSED, Outcome

from tests.support.dialect_marks import relax_only, relay_only

SAMPLE = 160
WIDE_SAMPLE = 50  # of the harnesses of 64-bit types
TIMEOUT = 90.0  # seconds per harness
WIDE_BATCHES = 5
BATCHES = 10  # importing JAX's harnesses while collecting would slow every run of pytest, so cases are numbers

# groups of which one f32 harness also runs without this package's build; loops run on the VM only
PLAIN_GRAPH = (
    "argmax",
    "conv_general_dilated",
    "cumsum",
    "dot_general",
    "gather",
    "pad",
    "reduce_window_max",
    "scatter_add",
    "select_and_scatter_add",
    "sort",
)
PLAIN_VM = ("cumsum", "dot_general", "erf_inv", "gather", "igamma", "lu", "scatter_add", "sort")


@functools.cache
def sample() -> tuple[str, ...]:
    return tuple(stratified(groups_of(load_harnesses()), SAMPLE))


@functools.cache
def wide_groups() -> dict[str, str]:
    """Group by name of the harnesses of 64-bit types; this process has those types off."""
    groups = groups_with({X64: "1"})
    # Relay builds random_gamma of f64 for more than a minute; `make conformance X64=1` has it
    return {name: group for name, group in groups.items() if WIDE.search(name) and group != "random_gamma"}


def complaint(outcome: Outcome) -> str:
    """Why an outcome is no pass, empty if it is."""
    return "" if outcome.status == PASS else f"{outcome.name}: {outcome.status}: {outcome.message}"


@contextlib.contextmanager
def isolated(settings):
    """Runs harnesses in a worker process, so that a crash or a hang is one failure and not the end of pytest."""
    workers = []

    def run(name, group, export=None):
        if not workers:
            workers.append(start_worker(settings=settings))
        outcome = ask(workers[0], name, group, TIMEOUT, threading.Event(), export)
        if outcome.status in ("crash", "timeout"):
            end(workers.pop())
        return outcome

    try:
        yield run
    finally:
        for worker in workers:
            end(worker)


@pytest.fixture(scope="module")
def run_isolated():
    with isolated({}) as run:
        yield run


@pytest.fixture(scope="module")
def run_wide():
    with isolated({X64: "1"}) as run:
        yield run


def run_deployed(folder):
    """What differs where no framework can be imported, by stem of the exported library."""
    done = subprocess.run([sys.executable, deployed.__file__, str(folder)], capture_output=True, text=True, cwd=folder)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"after {len(lines)} libraries: {done.stderr[-2000:]}"
    return {line["stem"]: line["difference"] for line in lines}


@pytest.mark.parametrize("batch", range(BATCHES))
def test_sample_agrees_with_xla_and_its_libraries_need_no_framework(batch, run_isolated, tmp_path):
    # every 10th, so that the slow groups are spread over the batches
    groups = groups_of(load_harnesses())
    outcomes = [run_isolated(name, groups[name], tmp_path) for name in sample()[batch::BATCHES]]
    complaints = [complaint(outcome) for outcome in outcomes]
    assert not any(complaints), "\n" + "\n".join(filter(None, complaints))
    names = {digest(outcome.name): outcome.name for outcome in outcomes if outcome.status == PASS}
    differences = run_deployed(tmp_path)
    assert {names[stem]: told for stem, told in differences.items() if told} == {}
    assert set(differences) == set(names)


@pytest.mark.parametrize("batch", range(WIDE_BATCHES))
def test_sample_of_64_bit_types_agrees_with_xla(batch, run_wide):
    groups = wide_groups()
    names = stratified(groups, WIDE_SAMPLE)[batch::WIDE_BATCHES]
    complaints = [complaint(run_wide(name, groups[name])) for name in names]
    assert not any(complaints), "\n" + "\n".join(filter(None, complaints))


def test_a_deployed_library_that_gives_other_numbers_is_seen(tmp_path):
    name = "exp_shape_float32_20_20_"
    assert not complaint(run_harness(load_harnesses()[name], export=tmp_path))
    saved = tmp_path / f"{digest(name)}.npz"
    with np.load(saved) as arrays:
        changed = dict(arrays)
    changed["out0"].flat[0] += 1
    np.savez(saved, **changed)
    assert run_deployed(tmp_path) == {digest(name): "results [0] differ"}


def plain_harness(group):
    harnesses = load_harnesses()
    names = [name for name, h in harnesses.items() if h.group_name == group and np.dtype(h.dtype) == np.float32]
    return harnesses[min(names, key=digest)]


@relay_only("Relax has one executor, of which the test below is")
@pytest.mark.parametrize("group", PLAIN_GRAPH)
def test_unmodified_relay_build_agrees_with_xla(group):
    assert not complaint(run_harness(plain_harness(group), plain=True))


@relay_only("Relax runs everything on one virtual machine")
@pytest.mark.parametrize("group", PLAIN_VM)
def test_unmodified_relay_vm_agrees_with_xla(group):
    assert not complaint(run_harness(plain_harness(group), plain="vm"))


@relax_only("this is TVM's own compilation of Relax")
@pytest.mark.parametrize("group", sorted({*PLAIN_GRAPH, *PLAIN_VM}))
def test_unmodified_compilation_of_relax_agrees_with_xla(group):
    assert not complaint(run_harness(plain_harness(group), plain=True))


def test_a_sample_has_every_group_and_contains_smaller_samples():
    groups = groups_of(load_harnesses())
    large = sample()
    assert len(large) == len(set(large)) == SAMPLE
    assert {groups[name] for name in large} == set(groups.values())
    assert set(stratified(groups, 50)) < set(large)


def test_the_judge_holds_64_bit_floats_to_their_own_precision():
    right = np.array([1, 2, 1e-300], np.float64)
    assert judge("exp", {}, [], [right * (1 + 1e-13)], [right]) == []
    assert "3 of 3 differ" in judge("exp", {}, [], [right + 1e-11], [right])[0]
    tiny = right * 1e-60
    assert "2 of 3 differ" in judge("exp", {}, [], [tiny * (1 + 1e-11)], [tiny])[0]
    matrix = np.random.RandomState(0).randn(4, 3)
    q, r = np.linalg.qr(matrix)
    assert judge("qr", {}, [matrix], [q, r], [q, r]) == []
    assert judge("qr", {}, [matrix], [q, r * (1 + 1e-8)], [q, r])


def test_the_judge_sees_wrong_numbers_types_and_missing_nan():
    right = np.array([1, np.nan, -np.inf, 1e-3], np.float32)
    assert judge("exp", {}, [], [right], [right]) == []
    assert judge("exp", {}, [], [right + np.float32(1e-6)], [right]) == []
    for place, value in ((0, 1.001), (0, np.nan), (1, 0), (2, np.inf), (3, 2e-3)):
        wrong = right.copy()
        wrong[place] = value
        assert "1 of 4 differ" in judge("exp", {}, [], [wrong], [right])[0]
    assert "float64" in judge("exp", {}, [], [right.astype(np.float64)], [right])[0]
    integers = np.arange(4)
    assert judge("add", {}, [], [integers + (integers == 2)], [integers])


def test_the_judge_takes_any_order_of_equal_keys_but_no_torn_records():
    params = {"is_stable": False, "num_keys": 1, "dimension": 0}
    keys, payload = np.array([0, 0, 1]), np.array([5, 6, 7], np.float32)
    assert judge("sort", params, [], [keys, payload[[1, 0, 2]]], [keys, payload]) == []
    assert judge("sort", params, [], [keys, payload[[0, 2, 1]]], [keys, payload])
    assert judge("sort", {**params, "is_stable": True}, [], [keys, payload[[1, 0, 2]]], [keys, payload])


def test_the_judge_holds_factorisations_to_their_definition():
    matrix = np.random.RandomState(0).randn(2, 4, 3).astype(np.float32)
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    signs = np.array([1, -1, 1], np.float32)
    assert judge("svd", {}, [matrix], [s, u * signs, vt * signs[:, None]], [s, u, vt]) == []
    faults = judge("svd", {}, [matrix], [s, u * signs, vt], [s, u, vt])
    assert len(faults) == 1 and faults[0].startswith("u·s·vt")
    q, r = np.linalg.qr(matrix)
    assert judge("qr", {}, [matrix], [-q, -r], [q, r]) == []
    assert judge("qr", {}, [matrix], [q, -r], [q, r])
    square = matrix[:, :3]
    w, v = np.linalg.eigh(square)  # of the lower triangle
    assert judge("eigh", {"lower": True}, [square], [-v, w], [v, w]) == []
    assert judge("eigh", {"lower": False}, [square], [-v, w], [v, w])
    assert judge("eigh", {"lower": True}, [square], [v * 2, w], [v, w])


def test_the_judge_takes_eigenvalues_in_any_order_but_with_their_vectors():
    matrix = np.random.RandomState(0).randn(2, 5, 5).astype(np.float32)
    w, right = np.linalg.eig(matrix)
    left = np.conj(np.swapaxes(np.linalg.inv(right), -1, -2))
    left /= np.linalg.norm(left, axis=-2, keepdims=True)
    params = {"compute_left_eigenvectors": True, "compute_right_eigenvectors": True}
    order, phase = [3, 0, 4, 1, 2], np.exp(1j * np.arange(5))

    def faults(*got):
        narrow = [[x.astype(np.complex64) for x in results] for results in (got, (w, left, right))]
        return judge("eig", params, [matrix], *narrow)

    assert faults(w[..., order], left[..., order] * phase, right[..., order] * phase) == []
    assert faults(w[..., order], left, right)
    assert any(fault.startswith("a·v") for fault in faults(w, left, right[..., order]))
    assert any(fault.startswith("vᴴ·a") for fault in faults(w, left.conj(), right))
    assert any(fault.startswith("length of left") for fault in faults(w, left * 2, right))
    assert any(fault.startswith("eigenvalues") for fault in faults(w * 1.001, left, right))
    assert faults(np.full_like(w, np.nan), left, right)


def test_a_worker_that_hangs_or_dies_costs_one_harness():
    name = "exp_shape_float32_20_20_"
    worker = start_worker()
    try:
        assert ask(worker, name, "exp", 120, threading.Event()).status == PASS
        assert ask(worker, name, "exp", -1, threading.Event()).status == "timeout"
    finally:
        end(worker)
    outcome = ask(worker, name, "exp", 120, threading.Event())
    assert outcome.status == "crash" and "exit code -9" in outcome.message


@relax_only("the importer is in Relax")
def test_tvms_own_importer_is_run_as_shipped_and_with_what_jaxlib_has_removed():
    from jaxlib.mlir import ir
    from tools.conformance.peer import AS_SHIPPED, SUPPLIED, run_peer

    def status(name, setup):
        outcome = run_peer(load_harnesses()[name], setup, lambda stage: None)
        assert outcome.name == f"{setup}: {name}"
        return outcome.status, outcome.message

    addition = "add_dtypes_lhs_uint32_20_20_rhs_uint32_20_20_"
    assert status(addition, SUPPLIED) == (PASS, "")
    assert status("exp_shape_bfloat16_20_20_", SUPPLIED)[0] == "convert failed"
    if not hasattr(ir.ShapedType, "isinstance"):
        assert "isinstance" in status(addition, AS_SHIPPED)[1]


OUTCOMES = [
    Outcome("add_1", "add", PASS),
    Outcome("add_2", "add", "wrong", "result 0: 1 of 4 differ"),
    Outcome("eig_1", "eig", REFUSED, "custom-call(x): a | sort: b"),
    Outcome("eig_2", "eig", "not lowered", "ValueError: no"),
]


def test_the_report_counts_groups_reasons_and_lists_failures():
    data = summary(OUTCOMES, 10)
    assert data["total"] == {"pass": 1, "refused": 1, "wrong": 1, "not lowered": 1}
    assert json.loads(to_json(data)) == data
    assert json.loads(to_json(summary(OUTCOMES[:1], 10)))["not_passed"] == []
    text = to_markdown({"Relay": data}, {})
    assert "| add | 1 / 2 | 50.0 % |" in text and "| **all** | 1 / 4 | 33.3 % |" in text
    assert re.search(r"\| Relay \(TVM .*\) \| 4 of 10 \| 1 \| 1 \| 1 \|  \| 1 \| \*\*33\.3 %\*\* \|", text)
    assert "| 1 | custom-call(x): a |" in text and "| 1 | sort: b |" in text
    assert "| `add_2` | result 0: 1 of 4 differ |" in text


def test_the_report_has_what_there_is_side_by_side(tmp_path):
    write_results(OUTCOMES, 10, results_path(tmp_path, "relay"))
    alone = write_page(tmp_path).read_text()
    assert "Relay" in alone and "Relax: pass" not in alone and "importer" not in alone
    write_results([*OUTCOMES[:1], Outcome("sub_1", "sub", PASS)], 10, results_path(tmp_path, "relax"))
    peers = {"as shipped": summary([], 10), "mended": summary([Outcome("add_1", "add", "convert failed", "no")], 10)}
    (tmp_path / PEER).write_text(json.dumps({"setups": peers}))
    text = write_page(tmp_path).read_text()
    assert "| add | 1 / 2 | 50.0 % | 1 / 1 | 100.0 % | 0 / 1 | 0.0 % |" in text
    assert "| sub |  |  | 1 / 1 | 100.0 % |  |  |" in text
    assert "## Relay: wrong" in text and "## Relax" not in text


def test_the_page_in_the_documentation_is_that_of_its_results(tmp_path):
    docs = Path(__file__).resolve().parents[3] / "docs"
    for path in [*docs.glob("conformance_*.json"), *docs.glob(PEER)]:
        shutil.copy(path, tmp_path)
    assert write_page(tmp_path).read_text() == (docs / "conformance.md").read_text()
