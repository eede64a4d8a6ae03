"""What a rule is, and what breaks it."""

from __future__ import annotations

import re
from dataclasses import dataclass

TESTS = "tests/python/frontend"
PACKAGE = "python/tvm_hlo_frontend"

_IN_A_NAME = re.compile(r"rules?_?(\d+(?:_and_\d+)*)")


def rules_named(node_id: str) -> set[int]:
    """Numbers of the rules in a test's id: ``test_rule_54_…``, ``test_gather[rule_54 …]``, ``test_rules_4_and_9_…``."""
    return {int(number) for numbers in _IN_A_NAME.findall(node_id) for number in numbers.split("_and_")}


@dataclass(frozen=True)
class Break:
    """A change of one file that makes the mistake of which a rule warns.

    Attributes
    ----------
    file : str
        Below `PACKAGE`.
    before, after : str
        `before` occurs once in the file.
    tests : tuple of str
        Node ids below `TESTS`, of which at least one must fail; each names the rule.
    also : tuple of (str, str)
        Further such changes of the same file.
    """

    file: str
    before: str
    after: str
    tests: tuple[str, ...]
    also: tuple[tuple[str, str], ...] = ()

    @property
    def edits(self) -> tuple[tuple[str, str], ...]:
        return ((self.before, self.after), *self.also)


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes
    ----------
    number : int
    title : str
        What it says, in one line.
    breaks : tuple of Break
        Empty if there is no code of its own that could be wrong.
    nothing : str
        Then why.
    refused : bool
        What the rule speaks of is refused; breaking it lets that through.
    """

    number: int
    title: str
    breaks: tuple[Break, ...] = ()
    nothing: str = ""
    refused: bool = False


def broken(text: str, change: Break) -> str:
    """`text` of the file with the change made.

    Raises
    ------
    ValueError
        If a text to be replaced does not occur exactly once.
    """
    for before, after in change.edits:
        if text.count(before) != 1:
            raise ValueError(f"{change.file}: this occurs {text.count(before)} times instead of once:\n{before}")
        text = text.replace(before, after)
    return text
