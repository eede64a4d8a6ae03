"""What a rule is, and what breaks it."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = "tests/python"
PACKAGE = "python/tvm_hlo_frontend"

_IN_A_NAME = re.compile(r"rules?_?(\d+(?:_and_\d+)*)")


def node_id(root: Path, test: str) -> str:
    """pytest's id of ``test_file.py::test…`` in a tree, wherever the file is below `TESTS`.

    Raises
    ------
    ValueError
        If there is no such file, or several.
    """
    name, _, rest = test.partition("::")
    found = list((root / TESTS).rglob(name))
    if len(found) != 1:
        raise ValueError(f"{len(found)} files below {TESTS} are called {name}")
    return f"{found[0].relative_to(root).as_posix()}::{rest}"


def rules_named(node_id: str) -> set[int]:
    """Numbers of the rules in a test's id: ``test_rule_54_…``, ``test_gather[rule_54 …]``, ``test_rules_4_and_9_…``."""
    return {int(number) for numbers in _IN_A_NAME.findall(node_id) for number in numbers.split("_and_")}


@dataclass(frozen=True)
class Break:
    """A change of one file that makes the mistake of which a rule warns.

    Attributes
    ----------
    where : str
        Name of the function, method or constant that is changed, behind as much of its module's name as makes it the
        only one: ``convert_dot``, ``floats.clamp``, ``_Scatter._write``. Wherever it moves to, it is found.
    before, after : str
        `before` occurs once in the file, in what `where` names.
    tests : tuple of str
        Node ids without folders, of which at least one must fail; each names the rule.
    also : tuple of (str, str)
        Further such changes of the same file.
    """

    where: str
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


@dataclass(frozen=True)
class Definition:
    """A function, class, method or constant of the package: its dotted name below it, its file and its lines."""

    name: str
    path: Path
    first: int
    last: int


@functools.cache
def definitions(package: Path) -> tuple[Definition, ...]:
    """All definitions of the modules below `package`."""
    return tuple(found for path in sorted(package.rglob("*.py")) for found in definitions_of(path, package))


def definitions_of(path: Path, package: Path) -> Iterator[Definition]:
    """Those of one module."""
    module = ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for name, part in named_parts(node):
            first = min([part.lineno, *(line.lineno for line in getattr(part, "decorator_list", []))])
            yield Definition(f"{module}.{name}", path, first, part.end_lineno or first)


def named_parts(node: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    """What a statement of a module defines, by name."""
    if isinstance(node, ast.FunctionDef):
        yield node.name, node
    elif isinstance(node, ast.ClassDef):
        yield node.name, node
        yield from ((f"{node.name}.{part.name}", part) for part in node.body if isinstance(part, ast.FunctionDef))
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = (name for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
        yield from ((name.id, node) for name in names)


def place(package: Path, where: str) -> Definition:
    """What `where` of a `Break` names.

    Raises
    ------
    ValueError
        If nothing has that name, or several things have.
    """
    found = [each for each in definitions(package) if each.name == where or each.name.endswith(f".{where}")]
    if len(found) != 1:
        raise ValueError(f"{where}: {len(found)} definitions have this name: {', '.join(f.name for f in found)}")
    return found[0]


def broken(package: Path, change: Break) -> tuple[Path, str]:
    """The file below `package` that a change is made in, and its text with the change made.

    Raises
    ------
    ValueError
        If a text to be replaced does not occur exactly once, or stands elsewhere than the change says.
    """
    found = place(package, change.where)
    text = found.path.read_text(encoding="utf-8")
    line = text[: max(text.find(change.before), 0)].count("\n") + 1
    if change.before in text and not found.first <= line + change.before.startswith("\n") <= found.last:
        raise ValueError(f"{change.where}: this is not in it but in line {line} of its file:\n{change.before}")
    for before, after in change.edits:
        if text.count(before) != 1:
            raise ValueError(f"{change.where}: this occurs {text.count(before)} times instead of once:\n{before}")
        text = text.replace(before, after)
    return found.path, text
