"""What became of the programs of a run, added up, and the runs of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tools.fuzz.generator import digest
from tools.support.runs import runs_of, write_runs
from tvm_hlo_frontend.backends.select import installed_dialect


class Tally:
    """Numbers of a run of seeds in order."""

    def __init__(self, first: int, steps: int) -> None:
        self.first, self.steps, self.next = first, steps, first
        self.statuses: Counter[str] = Counter()
        self.roads: Counter[str] = Counter()
        self.opcodes: Counter[str] = Counter()
        self.types: Counter[str] = Counter()
        self.outputs: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.faults: list[list[Any]] = []
        self.seconds = 0.0

    @property
    def programs(self) -> int:
        """How many there were."""
        return self.next - self.first

    def add(self, results: Iterable[dict[str, Any]]) -> list[list[Any]]:
        """Add what a worker told; the faults among it."""
        new = []
        for result in results:
            self.next = result["seed"] + 1
            self.statuses[result["status"]] += 1
            self.roads[result["road"]] += 1
            self.opcodes.update(result["opcodes"])
            self.types.update(result["types"])
            self.outputs.update({name: result[name] for name in ("outputs", "nan", "equal")})
            self.seconds += result["seconds"]
            if result["why"]:
                self.reasons[f"{result['status']}: {result['why']}"] += 1
            if result["fault"]:
                new.append(result["fault"])
        self.faults += new
        return new

    def line(self) -> str:
        """One line for the impatient."""
        return f"{self.programs} programs, {len(self.faults)} faults"

    def text(self) -> str:
        """All that is known at the end."""
        outputs = max(1, self.outputs["outputs"])
        shares = ", ".join(f"{100 * self.outputs[name] / outputs:.1f} % all {name}" for name in ("nan", "equal"))
        return "\n".join(
            [
                f"seeds {self.first} to {self.next - 1}: {self.line()}",
                _counts(self.statuses),
                _counts(self.roads),
                f"results: {shares}",
                _counts(self.opcodes),
                _counts(self.types),
                *(f"{count} times {reason}" for reason, count in self.reasons.most_common(20)),
            ]
        )

    def run(self) -> dict[str, Any]:
        """The run as JSON has it."""
        return {
            "dialect": installed_dialect(),
            "generator": digest(),
            "first": self.first,
            "steps": self.steps,
            "programs": self.programs,
            **{status: self.statuses[status] for status in ("agrees", "refused", "no reference")},
            "faults": len(self.faults),
            "left": len(self.faults),
            "faulty": [fault[0] for fault in self.faults],
            "roads": dict(self.roads.most_common()),
            "outputs": dict(self.outputs),
            "opcodes": dict(self.opcodes.most_common()),
            "types": dict(self.types.most_common()),
        }

    def write(self, path: Path) -> None:
        """Add the run to a JSON file of runs, in the place of what it was before."""
        run = self.run()
        runs = [each for each in runs_of(path) if _key(each) != _key(run)]
        write_runs(path, [*runs, run])


def _key(run: dict[str, Any]) -> tuple[Any, ...]:
    return run["dialect"], run["generator"], run["first"], run["steps"]


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common())


def following(path: Path) -> int:
    """The first seed that no run with this TVM has had, from 0 on."""
    ends = [run["first"] + run["programs"] for run in runs_of(path) if run["dialect"] == installed_dialect()]
    return max(ends, default=0)
