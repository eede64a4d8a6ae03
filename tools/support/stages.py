"""Runs what goes through stages (lower, convert, build, run, compare), and blames a failure on its stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tools.support.outcome import PASS, REFUSED, WRONG, Outcome, error_message, shorten

# told the name of a stage before it starts
Announce = Callable[[str], None]


def silent(stage: str) -> None:
    """Announces nothing."""


def failure_message(stage: str, error: Exception) -> str:
    """What a stage's exception says: the reasons of a refusal, else its telling line."""
    return refusal_message(error) if hasattr(error, "refusals") else error_message(error)


def run_stages(
    name: str,
    group: str,
    statuses: Mapping[str, str],
    work: Callable[[Announce], tuple[str, str]],
    announce: Announce = silent,
    explain: Callable[[str, Exception], str] = failure_message,
) -> Outcome:
    """Outcome of `work`, whatever its stages raise.

    Parameters
    ----------
    name, group : str
        Of the outcome.
    statuses : mapping of str to str
        Status of what raises, by stage in the order of the stages; that of a refusal is REFUSED in any.
    work : callable
        Told a function, to which it tells the name of every stage that it enters; returns status and message.
    announce : callable, optional
        Told the name of every stage before it starts, so that a crash can be blamed on it.
    explain : callable, optional
        Message of a stage and what it raises.
    """
    current = next(iter(statuses))

    def enter(stage: str) -> None:
        nonlocal current
        current = stage
        announce(stage)

    start = time.perf_counter()
    try:
        status, message = work(enter)
    except Exception as error:  # whatever a stage raises is a result
        status = REFUSED if hasattr(error, "refusals") else statuses[current]
        message = explain(current, error)
    return Outcome(name, group, status, message, round(time.perf_counter() - start, 2))


def verdict_on(faults: Sequence[str]) -> tuple[str, str]:
    """Status and message of what has these faults."""
    return (WRONG, shorten("; ".join(faults))) if faults else (PASS, "")


def refusal_message(error: Any) -> str:
    """The different reasons of an UnsupportedHloError, each with its opcode."""
    reasons = dict.fromkeys(f"{refusal.opcode}: {refusal.reason}" for refusal in error.refusals)
    return shorten(" | ".join(reasons))
