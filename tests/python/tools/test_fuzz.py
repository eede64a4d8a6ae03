"""Random programs: made again by their seeds, judged to the least part on which both sides differ, and counted."""

from __future__ import annotations

import json
import sys
import time

import ml_dtypes
import numpy as np
import pytest
from tools.fuzz import broken, judge, pool, sides
from tools.fuzz.__main__ import STEPS, main
from tools.fuzz.generator import digest, program_of
from tools.fuzz.judge import AGREES, FAULT, NO_REFERENCE, outcome_of
from tools.fuzz.kinds import LIMITS, TYPES, is_float
from tools.fuzz.program import EXACT, WHOLE, Program, Tolerance, finished, results_of
from tools.fuzz.table import BROKEN, PAGE, RUNS, with_tables
from tools.fuzz.tally import Tally, following
from tools.fuzz.worker import contents, dull, result_of
from tools.support.oracle import run_xla
from tools.support.runs import runs_of

from tvm_hlo_frontend.hlo.ir.shape import ELEMENT_TYPES
from tvm_hlo_frontend.hlo.opcodes import OPCODES
from tvm_hlo_frontend.hlo.text.printer import to_text
from tvm_hlo_frontend.hlo.verifier import verify

SECONDS = 20
# opcodes that the generator never makes, by why
NEVER = {
    "of several devices, which one process has not": (
        "all-gather", "all-gather-done", "all-gather-start", "all-reduce", "all-reduce-done", "all-reduce-start",
        "all-to-all", "collective-broadcast", "collective-permute", "collective-permute-done",
        "collective-permute-start", "collective-reduce", "partition-id", "ragged-all-to-all", "recv", "recv-done",
        "reduce-scatter", "replica-id", "send", "send-done",
    ),
    "made by XLA's own passes, and not in the StableHLO through which XLA:CPU takes modules": (
        "add-dependency", "async-done", "async-start", "async-update", "bitcast", "copy-done", "copy-start", "domain",
        "fusion", "mulhi", "scaled-dot", "scan", "shuffle", "topk",
    ),
    "tokens": ("after-all", "infeed", "outfeed"),
    "unknown dimensions, which tests/python/frontend has of its own": (
        "dynamic-reshape", "set-dimension-size",
    ),
    "numbers that are XLA's own, or differ from run to run": (
        "rng", "rng-get-and-update-state", "stochastic-convert",
    ),
    "calls of what is not HLO": ("custom-call",),
    "XLA:CPU does not take them": (
        "acos", "acosh", "asin", "asinh", "atan", "atanh", "cosh", "ragged-dot", "sinh",
    ),
    "sums whose order is open": ("batch-norm-grad", "batch-norm-training"),
}  # fmt: skip


def test_programs_agree():
    """As many fresh ones as the time allows, from the same seeds in each run."""
    end, statuses = time.monotonic() + SECONDS, []
    for seed in range(30_000_000, 30_000_300):
        outcome = outcome_of(program_of(seed, STEPS), seed)
        assert outcome.fault is None, f"seed {seed}\n{outcome.fault.text}"
        statuses.append(outcome.status)
        if time.monotonic() > end:
            break
    assert statuses.count(AGREES) > len(statuses) * 0.7, statuses


@pytest.mark.parametrize("seed", range(6000, 6012))
def test_numbers_are_as_large_as_is_said_and_whole(seed):
    program = program_of(seed, STEPS)
    values = [value for value in program.values if is_float(value.kind) and value.stage == WHOLE]
    if not values:
        return
    module = verify(finished(program, [value.instruction for value in values]))
    for value, array in zip(values, run_xla(module, program.arguments), strict=True):
        assert value.bound <= LIMITS[value.kind]
        wide = array.astype(np.float64)
        assert (np.abs(wide) <= value.bound).all() and (wide == np.floor(wide)).all(), value.instruction


