"""What a run has found out, a line for each outcome, so that another run can go on where it stopped."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path

from tools.support.outcome import Outcome


def read_journal(path: Path) -> dict[str, Outcome]:
    """Outcomes of an earlier run by name; a line that was cut off is left out."""
    outcomes = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            outcome = Outcome.from_json(line)
        except ValueError:
            continue
        outcomes[outcome.name] = outcome
    return outcomes


class Journal:
    """The journal of a run.

    Parameters
    ----------
    path : pathlib.Path
    names : collection of str
        What the run is about.
    resume : bool
        Whether the outcomes that are there stand; else the run begins anew.
    stands : callable, optional
        Of an outcome that is there, whether it stands; by default all do.

    Attributes
    ----------
    done : dict of str to Outcome
        By name: those that stand, and those that were written since.
    left : list of str
        Names without an outcome that stands, in their order.
    """

    def __init__(
        self,
        path: Path,
        names: Collection[str],
        resume: bool = False,
        stands: Callable[[Outcome], bool] = lambda outcome: True,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        known, wanted = read_journal(path) if resume else {}, set(names)
        self.done = {name: outcome for name, outcome in known.items() if name in wanted and stands(outcome)}
        self.left = [name for name in names if name not in self.done]
        self._path, self._mode = path, "a" if resume else "w"

    def written(self, outcomes: Generator[Outcome, None, None], until: float = float("inf")) -> Iterator[Outcome]:
        """Outcomes as they come, each of which is written first; the first one after `until`, a time of
        `time.monotonic`, is the last."""
        with open(self._path, self._mode, encoding="utf-8") as file, contextlib.closing(outcomes):
            for outcome in outcomes:
                file.write(outcome.to_json() + "\n")
                file.flush()
                self.done[outcome.name] = outcome
                yield outcome
                if time.monotonic() > until:
                    return
