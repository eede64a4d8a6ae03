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
        """`wanted`, or `wanted` with the first free ``.N`` behind it."""
        name = wanted
        while name in self._taken:
            number = self._next.get(wanted, 1)
            self._next[wanted] = number + 1
            name = f"{wanted}.{number}"
        self._taken.add(name)
        return name

    def take_for_copy(self, original: str) -> str:
        """A name for a copy of what is called `original`: a number takes the place of the original's, so that copies of
        copies keep short names."""
        return self.take(original if original not in self._taken else _NUMBERED.sub("", original))

    def release(self, name: str) -> None:
        """Make `name` free again."""
        self._taken.discard(name)
