"""Products, convolutions and models on this package and on other runtimes, against XLA:CPU.

Run: make bench, or python -m benchmarks.rivals [options]

Every measurement takes turns with XLA:CPU in one process, so all are joined by their ratio to it. What is measured
already on this processor is kept in a file of its own in benchmarks/rivals_on and not measured again without --again,
so the rows may be measured piece by piece. The pages and plots there and benchmarks/rivals.md are written from all that
is there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import CACHE, PAGE, PROCESSORS, ROOT, artifacts, contestants, machine, page, plot, rows, running
from .locks import Lock


@dataclass(frozen=True)
class Piece:
    """Rows that one process measures."""

    contestant: contestants.Contestant
    names: tuple[str, ...]


def options(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    keys = [each.key for each in contestants.CONTESTANTS]
    add("--only", action="append", default=[], metavar="PART", help="rows with this in their name; `shapes`, `models`")
    add("--on", action="append", default=[], choices=keys, help="contestants (default: all)")
    add("--again", action="store_true", help="measure what is measured already")
    add("--seconds", type=float, default=2.0, help="of one measurement, about (default: 2)")
    add("--rounds", type=int, default=15, help="turns of one measurement (default: 15)")
    add("--quick", action="store_true", help="0.3 seconds and 5 rounds")
    add("--batch", type=int, default=12, help="most rows of one process (default: 12)")
    add("--timeout", type=float, default=300, help="seconds that a row may take to be built, or to be measured")
    add("--lock", type=Path, help="a file to lock alone while rows are timed, and with others while they are built")
    add("--results", type=Path, help="another file than this processor's in benchmarks/rivals_on; no page is written")
    add("--page", action="store_true", help="write the pages and the plots again, measure nothing")
    given = parser.parse_args(words)
    if given.quick:
        given.seconds, given.rounds = 0.3, 5
    return given


def main(words: Sequence[str] | None = None) -> int:
    """Measure what is chosen and write the results; the exit status."""
    given = options(words)
    if not given.page:
        here = machine.processor()
        path = given.results or PROCESSORS / f"{machine.file_name(here)}.json"
        measure(given, path, machine.kept(machine.read(path), here))
    if given.results is None:
        write_pages()
    return 0


def write_pages() -> None:
    """Those of every processor, and the one that leads to them."""
    found = machine.every(PROCESSORS)
    PAGE.write_text(page.overview(found))
    for name, results in found.items():
        PROCESSORS.joinpath(f"{name}.md").write_text(page.written(name, results))
        PROCESSORS.joinpath(f"{name}.svg").write_text(plot.drawn(results))


def measure(given: argparse.Namespace, path: Path, results: dict[str, Any]) -> None:
    """Add to the results, and write them to `path` after every row."""
    lock = str(given.lock.resolve()) if given.lock else ""
    if not results["peaks"]:
        with Lock(lock).alone():
            results["peaks"] = machine.peaks()
    chosen = rows.chosen(given.only)
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "log.txt", "a") as log:
        faults = {row.name: fault for row in chosen if (fault := made(row, log))}
        for piece in pieces(chosen, contestants.chosen(given.on), results["rows"], given.again, given.batch):
            results["versions"][piece.contestant.key] = versions_of(piece.contestant)
            record = {"commit": machine.commit(), "date": machine.today()}
            for name, event in told(piece, given, lock, faults, log):
                kept = {key: event[key] for key in ("measured", "missing") if key in event}
                results["rows"].setdefault(name, {})[piece.contestant.key] = {**record, **kept}
                print(f"{name}, {piece.contestant.title}: {summary(kept)}", flush=True)
                machine.write(path, results)


def made(row: rows.Row, log: Any) -> str:
    """Make the row's files, unless they are there; why there are none."""
    python = python_of(contestants.RELAX)
    if artifacts.is_made(row):
        return ""
    return running.make_files(str(python), row.name, log) if python.exists() else f"no {contestants.RELAX}"


def pieces(
    chosen: Sequence[rows.Row],
    on: Sequence[contestants.Contestant],
    found: dict[str, Any],
    again: bool,
    batch: int,
) -> list[Piece]:
    """What is to be measured, some rows of one contestant at a time."""
    cut = []
    for contestant in on:
        names = [row.name for row in chosen if again or contestant.key not in found.get(row.name, {})]
        cut += [Piece(contestant, tuple(names[start : start + batch])) for start in range(0, len(names), batch)]
    return cut


def told(piece: Piece, given: argparse.Namespace, lock: str, faults: dict[str, str], log: Any) -> Any:
    """What becomes of the rows of a piece."""
    python = python_of(piece.contestant.environment)
    if absent := absence(piece.contestant, python):
        faults = dict.fromkeys(piece.names, absent)
    yield from ((name, {"missing": faults[name]}) for name in piece.names if name in faults)
    command = running.worker(str(python), piece.contestant.key, given.seconds, given.rounds, lock)
    yield from running.outcomes(command, [name for name in piece.names if name not in faults], given.timeout, log)


def absence(contestant: contestants.Contestant, python: Path) -> str:
    """Why a contestant cannot be asked at all; empty if it can."""
    if not python.exists():
        return f"no {contestant.environment}"
    try:
        machine.versions(python, contestant.distributions)
    except machine.CommandError:
        return f"not installed: {', '.join(contestant.distributions)}"
    return ""


def versions_of(contestant: contestants.Contestant) -> str:
    """Versions of what was measured; empty if it is not there."""
    python = python_of(contestant.environment)
    return "" if absence(contestant, python) else machine.versions(python, (*contestant.distributions, "jaxlib"))


def python_of(environment: str) -> Path:
    return ROOT / environment / "bin" / "python"


def summary(kept: dict[str, Any]) -> str:
    """One line of what was measured."""
    if "missing" in kept:
        return f"missing, {kept['missing']}"
    found = kept["measured"]
    spread = f"{found['low']:.2f} to {found['high']:.2f}"
    return f"{found['ms']:.3f} ms, XLA {found['xla_ms']:.3f} ms, {found['ratio']:.2f} ({spread})"


if __name__ == "__main__":
    sys.exit(main())
