"""Values that are made once per key, for threads: what is there is at hand while another one is made."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from typing import Generic, TypeVar

# how many are kept, where nobody says another number
LIMIT = 8

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Variants(Generic[Key, Value]):
    """The values used last.

    Parameters
    ----------
    limit : int
        How many are kept; the one whose last use is longest ago goes first, and lives on in the calls that use it.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._made: OrderedDict[Key, Value] = OrderedDict()
        self._making: dict[Key, Future[Value]] = {}

    def found(self, key: Key) -> Value | None:
        """The value of a key if it is there."""
        with self._lock:
            value = self._made.get(key)
            if value is not None:
                self._made.move_to_end(key)
            return value

    def found_or_made(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of a key. Of threads that want one that is not there the first makes it, and the others wait for
        it or for the error; errors are not kept."""
        while True:
            with self._lock:
                value = self._made.get(key)
                if value is not None:
                    self._made.move_to_end(key)
                    return value
                awaited = self._making.get(key)
                if awaited is None:
                    own = self._making[key] = Future()
            if awaited is None:
                return self._make(key, make, own)
            try:
                return awaited.result()
            except CancelledError:
                continue  # its thread was interrupted; this one may make it

    def items(self) -> list[tuple[Key, Value]]:
        """All that are there, in the order of their last use."""
        with self._lock:
            return list(self._made.items())

    def _make(self, key: Key, make: Callable[[], Value], own: Future[Value]) -> Value:
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._making[key]
            if isinstance(error, Exception):
                own.set_exception(error)
            else:
                own.cancel()
            raise
        with self._lock:
            del self._making[key]
            self._made[key] = value
            while len(self._made) > self.limit:
                self._made.popitem(last=False)
        own.set_result(value)
        return value
