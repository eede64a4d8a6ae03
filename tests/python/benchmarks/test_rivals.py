"""`make bench`: its rows mean the same everywhere, workers that die cost one row, the page is what the results say."""

from __future__ import annotations

import fcntl
import io
import json
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.rivals import (
    PAGE,
    PROCESSORS,
    artifacts,
    contestants,
    machine,
    ours,
    page,
    plot,
    rows,
    running,
    turns,
)
from benchmarks.rivals import __main__ as program
from benchmarks.rivals import worker as rivals_worker
from benchmarks.rivals.locks import Lock
from benchmarks.rivals.operations import Convolution, Dot
from benchmarks.rivals.prepared import MissingError, Prepared, flat

OPERATIONS = {
    "dot": Dot(5, 7, 3),
    "batched": Dot(5, 7, 3, batch=2),
    "batched, transposed": Dot(5, 7, 3, batch=2, transposed=True),
    "bf16": Dot(5, 8, 3, dtype="bfloat16"),
    "s8": Dot(32, 8, 16, dtype="int8"),
    "conv": Convolution((5, 6), 3, 4, (3, 1)),
    "strided": Convolution((7, 6), 3, 4, (3, 3), stride=2),
    "not padded": Convolution((8, 8), 3, 4, (4, 4), stride=4, padded=False),
    "dilated": Convolution((7, 6), 3, 4, (3, 3), dilation=2),
    "grouped": Convolution((5, 6), 4, 6, (3, 3), groups=2),
    "depthwise": Convolution((5, 6), 4, 4, (3, 3), groups=4),
    "transposed": Convolution((4, 3), 3, 2, (4, 4), stride=2, transposed=True),
    "1d": Convolution((9,), 3, 4, (3,)),
    "3d": Convolution((3, 4, 5), 2, 3, (3, 3, 3)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_jax_and_pytorch_compute_the_same(name):
    torch = pytest.importorskip("torch")
    import jax
    from benchmarks.rivals import jax_programs, torch_modules

    operation = OPERATIONS[name]
    wanted = np.asarray(jax.jit(jax_programs.program(operation))(*operation.inputs()))
    with torch.no_grad():
        made = torch_modules.module(operation)(*torch_modules.tensors(torch_modules.inputs(operation)))
    got = torch_modules.array(made)
    if operation.channels_last:
        assert wanted.shape[1:-1] == operation.result_size
        wanted = np.moveaxis(wanted, -1, 1)
    assert got.shape == wanted.shape
    assert rivals_worker.relative_error(got, wanted) <= {"int8": 0, "bfloat16": 2e-2}.get(operation.dtype, 1e-5)


@pytest.mark.parametrize(
    ("name", "flops", "bytes_moved"),
    [
        ("dot 512x512x512", 2 * 512**3, 4 * 3 * 512**2),
        ("dot 512x512x512, int8", 2 * 512**3, 2 * 512**2 + 4 * 512**2),
        ("attention scores 12x128x64x128", 2 * 12 * 128 * 64 * 128, 4 * 12 * (2 * 128 * 64 + 128 * 128)),
        ("conv 3x3, 56^2, 64 to 64", 2 * 56**2 * 9 * 64**2, 4 * (2 * 56**2 * 64 + 9 * 64**2)),
        ("depthwise 3x3, 14^2, 384", 2 * 14**2 * 9 * 384, 4 * (2 * 14**2 * 384 + 9 * 384)),
        ("transposed conv 4x4/2, 28^2, 128 to 64", 2 * 28**2 * 16 * 128 * 64,
         4 * (28**2 * 128 + 56**2 * 64 + 16 * 128 * 64)),
    ],
)  # fmt: skip
def test_work_of_a_row(name, flops, bytes_moved):
    operation = rows.named(name).operation
    assert (operation.flops, operation.bytes_moved) == (flops, bytes_moved)


def test_rows_have_names_and_folders_of_their_own():
    assert len({row.name for row in rows.ROWS}) == len({row.folder for row in rows.ROWS}) == len(rows.ROWS)
    assert rows.chosen([]) == list(rows.ROWS)
    assert rows.chosen(["models"]) == list(rows.MODELS)
    assert [row.name for row in rows.chosen(["RESNET", "3d"])] == ["conv 3d 3x3x3, 8x28^2, 32 to 64", "ResNet-50"]


class FakeTime:
    """A clock that only calls move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def program(self, *seconds: float):
        """Takes these times in turn."""
        rest = list(seconds)

        def call() -> None:
            self.now += rest[0] if len(rest) == 1 else rest.pop(0)

        return call


def test_a_turn_is_its_shortest_call_but_the_first():
    clock = FakeTime()
    assert turns.turn(clock.program(1.0, 5.0, 2.0, 3.0), 3, clock) == 2.0


def test_short_calls_fill_their_turns_and_long_ones_end_the_rounds():
    clock = FakeTime()
    found = turns.in_turns({"a": clock.program(0.25), "b": clock.program(0.5)}, 8.0, 4, clock)
    assert found == {"a": [0.25] * 4, "b": [0.5] * 4}
    assert turns.calls_per_turn(clock.program(0.25), 1.0, clock) == 4
    found = turns.in_turns({"a": clock.program(10.0), "b": clock.program(20.0)}, 8.0, 100, clock)
    assert found == {"a": [10.0] * turns.LEAST_ROUNDS, "b": [20.0] * turns.LEAST_ROUNDS}


def test_ratios_are_of_the_least_times_with_the_quartiles_of_rounds():
    assert turns.ratio([1.0, 2.0, 6.0], [2.0, 2.0, 2.0]) == turns.Ratio(0.5, 0.75, 2.0)
    assert turns.ratio([1.0], [4.0]) == turns.Ratio(0.25, 0.25, 0.25)


def test_a_tiny_row_from_hlo_to_a_measurement():
    pytest.importorskip("torch")
    row = rows.Row("tiny", Dot(3, 4, 5))
    facts, _ = artifacts.of_operation(row)
    prepared = ours.frontend(facts)
    error = rivals_worker.difference(prepared, [facts.inputs[0] @ row.operation.weights()], False)
    ready = rivals_worker.Ready(facts, {"its": prepared.call, "xla": prepared.call}, error, 0.0)
    found = rivals_worker.measure(ready, 0.001, 3)
    assert found["flops"] == 120 and found["rounds"] == 3 and found["ratio"] == found["ms"] / found["xla_ms"]


def test_results_that_are_not_xlas_are_missing():
    wanted = [np.arange(4, dtype=np.float32)]
    wrong = Prepared(lambda: None, lambda: [wanted[0] + 1])
    with pytest.raises(MissingError, match=r"differs from XLA's by 8\.9e-01"):
        rivals_worker.difference(wrong, wanted, False)
    with pytest.raises(MissingError, match=r"shapes \[\(4,\)\]"):
        rivals_worker.difference(wrong, [wanted[0][None]], False)
    integers = Prepared(lambda: None, lambda: [np.array([1, 3])])
    with pytest.raises(MissingError, match="differs"):
        rivals_worker.difference(integers, [np.array([1, 2])], False)


def test_reasons_have_no_colours_and_no_folders():
    error = ValueError("\n \x1b[96mno\x1b[0m /home/me/x.py, src/a.cc\nmore")
    assert artifacts.reason(error) == "ValueError: no x.py, src/a.cc"
    assert artifacts.reason(KeyError()) == "KeyError"


def test_leaves_of_nested_results():
    assert flat({"a": [1, None, (2, 3)], "b": 4}) == [1, 2, 3, 4]


# ---- worker processes ------------------------------------------------------------------------------------------------

WORKER = """
import json, os, sys, time
def tell(row, phase, **more):
    print(json.dumps({"row": row, "phase": phase, **more}), flush=True)
tell(None, "wait")
for name in sys.argv[1:]:
    tell(name, "prepare")
    if name == "dies":
        os.kill(os.getpid(), 9)
    if name == "sleeps":
        time.sleep(60)
    tell(name, "done", missing=name)
"""


def told(names: list[str], source: str = WORKER, timeout: float = 20.0) -> dict[str, str]:
    found = running.outcomes(lambda rest: [sys.executable, "-c", source, *rest], names, timeout, sys.__stderr__)
    return {name: event["missing"] for name, event in found}


def test_a_worker_that_dies_costs_one_row():
    assert told(["a", "dies", "b"]) == {"a": "a", "dies": "the process ended with signal 9", "b": "b"}


def test_a_silent_worker_costs_one_row():
    assert told(["sleeps", "b"], timeout=1.5) == {"sleeps": "silent for 2 seconds", "b": "b"}


def test_a_worker_that_cannot_start_is_not_started_for_each_row():
    why = "the process ended with status 3"
    assert told(["a", "b"], "raise SystemExit(3)") == {"a": why, "b": why}


def test_locks_are_alone_or_shared(tmp_path):
    path = tmp_path / "lock"
    with Lock(str(path)).shared(), Lock(str(path)).shared(), open(path) as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with Lock(str(path)).alone(), open(path) as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
    with Lock("").alone(), Lock("").alone():
        pass


# ---- what is written -------------------------------------------------------------------------------------------------

MEASURED = {
    "ms": 2.0, "xla_ms": 4.0, "ratio": 0.5, "low": 0.4, "high": 0.6, "rounds": 3, "load": 0.5, "error": 0.0,
    "build_s": 1.0, "flops": 268435456, "bytes": 3145728,
}  # fmt: skip
RECORD = {"commit": "abcd1234", "date": "2026-01-01"}
SOME = {
    "processor": "a processor",
    "peaks": {"one_gflops": 100.0, "all_gflops": 200.0, "one_gbs": 10.0, "all_gbs": 20.0},
    "versions": {"relax": "1.2, 3.4"},
    "rows": {
        "dot 512x512x512": {
            "relax": {**RECORD, "measured": MEASURED},
            "torch": {**RECORD, "measured": {**MEASURED, "ratio": 0.25}},
            "iree": {**RECORD, "missing": "it | says no"},
        },
    },
}


def test_page_has_ratios_rates_and_reasons():
    text = page.written("some", SOME)
    assert "commit abcd1234 (2026-01-01)" in text and "200 on all" in text
    assert "| dot 512x512x512 | 4.000 | **0.50** ±0.10 | **0.25** ±0.10 | – |" in text
    assert "| dot 512x512x512 | 268 | 67.1 | 134.2 | 134.2 | – |" in text
    assert "| shapes | PyTorch | | **2.00**, 0 of 1 |" in text and "| shapes | XLA:CPU | | **0.50**, 1 of 1 |" in text
    assert "| IREE | it \\| says no | dot 512x512x512 |" in text


def test_plot_has_peaks_and_dots():
    root = ElementTree.fromstring(plot.drawn(SOME))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"FMA peak, 1 thread", "FMA peak, all threads", "dot 512x512x512"} <= set(texts)
    titles = [each.text for each in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["relax 134.2", "torch 134.2"]


def test_nothing_measured_is_a_page_too(tmp_path):
    empty = machine.read(tmp_path / "none.json")
    assert "Nothing." in page.written("none", empty)
    ElementTree.fromstring(plot.drawn(empty))


def test_written_results_are_read_again(tmp_path):
    machine.write(tmp_path / "some.json", SOME)
    assert machine.read(tmp_path / "some.json") == SOME


def test_results_of_another_processor_are_not_added_to():
    assert machine.kept(SOME, "a processor") is SOME
    assert machine.kept(SOME, "another") == {"processor": "another", "peaks": {}, "versions": {}, "rows": {}}


def test_page_and_plot_are_of_the_results():
    every = machine.every(PROCESSORS)
    assert every and PAGE.read_text() == page.overview(every)
    for name, results in every.items():
        assert name == machine.file_name(results["processor"])
        assert PROCESSORS.joinpath(f"{name}.md").read_text() == page.written(name, results)
        assert PROCESSORS.joinpath(f"{name}.svg").read_text() == plot.drawn(results)
        assert f"(rivals_on/{name}.md)" in PAGE.read_text()


def test_processors_have_files_of_their_own():
    names = [
        "Intel(R) Xeon(R) Processor (family 6, model 167), 2 processors",
        "AMD EPYC (family 25, model 1), 2 processors",
    ]
    assert list(map(machine.file_name, names)) == ["intel_xeon_family_6_model_167_2", "amd_epyc_family_25_model_1_2"]


def test_what_is_measured_is_not_measured_again():
    some = rows.chosen(["dot"])[:3]
    on = contestants.chosen(["relax", "iree", "onnxruntime"])
    first, *rest = [row.name for row in some]
    cut = program.pieces(some, on, SOME["rows"], again=False, batch=2)
    assert [(each.contestant.key, list(each.names)) for each in cut] == [
        ("relax", rest), ("onnxruntime", [first, rest[0]]), ("onnxruntime", rest[1:]), ("iree", rest),
    ]  # fmt: skip
    assert len(program.pieces(some, on, SOME["rows"], again=True, batch=3)) == 3


def test_who_is_not_installed_is_missing():
    given = program.options(["--quick"])
    absent = replace(contestants.keyed("iree"), environment=".venv-none")
    found = dict(program.told(program.Piece(absent, ("a", "b")), given, "", {}, io.StringIO()))
    assert found == {"a": {"missing": "no .venv-none"}, "b": {"missing": "no .venv-none"}}
    json.dumps(found)
