"""Mutated inputs: a fresh short run finds nothing, and faults of all sorts are told, kept and made small."""

from __future__ import annotations

import json
import time
import types

import pytest
from tools.mutate import corpus, pool
from tools.mutate.__main__ import main
from tools.mutate.judge import CONVERTED, FAULT, REFUSED, judged
from tools.mutate.roads import ROADS, input_of, road_of
from tools.mutate.shrink import shrunk
from tools.mutate.table import PAGE, RUNS, with_table

from tvm_hlo_frontend.errors import ConversionError, HloParseError

SEED = 1_000_000


@pytest.fixture(scope="module")
def seeds():
    return corpus.modules()


@pytest.mark.parametrize(("kind", "count"), [("proto", 300), ("bytes", 600), ("npz", 200)])
def test_mutated_inputs_are_converted_or_refused(kind, count, seeds):
    originals = seeds if ROADS[kind].seeds is None else ROADS[kind].seeds()
    outcomes = {}
    for seed in range(SEED, SEED + count):
        outcome = judged(road_of(kind, seed), input_of(kind, seed, originals))
        assert outcome.status != FAULT, f"seed {seed}: {outcome.what} at {outcome.where}\n{outcome.text}"
        outcomes[outcome.status] = outcomes.get(outcome.status, 0) + 1
    # the inputs are neither all harmless nor all nonsense
    assert min(outcomes.get(status, 0) for status in (CONVERTED, REFUSED)) > count / 40


@pytest.mark.parametrize("kind", ["text", "mlir", "bytecode", "export"])
def test_mutated_texts_are_refused_by_a_process_of_their_own(kind):
    originals = ROADS[kind].seeds()
    for seed in range(SEED, SEED + 3):
        outcome = judged(road_of(kind, seed), input_of(kind, seed, originals), 60)
        assert outcome.status != FAULT, f"seed {seed}: {outcome.what} at {outcome.where}\n{outcome.text}"


def test_the_corpus_is_converted(seeds):
    """Of what is sound, few are refused: random numbers without a seed and the like."""
    statuses = [judged(ROADS["proto"].run, data).status for data in seeds]
    assert FAULT not in statuses and statuses.count(REFUSED) <= 4


def test_a_seed_is_an_input(seeds):
    assert input_of("proto", 7, seeds) == input_of("proto", 7, seeds)
    assert len({input_of("proto", seed, seeds) for seed in range(40)}) > 30


def raising(error):
    def run(data):
        raise error

    return run


def waiting(data):
    time.sleep(5)


@pytest.mark.parametrize(
    ("run", "status", "what"),
    [
        (len, CONVERTED, ""),
        (raising(HloParseError("x")), REFUSED, "HloParseError"),
        (raising(ConversionError("x")), FAULT, "ConversionError"),
        (raising(KeyError("x")), FAULT, "KeyError"),
        (raising(RecursionError("x")), FAULT, "RecursionError"),
        (raising(MemoryError("x")), FAULT, "MemoryError"),
        (waiting, FAULT, "hang"),
    ],
)
def test_what_is_judged(run, status, what):
    outcome = judged(run, b"input", 0.2)
    assert (outcome.status, outcome.what) == (status, what)


def test_faults_are_made_small(seeds):
    def run(data):
        from tvm_hlo_frontend.hlo.proto.reader import parse_module_proto

        if any(each.opcode == "sort" for c in parse_module_proto(data).computations for each in c.instructions):
            raise KeyError("sort")

    data = next(each for each in seeds if b"sort" in each and judged(run, each).status == FAULT)
    small = shrunk(data, run, judged(run, data))
    assert judged(run, small).what == "KeyError" and len(small) < len(data) / 4
    text = b"a" * 100 + b"!" + b"b" * 100
    assert shrunk(text, lambda data: {}[data] if b"!" in data else 0, judged(lambda data: {}[data], text)) == b"!"


def test_the_program_tells_what_it_ran(capsys, tmp_path):
    results = tmp_path / "results.json"
    arguments = ["--kind", "npz", "--seed", "5", "--count", "30", "--results", str(results)]
    assert main(arguments) == 0
    assert "npz from seed 5: 30 inputs" in capsys.readouterr().out
    (run,) = json.loads(results.read_text())
    assert (run["first"], run["inputs"], run["faults"]) == (5, 30, 0)
    assert run["converted"] + run["refused"] == 30


def test_a_worker_that_ends_is_a_fault_of_the_input_at_work(tmp_path, monkeypatch):
    """The next worker goes on behind it."""
    job = pool.Job("npz", 0, 6, corpus.saved([b"x"], tmp_path / "corpus"), tmp_path, tmp_path, time.monotonic() + 60)
    ending = (
        "import os, struct, sys; first = int(sys.argv[1]); seeds = sys.argv[2]\n"
        "at = 3 if first <= 3 else first\n"
        "open(f'{seeds}_state', 'wb')\n"
        "import pathlib; pathlib.Path(seeds).with_name(f'state_{first}').write_bytes(struct.pack('<qd', at, 0))\n"
        'os.abort() if first <= 3 else print(\'{"next": 6, "counts": {}, "faults": []}\')'
    )
    real = pool.subprocess.Popen

    def popen(command, **options):
        return real([command[0], "-c", ending, command[command.index("--seed") + 1], str(job.seeds)], **options)

    monkeypatch.setattr(pool, "subprocess", types.SimpleNamespace(Popen=popen, PIPE=-1))
    first, second = pool.outcomes_of(job)
    assert first["faults"][0][:2] == [3, "ended with status -6"] and first["next"] == 4
    assert second["next"] == 6


def test_the_page_has_the_runs():
    runs = json.loads(RUNS.read_text())
    assert with_table(PAGE.read_text(), runs) == PAGE.read_text()
    assert sum(run["left"] for run in runs) == 0
