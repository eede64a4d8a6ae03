"""Calls timed in turns, round after round, and how far the rounds lie apart."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# where calls are long, rounds end early, but not before these
LEAST_ROUNDS = 3
MOST_CALLS = 1000

Clock = Callable[[], float]


@dataclass(frozen=True)
class Ratio:
    """A ratio of the least times, and the quartiles of the rounds' ratios."""

    least: float
    low: float
    high: float


def in_turns(
    calls: Mapping[str, Callable[[], Any]], seconds: float, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each round's shortest call: other processes only ever add to it.

    Parameters
    ----------
    calls : mapping of str to callable
    seconds : float
        That all turns together are to take, about; long calls take up to three times as much.
    rounds : int
    clock : callable
    """
    counts = {name: calls_per_turn(call, seconds / rounds / len(calls), clock) for name, call in calls.items()}
    found: dict[str, list[float]] = {name: [] for name in calls}
    start = clock()
    for number in range(rounds):
        for name, call in calls.items():
            found[name].append(turn(call, counts[name], clock))
        if number + 1 >= LEAST_ROUNDS and clock() - start > 3 * seconds:
            break
    return found


def calls_per_turn(call: Callable[[], Any], seconds: float, clock: Clock) -> int:
    """How many calls fit into a turn; the first call, which may compile, is not counted."""
    call()
    return max(1, min(MOST_CALLS, round(seconds / max(turn(call, 1, clock), 1e-6))))


def turn(call: Callable[[], Any], count: int, clock: Clock) -> float:
    """The shortest of so many calls, after one that finds caches and processors as the other program left them."""
    call()
    times = []
    for _ in range(count):
        start = clock()
        call()
        times.append(clock() - start)
    return min(times)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Ours over theirs."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Ratio(min(ours) / min(theirs), low, high)
