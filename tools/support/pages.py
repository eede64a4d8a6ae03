"""Pieces of pages that tools write: tables, and what stands between two marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table_of(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    lines = [f"| {' | '.join(row)} |" for row in (titles, *rows)]
    return [lines[0], "|" + "---|" * len(titles), *lines[1:]]


def with_part(page: str, begin: str, end: str, text: str) -> str:
    """A page with other text between two marks."""
    before, rest = page.split(begin)
    return before + begin + text + rest[rest.index(end) :]
