"""Tables that modules declare as values, and that the top of their floor assembles into one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ..errors import RegistryError

Key = TypeVar("Key")
Entry = TypeVar("Entry")
Table = TypeVar("Table", bound="DeclaredTable[Any, Any]")


class DeclaredTable(Generic[Key, Entry]):
    """Entries by key, as one module declares them: functions, or what holds one.

    Parameters
    ----------
    replaceable : bool
        Whether a function of the same module and name takes the place of the one before, as when a notebook's cell runs
        again.
    """

    def __init__(self, replaceable: bool = False) -> None:
        self.entries: dict[Key, Entry] = {}
        self._replaceable = replaceable

    @classmethod
    def of(cls: type[Table], *tables: Table) -> Table:
        """All of `tables` as one; RegistryError if two of them have the same key."""
        whole = cls()
        for table in tables:
            for key, entry in table.entries.items():
                whole.add(entry, key)
        return whole

    def add(self, entry: Entry, *keys: Key) -> None:
        """Declare `entry` under all of `keys`; RegistryError, and none is declared, if one of them is taken."""
        with _adding_one:
            self.check_free(*(key for key in keys if not self._replaces(entry, key)))
            self.entries.update(dict.fromkeys(keys, entry))

    def check_free(self, *keys: Key) -> None:
        """RegistryError if one of `keys` is taken."""
        for key in keys:
            if key in self.entries:
                raise RegistryError(self._taken(key, self.entries[key]))

    def _replaces(self, entry: Entry, key: Key) -> bool:
        if not self._replaceable or key not in self.entries:
            return False
        return is_redefinition(self._function_of(entry), self._function_of(self.entries[key]))

    def _taken(self, key: Key, known: Entry) -> str:
        """What is said where `key` is declared again."""
        return f"{key!r} is declared twice"

    @staticmethod
    def _function_of(entry: Any) -> Callable[..., Any]:
        """The function that an entry is about."""
        return entry


_adding_one = threading.Lock()


def is_redefinition(new: Callable[..., Any], old: Callable[..., Any]) -> bool:
    """Whether a function is defined where another one was, under its name: by a notebook's cell that runs again."""
    return (new.__module__, new.__qualname__) == (old.__module__, old.__qualname__)
