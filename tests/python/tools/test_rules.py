"""Every rule of HLO's semantics has a test that names it; what breaks it fits the code, and the tool sees it broken."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from tools.rules.model import PACKAGE, TESTS, Break, Rule, broken, node_id, place, rules_named
from tools.rules.report import is_proved, outcomes_in, to_markdown
from tools.rules.runner import KILLED, NO_PROOF, SURVIVED, Copy, belongs, judge
from tools.rules.table import RULES

ROOT = Path(__file__).resolve().parents[3]
COUNT = 92
LAYOUT = ("test_hlo_literal.py::test_rule_46_layout_of_three_dimensions",)
LAYOUT_LINE = "return np.ascontiguousarray(stored.transpose(np.argsort(major_to_minor)))"


def test_rules_are_numbered_and_each_has_something_to_say() -> None:
    assert [rule.number for rule in RULES] == list(range(1, COUNT + 1))
    for rule in RULES:
        assert rule.title and bool(rule.breaks) != bool(rule.nothing), rule.number


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.number))
def test_changes_fit_the_code(rule: Rule) -> None:
    for change in rule.breaks:
        path, new = broken(ROOT / PACKAGE, change)
        text = path.read_text(encoding="utf-8")
        assert ast.dump(ast.parse(new)) != ast.dump(ast.parse(text)), change
        assert change.tests and all(rule.number in rules_named(test) for test in change.tests), change


def test_every_rule_has_a_test_and_the_tests_of_the_table_exist() -> None:
    """By pytest's own collection: ids of parameters come from data."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", TESTS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    ids = [line for line in done.stdout.splitlines() if "::" in line]
    named = {number for found in ids for number in rules_named(found)}
    assert not set(range(1, COUNT + 1)) - named
    wanted = {node_id(ROOT, test) for rule in RULES for change in rule.breaks for test in change.tests}
    assert not [test for test in sorted(wanted) if not any(belongs(found, test) for found in ids)]


def test_the_tool_tells_a_broken_rule_from_an_unbroken_one(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    copy.check()
    where = "literal._logical"
    wrong = Break(where, LAYOUT_LINE, "return flat.reshape(dimensions)", LAYOUT)
    assert copy.verdict(wrong).status == KILLED
    harmless = Break(where, LAYOUT_LINE, f"{LAYOUT_LINE}  # row-major", LAYOUT)
    assert copy.verdict(harmless).status == SURVIVED
    # neither an import that fails nor a mistake in the change itself is a proof
    for after in ("return flat.reshape(no_such_name)", f"return (\n{LAYOUT_LINE}"):
        assert copy.verdict(Break(where, LAYOUT_LINE, after, LAYOUT)).status == NO_PROOF
    assert copy.verdict(Break(where, "no such line", "", LAYOUT)).status == NO_PROOF
    path = place(ROOT / PACKAGE, where).path
    unbroken = path.read_text(encoding="utf-8")
    assert (copy.folder / path.relative_to(ROOT)).read_text(encoding="utf-8") == unbroken


def test_a_change_names_one_place_and_stands_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f():\n    return 1\n\n\ndef g():\n    return 2\n")
    (tmp_path / "b.py").write_text("def g():\n    return 3\n")
    path, text = broken(tmp_path, Break("a.g", "return 2", "return 5", ()))
    assert path.name == "a.py" and text.endswith("return 5\n")
    for change, reason in (
        (Break("g", "return 2", "", ()), "2 definitions"),
        (Break("h", "return 2", "", ()), "0 definitions"),
        (Break("f", "return 2", "", ()), "not in it but in line 6"),
        (Break("f", "return", "", ()), "2 times"),
    ):
        with pytest.raises(ValueError, match=reason):
            broken(tmp_path, change)


def test_a_process_that_dies_in_a_test_is_a_failure_of_the_test() -> None:
    started = {"event": "start", "test": "test_x"}
    assert judge(-8, [started], "").how == "the process died of SIGFPE"
    assert judge(-8, [], "").status == NO_PROOF
    assert judge(0, [], "").status == NO_PROOF
    assert judge(0, [started, {"event": "end", "test": "test_x", "outcome": "passed"}], "").status == SURVIVED


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    outcomes = outcomes_in(page)
    assert set(outcomes) == set(range(1, COUNT + 1))
    assert page == to_markdown(RULES, outcomes), "docs/rules.md is out of date: run `make rules`"
    assert not [rule.number for rule in RULES if not is_proved(rule, outcomes[rule.number])]
