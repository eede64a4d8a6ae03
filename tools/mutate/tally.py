"""What became of all inputs of a run, added up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tools.support.runs import runs_of
from tvm_hlo_frontend.backends.select import installed_dialect


class Tally:
    """Numbers of a run of one kind of input from a seed on."""

    def __init__(self, kind: str, first: int) -> None:
        self.kind, self.first = kind, first
        self.counts: Counter[str] = Counter()
        self.bytes = 0
        self.slowest = self.largest = (0.0, 0, 0)
        self.faults: dict[tuple[str, str], tuple[int, int]] = {}  # to the first seed, and how many

    @property
    def inputs(self) -> int:
        """How many there were."""
        return sum(self.counts.values())

    def add(self, lines: Iterable[dict[str, Any]]) -> list[str]:
        """Add what workers told; texts of the faults that are new."""
        new = []
        for line in lines:
            self.counts.update(line["counts"])
            self.bytes += line["bytes"]
            self.slowest = max(self.slowest, tuple(line["slowest"]))
            self.largest = max(self.largest, tuple(line["largest"]))
            for seed, what, where, text in line["faults"]:
                known = self.faults.get((what, where))
                if known is None:
                    new.append(f"{self.kind} {seed}: {what} at {where}\n{text}")
                self.faults[what, where] = (seed, 1) if known is None else (known[0], known[1] + 1)
        return new

    def line(self) -> str:
        """One line for the impatient."""
        return f"{self.inputs} inputs, {self.counts['converted']} converted, {self.counts['fault']} faults"

    def text(self) -> str:
        """All that is known at the end."""
        counts = ", ".join(f"{what} {count}" for what, count in self.counts.most_common())
        faults = [
            f"  {count} times {what} at {where}, first seed {seed}"
            for (what, where), (seed, count) in self.faults.items()
        ]
        slowest = "slowest {:.1f} s ({} bytes, seed {})".format(*self.slowest)
        largest = "most memory {:.0f} MB ({} bytes, seed {})".format(*self.largest)
        return "\n".join(
            [f"{self.kind} from seed {self.first}: {self.inputs} inputs", counts, slowest, largest, *faults]
        )

    def write(self, path: Path) -> None:
        """Add the run to a JSON file of runs."""
        runs = runs_of(path)
        runs.append(
            {
                "dialect": installed_dialect(),
                "kind": self.kind,
                "first": self.first,
                "inputs": self.inputs,
                "converted": self.counts["converted"],
                "refused": sum(count for what, count in self.counts.items() if what.startswith("refused")),
                "faults": self.counts["fault"],
                "left": self.counts["fault"],
                "slowest": round(self.slowest[0], 1),
                "megabytes": round(self.largest[0]),
            }
        )
        path.write_text(json.dumps(runs, indent=1) + "\n")
