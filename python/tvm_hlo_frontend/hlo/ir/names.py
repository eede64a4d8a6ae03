"""Unique names."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMBERED = re.compile(r"(?<=.)\.\d+\Z")


class Names:
    """Names given out so far, each once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._next: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """`wanted`, or with the first free ``.N`` behind it, in place of its own: copies of copies keep short names."""
        name = wanted
        if name in self._taken:
            wanted = _NUMBERED.sub("", wanted)
        while name in self._taken:
            number = self._next.get(wanted, 1)
            self._next[wanted] = number + 1
            name = f"{wanted}.{number}"
        self._taken.add(name)
        return name

    def release(self, name: str) -> None:
        """Make `name` free again."""
        self._taken.discard(name)
