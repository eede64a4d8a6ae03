"""Programs in one process: a line of JSON for each, and before each side which one is at work."""

from __future__ import annotations

import json
import time
import warnings
from collections import Counter
from collections.abc import Collection
from typing import Any

import numpy as np

from tools.fuzz.generator import program_of
from tools.fuzz.judge import outcome_of
from tools.fuzz.program import Program
from tools.fuzz.sides import road_of
from tvm_hlo_frontend.hlo.ir.module import HloInstruction


def work(first: int, count: int, steps: int, only: Collection[str] = ()) -> None:
    """Judge programs and print what became of them; with `only` those with any of these opcodes, to the first fault."""
    warnings.simplefilter("ignore")
    for seed in range(first, first + count):
        if only and not set(only) & set(contents(program_of(seed, steps))[0]):
            continue
        result = result_of(seed, steps)
        print(json.dumps(result), flush=True)
        if only and result["fault"]:
            return


def result_of(seed: int, steps: int) -> dict[str, Any]:
    """What a worker tells of one program."""
    start = time.perf_counter()
    program = program_of(seed, steps)

    def tell(side: str) -> None:
        print(json.dumps({"at": seed, "side": side}), flush=True)

    outcome = outcome_of(program, seed, tell)
    opcodes, types = contents(program)
    found = {
        "seed": seed,
        "road": road_of(seed),
        "status": outcome.status,
        "why": outcome.why,
        "opcodes": opcodes,
        "types": types,
        "fault": outcome.fault and [outcome.fault.seed, outcome.fault.what, outcome.fault.text],
        "seconds": round(time.perf_counter() - start, 3),
    }
    return {**found, **dull(outcome.results)}


def contents(program: Program) -> tuple[Counter[str], Counter[str]]:
    """How often each opcode and each element type is in a program, bodies included."""
    opcodes, types = Counter[str](), Counter[str]()
    seen: set[HloInstruction] = set()
    pending = [value.instruction for value in program.values]
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        opcodes[current.opcode] += 1
        types[current.shape.element_type] += 1
        pending += current.operands
        for called in current.called_computations:
            pending += called.instructions
    return opcodes, types


def dull(results: list[np.ndarray]) -> dict[str, int]:
    """How many arrays of several elements say nothing: all NaN, or all equal."""
    several = [array for array in results if array.size > 1]
    numbers = [array.astype(np.complex128 if array.dtype.kind == "c" else np.float64) for array in several]
    nan = sum(bool(np.isnan(array).all()) for array in numbers)
    equal = sum(bool((array == array.ravel()[0]).all()) for array in numbers)
    return {"outputs": len(several), "nan": nan, "equal": equal}
