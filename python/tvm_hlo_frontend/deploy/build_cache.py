"""A directory of compiled programs, for builds of the same program in later processes.

An entry is a folder named by the key of what was compiled. It is written beside its place and renamed, so that it is
there as a whole or not at all, and it says the digests of its files, so that one that has changed is not taken.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .whole_files import UNFINISHED

DIGESTS = "digests.json"
LIBRARY = "program.so"
# what is left of a process that was ended while it wrote; none writes for so long
ABANDONED_SECONDS = 3600.0
LIMIT_BYTES = 4 << 30
ENVIRONMENT = "TVM_HLO_FRONTEND_BUILD_CACHE"
_CHUNK = 1 << 20

_warned: set[str] = set()


@dataclass(frozen=True)
class BuildCache:
    """Where `build` keeps what it has compiled. Any number of threads and processes may use one at the same time.

    Attributes
    ----------
    directory : str or pathlib.Path
        Is made if need be. It holds code: it must be the user's own, and writable by no one else.
    limit_bytes : int
        What is there at most; what was used longest ago goes first.
    """

    directory: str | Path
    limit_bytes: int = LIMIT_BYTES

    def found(self, key: str) -> Path | None:
        """The library of an entry; None if there is none. One with other files than were written is removed.

        Raises
        ------
        PermissionError
            If others can write the directory.
        """
        folder = Path(self.directory)
        if not folder.is_dir():
            return None
        refuse_foreign(folder)
        entry = folder / key
        if not entry.is_dir():
            return None
        if not is_whole(entry):
            remove(entry)
            return None
        with contextlib.suppress(OSError):  # a directory that can only be read has no order of use
            os.utime(entry)
        return entry / LIBRARY

    def store(self, key: str, write: Callable[[Path], object]) -> Path | None:
        """Make an entry.

        Parameters
        ----------
        key : str
        write : callable
            ``write(library)`` writes the library, and what belongs to it beside it.

        Returns
        -------
        pathlib.Path or None
            The library; None, with a warning the first time, if the directory cannot be written.

        Raises
        ------
        PermissionError
            If others can write the directory.
        """
        folder = Path(self.directory)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
        except OSError as error:
            return self._told(error)
        try:
            refuse_foreign(folder)
            return self._put(made, key, write)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _put(self, made: Path, key: str, write: Callable[[Path], object]) -> Path | None:
        """`store`, by the folder `made`."""
        try:
            write(made / LIBRARY)
            (made / DIGESTS).write_text(json.dumps(digests(made)))
            size = size_of(made)
        except (OSError, RuntimeError, ValueError) as error:  # of TVM, of the linker, or there is no linker
            return self._told(error)
        if size > self.limit_bytes:
            return self._told(f"a program of {size} bytes is more than its limit of {self.limit_bytes}")
        self._make_room(size)
        with contextlib.suppress(OSError):  # another process was first
            os.rename(made, made.with_name(key))
        return self.found(key)

    def _make_room(self, needed: int) -> None:
        """Remove entries until `needed` bytes fit, and what ended processes have left."""
        finished = []
        for used, size, entry in sorted(entries(Path(self.directory))):
            if not entry.name.startswith(UNFINISHED):
                finished.append((size, entry))
            elif time.time() - used > ABANDONED_SECONDS:
                shutil.rmtree(entry, ignore_errors=True)
        total = needed + sum(size for size, _ in finished)
        for size, entry in finished:
            if total <= self.limit_bytes:
                break
            remove(entry)
            total -= size

    def _told(self, reason: object) -> Path | None:
        """Say why nothing is kept, once for each directory."""
        directory = str(self.directory)
        if directory not in _warned:
            _warned.add(directory)
            warnings.warn(f"{directory} keeps no compiled program: {reason}", stacklevel=5)
        return None


def cache_of(given: str | Path | BuildCache | bool | None) -> BuildCache | None:
    """What `build` takes as a cache; None if there is none."""
    if given is None:
        given = os.environ.get(ENVIRONMENT) or False
    if given is True:
        raise ValueError("cache must be a directory, a BuildCache, False or None")
    if given is False:
        return None
    return given if isinstance(given, BuildCache) else BuildCache(Path(given))


def refuse_foreign(folder: Path) -> None:
    """PermissionError if a directory is another user's (but root's), or others can write it: it holds code."""
    if not hasattr(os, "geteuid"):
        return
    found = folder.stat()
    if found.st_uid not in (os.geteuid(), 0):
        raise PermissionError(f"{folder} is another user's, and a cache of compiled programs holds code")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"others can write {folder}, and a cache of compiled programs holds code: chmod go-w it")


def is_whole(entry: Path) -> bool:
    """Whether the files of an entry are those that were written."""
    try:
        return bool(json.loads((entry / DIGESTS).read_text()) == digests(entry))
    except (OSError, ValueError):
        return False


def digests(entry: Path) -> dict[str, str]:
    """SHA-256 of the files of an entry by name."""
    return {file.name: digest(file) for file in sorted(entry.iterdir()) if file.name != DIGESTS}


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with file.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def entries(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each folder in the directory was last used, its size and its path."""
    for entry in folder.iterdir():
        with contextlib.suppress(OSError):  # another process has removed it
            if entry.is_dir():
                yield entry.stat().st_mtime, size_of(entry), entry


def size_of(entry: Path) -> int:
    """Bytes of the files of an entry."""
    return sum(file.stat().st_size for file in entry.iterdir())


def remove(entry: Path) -> None:
    """Remove an entry; it is out of its place at once, or in it as a whole."""
    with contextlib.suppress(OSError):  # another process was first, or the directory can only be read
        away = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=entry.parent))
        try:
            os.rename(entry, away)
        finally:
            shutil.rmtree(away, ignore_errors=True)
