"""Tables and progress for people."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# of output that is no terminal
WIDTH = 120


def console() -> Console:
    """Where results are printed."""
    from rich.console import Console

    wide = Console(highlight=False)
    return wide if wide.is_terminal else Console(highlight=False, width=WIDTH)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], limit: int | None = None) -> Any:
    """A table; columns whose name starts with ``>`` are numbers.

    Parameters
    ----------
    title : str
    columns : sequence of str
    rows : iterable of sequences
    limit : int, optional
        Rows that are shown; the last one then says how many are not.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    style = {"title_justify": "left", "title_style": "bold", "box": box.SIMPLE_HEAD, "pad_edge": False}
    made = Table(title=title or None, show_edge=False, **style)  # type: ignore[arg-type]
    for name in columns:
        made.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    rows = list(rows)
    shown = rows if limit is None or len(rows) <= limit else rows[:limit]
    for row in shown:
        made.add_row(*(Text(str(cell)) for cell in row))
    if len(shown) < len(rows):
        made.add_row(Text(""), Text(f"… {len(rows) - len(shown)} more (--all shows them)"))
    return made


def plural(count: int, word: str) -> str:
    """`count` of a thing."""
    return f"{count} {word}{'' if count == 1 else 's'}"


@contextlib.contextmanager
def progress(text: str) -> Iterator[Callable[[str], Any]]:
    """Says on a terminal what is going on, and nothing elsewhere; yields a function that changes the text."""
    from rich.console import Console
    from rich.markup import escape

    errors = Console(stderr=True)
    if not errors.is_terminal:
        yield lambda text: None
        return
    with errors.status(escape(text)) as status:
        yield lambda text: status.update(escape(text))


def quiet_tvm() -> None:
    """No notes of TVM that its schedules could be tuned."""
    for name in ("autotvm", "te_compiler", "strategy"):
        logging.getLogger(name).setLevel(logging.ERROR)
