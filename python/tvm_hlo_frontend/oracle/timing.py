"""Latencies of several programs on one machine, measured in turns."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..deploy.executable import Executable

# calls per turn; the first is not counted: it finds the caches and the processors as the other program left them
CALLS_PER_TURN = 6
MINIMUM_CALLS = 20
SECONDS = 2.0
MAXIMUM_CALLS = 2000


def alternate(
    programs: Mapping[str, Callable[[], Any]], statistic: Callable[[Sequence[float]], float] = statistics.median
) -> dict[str, float]:
    """Seconds per call of each program: the median, or another `statistic` of the calls.

    The programs run in turns (A B A B …), so that a busy neighbour or a hot processor hurts all of them alike, until
    each has had at least `MINIMUM_CALLS` counted calls and `SECONDS` on average.
    """
    for program in programs.values():
        program()
    times: dict[str, list[float]] = {name: [] for name in programs}
    start = time.perf_counter()
    while not enough(times, time.perf_counter() - start):
        for name, program in programs.items():
            times[name] += turn(program)
    return {name: statistic(values) for name, values in times.items()}


def enough(times: Mapping[str, list[float]], elapsed: float) -> bool:
    """Whether there are enough calls."""
    count = min(len(values) for values in times.values())
    return count >= MAXIMUM_CALLS or (count >= MINIMUM_CALLS and elapsed >= SECONDS * len(times))


def turn(program: Callable[[], Any]) -> list[float]:
    """Seconds of each counted call of one turn."""
    seconds = []
    for _ in range(CALLS_PER_TURN):
        start = time.perf_counter()
        program()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def prepared(executable: Executable, arrays: Sequence[Any]) -> Callable[[], Any]:
    """A call that runs a built module on arguments that are in place already, and leaves its results there. It has an
    executor of its own, which one thread at a time uses.

    Parameters
    ----------
    executable : Executable
    arrays : sequence of array_like
        As a call of `executable` takes them.

    Returns
    -------
    callable

    Raises
    ------
    SignatureError
        If the arrays do not fit.
    """
    from ..backends.select import placed_run
    from ..deploy.executable import check_arguments

    checked = check_arguments(executable.inputs, tuple(arrays))
    run = placed_run(executable.library, executable.executor, executable.signature, checked)
    alone = threading.Lock()

    def call() -> None:
        with alone:
            run()

    return call
