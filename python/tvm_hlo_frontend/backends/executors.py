"""Executors of one compiled module, for calls from any thread: TVM's run one call at a time each.

A call that finds no idle executor makes one, and the process has only so many calls at once, so there are never more.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

from .base import RunFlat

Executor = TypeVar("Executor")
Result = TypeVar("Result")


class Pool(Generic[Executor]):
    """Lends executors of one module, each to one call at a time.

    Parameters
    ----------
    make : callable
        ``make(first)`` gives a new executor; `first` is the one made before all others, for the weights that it holds,
        or None. It is called by one thread at a time.
    """

    def __init__(self, make: Callable[[Executor | None], Executor]) -> None:
        self._make = make
        self._making = threading.Lock()
        self._first: Executor | None = None
        self._idle: list[Executor] = []

    def use(self, run: Callable[[Executor, Any], Result], arrays: Any) -> Result:
        """``run(executor, arrays)`` with an executor that no other call has; one whose call raised an error is not
        used again: where it stopped is unknown."""
        try:
            executor = self._idle.pop()
        except IndexError:
            executor = self._made()
        result = run(executor, arrays)
        self._idle.append(executor)
        return result

    def _made(self) -> Executor:
        with self._making:
            executor = self._make(self._first)
            if self._first is None:
                self._first = executor
            return executor


class Turns:
    """Lets some calls in at once; the others wait.

    A call within a call, from a function of the host that a module calls, comes in with the one that it is a part of.

    Parameters
    ----------
    count : int
        Calls at once.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._thread = threading.local()

    def take(self) -> bool:
        """Begin a turn of the calling thread; whether it is one of its own, for `leave`."""
        if getattr(self._thread, "inside", False):
            return False
        with self._lock:
            while not self._free:
                self._wait()
            self._free -= 1
        self._thread.inside = True
        return True

    def leave(self) -> None:
        """End the turn of the calling thread."""
        self._thread.inside = False
        with self._lock:
            self._free += 1
            if self._waiting:
                self._changed.notify()

    def _wait(self) -> None:
        self._waiting += 1
        try:
            self._changed.wait()
        finally:
            self._waiting -= 1


def calls_at_once() -> int:
    """As many calls as there are processors for the threads of each: TVM's threads wait for each other by spinning, so
    more of them than processors make all calls slower."""
    wanted = os.environ.get("TVM_NUM_THREADS", "")
    return max(1, len(processors()) // int(wanted)) if wanted.isdecimal() and int(wanted) else 1


def processors() -> list[int]:
    """Processors that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


@functools.cache
def turns() -> Turns:
    """The turns of all calls of the process, counted at the first one."""
    return Turns(calls_at_once())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=turns.cache_clear)  # calls of other threads do not go on in the child


def pooled(make: Callable[[Executor | None], Executor], run: Callable[[Executor, list[np.ndarray]], Any]) -> RunFlat:
    """`run_flat` of an Executable that may be called from several threads.

    Parameters
    ----------
    make : callable
        See `Pool`.
    run : callable
        ``run(executor, arrays)`` gives arrays that are not the executor's any more.
    """
    pool = Pool(make)

    def call(arrays: list[np.ndarray]) -> list[np.ndarray]:
        everyone = turns()
        own = everyone.take()
        try:
            return pool.use(run, arrays)
        finally:
            if own:
                everyone.leave()

    return call
