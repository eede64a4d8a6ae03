"""Executors of one compiled module, for calls from any thread: TVM's run one call at a time each.

A call that finds no idle executor makes one, and the process has only so many calls at once, so there are never more.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
        ``make()`` gives a new executor. It is called by one thread at a time.
    """

    def __init__(self, make: Callable[[], Executor]) -> None:
        self._make = make
        self._making = threading.Lock()
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
            return self._make()


class Turns:
    """Lets calls in for which there are processors; the others wait.

    A call within a call, from a function of the host that a module calls, comes in with the one that it is a part of.
    While a call waits that needs several processors, none comes in that needs fewer: it would wait for ever.

    Parameters
    ----------
    count : int
        Processors.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[int] = []
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._thread = threading.local()

    def take(self, needed: int = 1) -> bool:
        """Begin a turn of the calling thread, on `needed` processors; whether it is one of its own, for `leave`."""
        if getattr(self._thread, "inside", False):
            return False
        with self._lock:
            while not self._may_come(needed):
                self._wait(needed)
            self._free -= needed
            self._wake()
        self._thread.inside = True
        return True

    def leave(self, needed: int = 1) -> None:
        """End the turn of the calling thread, which `take` has given `needed` processors."""
        self._thread.inside = False
        with self._lock:
            self._free += needed
            self._wake()

    def _may_come(self, needed: int) -> bool:
        return needed <= self._free and all(needed >= other for other in self._waiting)

    def _wait(self, needed: int) -> None:
        self._waiting.append(needed)
        try:
            self._changed.wait()
        except BaseException:
            self._changed.notify_all()  # the one that was woken does not come
            raise
        finally:
            self._waiting.remove(needed)

    def _wake(self) -> None:
        if self._waiting and self._free:
            # where all need the same no more than that can come, else the right one must be among those woken
            alike = len(set(self._waiting)) == 1
            self._changed.notify(self._free if alike else len(self._waiting))


def threads_of_a_call() -> int:
    """Processors for a call of code that uses TVM's thread pool. Its threads wait for each other by spinning, so more
    of them than processors would make all calls slower."""
    wanted = os.environ.get("TVM_NUM_THREADS", "")
    available = len(processors())
    return min(available, int(wanted)) if wanted.isdecimal() and int(wanted) else available


def processors() -> list[int]:
    """Processors that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


@functools.cache
def turns() -> Turns:
    """The turns of all calls of the process."""
    return Turns(len(processors()))


@functools.cache
def pool_size() -> int:
    """`threads_of_a_call` at the first call: TVM reads it once."""
    return threads_of_a_call()


@functools.cache
def fresh_thread() -> ThreadPoolExecutor:
    """A thread for the calls of the one that a forked process began with, where that has had a pool of TVM's."""
    return ThreadPoolExecutor(1, "tvm-hlo-call")


# of each thread: whether it has started TVM's pool, and whether its pool has lost its workers
_pool_of_thread = threading.local()


def _after_fork() -> None:
    """In the child there are neither calls of other threads nor workers of any pool, for which TVM would wait."""
    turns.cache_clear()
    fresh_thread.cache_clear()
    _pool_of_thread.lost = getattr(_pool_of_thread, "started", False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def pooled(
    make: Callable[[], Executor],
    run: Callable[[Executor, list[np.ndarray]], Any],
    parallel: bool,
) -> RunFlat:
    """`run_flat` of an Executable that may be called from several threads.

    Parameters
    ----------
    make : callable
        See `Pool`.
    run : callable
        ``run(executor, arrays)`` gives arrays that are not the executor's any more.
    parallel : bool
        Whether calls may use TVM's thread pool, see `thread_pool.uses_thread_pool`.
    """
    pool = Pool(make)

    def call(arrays: list[np.ndarray]) -> list[np.ndarray]:
        everyone, needed = turns(), pool_size() if parallel else 1
        if parallel:  # also on one processor, where TVM_NUM_THREADS may ask for more workers
            if getattr(_pool_of_thread, "lost", False):
                return fresh_thread().submit(call, arrays).result()
            _pool_of_thread.started = True
        own = everyone.take(needed)
        try:
            return pool.use(run, arrays)
        finally:
            if own:
                everyone.leave(needed)

    return call
