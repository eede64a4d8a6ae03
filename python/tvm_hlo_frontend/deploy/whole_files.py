"""Files that are in their places as a whole or not at all: a full disk or a process that ends leaves no half of one."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

# of folders that hold what is being written, or goes
UNFINISHED = ".unfinished-"


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Write a file.

    Yields
    ------
    pathlib.Path
        Of the same name, in a folder beside, to write in its place. It takes the place of `path` at the end of the
        block, and processes that have opened an older file there keep that. If the block raises an error nothing
        changes. What is no file, such as a pipe, is yielded itself.

    Raises
    ------
    OSError
        If nothing can be written there.
    """
    with written_together([path]) as (made,):
        yield made


@contextlib.contextmanager
def written_together(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """`written_whole` for files of one folder that belong together. Who reads the last one first, and then the others,
    finds those of one writing or none: an older last one goes before the others come."""
    targets = [Path(os.path.realpath(path)) for path in paths]  # what a link leads to, not the link
    if any(path.exists() and not path.is_file() for path in targets):
        yield targets
        return
    folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=targets[-1].parent))
    try:
        made = [folder / path.name for path in targets]
        yield made
        if len(targets) > 1:
            targets[-1].unlink(missing_ok=True)
        for each, path in zip(made, targets):
            os.replace(each, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
