"""Random programs: exact, made again by their seeds, and judged to the least part on which both sides differ."""

from __future__ import annotations

import numpy as np
import pytest
from tools.fuzz import judge
from tools.fuzz.__main__ import main
from tools.fuzz.judge import fault_of, program_of
from tools.fuzz.program import LIMITS, finished, results_of
from tools.support.compare import run_tvm
from tools.support.oracle import run_xla

from tvm_hlo_frontend.hlo.text.printer import to_text
from tvm_hlo_frontend.hlo.verifier import verify

STEPS = 14


@pytest.mark.parametrize("seed", range(5000, 5024))
def test_programs_agree(seed):
    fault = fault_of(seed, STEPS)
    assert fault is None, fault.text


@pytest.mark.parametrize("seed", range(6000, 6012))
def test_numbers_are_as_large_as_is_said_and_whole(seed):
    program = program_of(seed, STEPS)
    values = [value for value in program.values if value.kind in LIMITS]
    if not values:
        return
    module = finished(program, [value.instruction for value in values])
    verify(module)
    for value, array in zip(values, run_xla(module, program.arguments), strict=True):
        assert value.bound <= LIMITS[value.kind]
        assert (np.abs(array) <= value.bound).all() and (array == np.floor(array)).all(), value.instruction


def test_a_seed_is_a_program():
    first, second = (program_of(7000, STEPS) for _ in range(2))
    assert to_text(finished(first, results_of(first))) == to_text(finished(second, results_of(second)))
    for one, other in zip(first.arguments, second.arguments, strict=True):
        np.testing.assert_array_equal(one, other)
    texts = {
        to_text(finished(program, results_of(program))) for program in map(lambda s: program_of(s, STEPS), range(9))
    }
    assert len(texts) == 9


def wrong_reverse(module, arguments):
    """TVM's results, in which the largest element is missing wherever something is reversed."""
    results = run_tvm(module, arguments)
    if not any(instruction.opcode == "reverse" for instruction in module.entry.instructions):
        return results
    return [array + (array == array.max()).astype(array.dtype) if array.size else array for array in results]


def test_faults_are_found_and_made_small(monkeypatch):
    seeds = (seed for seed in range(8000, 8100) if "reverse" in opcodes_of(seed))
    monkeypatch.setattr(judge, "run_tvm", wrong_reverse)
    fault = fault_of(next(seeds), STEPS)
    assert fault.what == "differs" and "first at" in fault.text
    assert fault.text.splitlines()[1].startswith("reverse")


def opcodes_of(seed):
    program = program_of(seed, STEPS)
    return {i.opcode for i in finished(program, results_of(program)).entry.instructions if i.shape.kind != "pred"}


def test_errors_are_faults(monkeypatch):
    def failing(module, arguments):
        raise ValueError("no such thing")

    monkeypatch.setattr(judge, "run_tvm", failing)
    fault = fault_of(8000, STEPS)
    assert fault.what == "ValueError" and "no such thing" in fault.text and "ENTRY" in fault.text


def test_the_program_tells_what_it_ran(capsys, tmp_path):
    assert main(["--seed", "5000", "--count", "3", "--faults", str(tmp_path / "faults.json")]) == 0
    out = capsys.readouterr().out
    assert "seeds 5000 to 5002: 3 programs, 0 faults" in out
    assert (tmp_path / "faults.json").read_text() == "[]"