def test_a_seed_is_a_program():
    first, second = (program_of(7000, STEPS) for _ in range(2))
    assert to_text(finished(first, results_of(first))) == to_text(finished(second, results_of(second)))
    for one, other in zip(first.arguments, second.arguments, strict=True):
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes()
    programs = [program_of(seed, STEPS) for seed in range(9)]
    assert len({to_text(finished(program, results_of(program))) for program in programs}) == 9


def test_programs_hold_every_opcode_and_type_but_those_with_a_reason():
    opcodes, types = set(), set()
    for seed in range(3000):
        met = contents(program_of(seed, STEPS))
        opcodes.update(met[0])
        types.update(met[1])
    never = {opcode for reasons in NEVER.values() for opcode in reasons}
    assert sorted(set(OPCODES) - opcodes) == sorted(never)
    arrays = {row.name for row in ELEMENT_TYPES if row.numpy_dtype is not None}
    # one bit is no type of StableHLO, and of powers of two alone there are no sums
    assert arrays - types == {"s1", "u1", "f8e8m0fnu"} and set(TYPES) <= types


def wrong_reverse(module, arguments):
    """TVM's results, in which the largest element is missing wherever something is reversed."""
    results = sides.on_xla(module, arguments)
    if not any(instruction.opcode == "reverse" for instruction in module.entry.instructions):
        return results
    return [array + (array == array.max()).astype(array.dtype) if array.size else array for array in results]


def reversing(seed):
    """Whether one of the results is of what is reversed, in a type that has an order."""
    program = program_of(seed, STEPS)
    return any(i.opcode == "reverse" and i.shape.element_type in ("f32", "s32") for i in results_of(program))


def test_faults_are_found_and_made_small(monkeypatch):
    seed = next(seed for seed in range(8000, 9000) if reversing(seed) and sides.road_of(seed) == "build")
    monkeypatch.setitem(sides.ROADS, "build", wrong_reverse)
    outcome = outcome_of(program_of(seed, STEPS), seed)
    assert outcome.status == FAULT and outcome.fault.what == "differs"
    text = outcome.fault.text
    assert "first at" in text and "reverse(" in text and "def test_random_program" in text
    assert "StableHLO's interpreter agrees with XLA" in text
    assert text.count(" = ") <= 6  # the instruction alone: a parameter, the reverse, the test's own lines
    compile(text[text.index("def test") :], "pasted", "exec")


def test_errors_are_faults(monkeypatch):
    def failing(module, arguments):
        raise ValueError("no such thing")

    for road in sides.ROADS:
        monkeypatch.setitem(sides.ROADS, road, failing)
    fault = outcome_of(program_of(8000, STEPS), 8000).fault
    assert fault.what == "ValueError" and "no such thing" in fault.text and "ENTRY" in fault.text


def test_what_xla_refuses_has_no_reference(monkeypatch):
    def refusing(module, arguments):
        raise ValueError("UNIMPLEMENTED: this")

    monkeypatch.setattr(judge, "on_xla", refusing)
    outcome = outcome_of(program_of(8000, STEPS), 8000)
    assert (outcome.status, outcome.why) == (NO_REFERENCE, "UNIMPLEMENTED: this")


@pytest.mark.parametrize("is_ours", [False, True])
def test_what_xla_computes_otherwise_of_constants_has_no_reference(monkeypatch, is_ours):
    """It folds roundings of f8e3m4 to NaN; where TVM has other numbers than both, it is at fault."""
    program = Program(np.random.default_rng(0))
    rounded = program.constant(np.array([1, 2, 3, 4], ml_dtypes.float8_e3m4), 4)
    program.add("round-nearest-afz", [rounded], 4)
    if is_ours:
        monkeypatch.setitem(
            sides.ROADS, sides.road_of(0), lambda module, arguments: [-each for each in sides.built(module, arguments)]
        )
    outcome = outcome_of(program, 0)
    assert outcome.status == (FAULT if is_ours else NO_REFERENCE)
    assert ("constants otherwise" in outcome.why) != is_ours


