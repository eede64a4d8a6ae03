"""The journal of a run: what stands when another run goes on, what is left, and where a run stops."""

import time

from tools.support.journal import Journal
from tools.support.outcome import PASS, WRONG, Outcome

NAMES = ("a", "b", "c", "d")


def running(names, status=PASS, ended=None):
    """Outcomes of these names, as workers give them; `ended` is told when they are left."""
    try:
        for name in names:
            yield Outcome(name, "group", status)
    finally:
        if ended is not None:
            ended.append(True)


def names_of(outcomes):
    return [outcome.name for outcome in outcomes]


def test_a_run_that_goes_on_does_what_is_left_of_what_it_is_about(tmp_path):
    path, ended = tmp_path / "folder" / "journal.jsonl", []
    first = Journal(path, NAMES)
    assert first.left == list(NAMES) and not first.done
    assert names_of(first.written(running(NAMES, ended=ended), until=time.monotonic())) == ["a"]
    assert ended == [True]  # the workers do not go on
    with path.open("a") as file:
        file.write('{"name": "b", "gro')  # a run that was ended while it wrote
    assert list(Journal(path, NAMES, resume=True).done) == ["a"]
    assert Journal(path, ["b", "c"], resume=True).left == ["b", "c"]


def test_outcomes_that_do_not_stand_are_left_and_a_later_one_takes_their_place(tmp_path):
    path = tmp_path / "journal.jsonl"
    assert names_of(Journal(path, NAMES).written(running(["a"]))) == ["a"]
    assert names_of(Journal(path, NAMES, resume=True).written(running(["b"], WRONG))) == ["b"]
    again = Journal(path, NAMES, True, lambda outcome: outcome.status == PASS)
    assert (list(again.done), again.left) == (["a"], ["b", "c", "d"])
    list(again.written(running(again.left)))
    assert list(again.done) == list(NAMES)
    assert {outcome.status for outcome in Journal(path, NAMES, True).done.values()} == {PASS}


def test_a_run_that_begins_anew_forgets_what_was_there(tmp_path):
    path = tmp_path / "journal.jsonl"
    list(Journal(path, NAMES).written(running(NAMES)))
    anew = Journal(path, NAMES)
    list(anew.written(running(["d"])))
    assert list(Journal(path, NAMES, resume=True).done) == ["d"]