@pytest.mark.parametrize(
    ("ours", "theirs", "tolerance", "wrong"),
    [
        (np.float32([1, np.nan, np.inf]), np.float32([1, np.nan, np.inf]), EXACT, 0),
        (np.float32([1]), np.float32([1 + 2**-23]), EXACT, 1),
        (np.float32([1]), np.float32([1 + 2**-23]), Tolerance(ulps=1), 0),
        (np.complex128([2 + 4e-16j]), np.complex128([2]), Tolerance(rtol=1e-11), 0),
        (np.complex128([2 + 1e-3j]), np.complex128([2]), Tolerance(rtol=1e-11), 1),
        (np.int8([3]), np.int8([4]), EXACT, 1),
    ],
)
def test_what_differs(ours, theirs, tolerance, wrong):
    assert judge.differing(ours, theirs, tolerance).sum() == wrong


def test_nan_of_eight_bits_is_nan():
    import ml_dtypes

    array = np.array([np.nan, 1], ml_dtypes.float8_e4m3fn)
    assert not judge.differing(array, array, EXACT).any()
    assert judge.differing(array, array[::-1], EXACT).all()


def test_dull_results_are_counted():
    nan, same = np.full(3, np.nan, np.float32), np.zeros(2, np.int8)
    assert dull([nan, same, np.arange(3), np.float32(1)]) == {"outputs": 3, "nan": 1, "equal": 1}


def test_the_program_tells_what_it_ran_and_goes_on_behind_it(capsys, tmp_path):
    file = tmp_path / "runs.json"
    for _ in range(2):
        command = ["--resume", "--count", "2", "--results", str(file), "--faults", str(tmp_path / "faults.json")]
        assert main(command) == 0
    out = capsys.readouterr().out
    assert "seeds 0 to 1: 2 programs, 0 faults" in out and "seeds 2 to 3: 2 programs, 0 faults" in out
    assert (tmp_path / "faults.json").read_text() == "[]"
    runs = runs_of(file)
    assert [(run["first"], run["programs"], run["generator"]) for run in runs] == [
        (0, 2, digest()),
        (2, 2, digest()),
    ]
    assert following(file) == 4


def test_a_worker_that_ends_is_a_fault_of_the_side_at_work(monkeypatch):
    program = (
        "import json, os; print(json.dumps({'at': 5, 'side': 'XLA'}), flush=True); "
        "print(json.dumps({'at': 5, 'side': 'build'}), flush=True); os.abort()"
    )
    real = pool.subprocess.Popen
    monkeypatch.setattr(pool.subprocess, "Popen", lambda command, **more: real([sys.executable, "-c", program], **more))
    (result,) = pool.batch(5, 1, STEPS, lambda: False)
    assert result["seed"] == 5 and result["status"] == FAULT and result["fault"][1] == "ended"
    assert pool.lost(5, "XLA", "ended")["status"] == NO_REFERENCE


def test_a_run_takes_the_place_of_what_it_was(tmp_path):
    tally = Tally(4, STEPS)
    tally.add([{**result_of(4, STEPS)}])
    for _ in range(2):
        tally.write(tmp_path / "runs.json")
    (run,) = runs_of(tmp_path / "runs.json")
    assert (run["first"], run["programs"], run["faults"]) == (4, 1, 0) and json.dumps(run)


def test_the_page_has_the_tables_of_the_runs():
    page = PAGE.read_text()
    assert page == with_tables(page, runs_of(RUNS), runs_of(BROKEN))


def test_ten_rules_are_broken_and_found():
    assert len(broken.TEN) == len({each.rule for each in broken.TEN}) == 10
    rows = runs_of(BROKEN)
    assert {row["rule"] for row in rows} == {each.rule for each in broken.TEN}
    assert all(row["programs"] is not None and row["programs"] <= broken.LIMIT for row in rows)
