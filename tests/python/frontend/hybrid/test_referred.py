"""Where lookup tables and variables of a program are found."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import hybrid_graphs as graphs
from tvm_hlo_frontend.hybrid.referred import referred

tf = pytest.importorskip("tensorflow")
TABLE = graphs.TABLE


class Plain:
    """An object that TensorFlow does not track."""

    def __init__(self) -> None:
        self.parts = {"tables": [(TABLE,)]}

    def run(self, x: Any) -> Any:
        return self.parts["tables"][0][0].lookup(x)

    def __call__(self, x: Any) -> Any:
        return self.run(x)


class Tracked(tf.Module):
    """An object that has a tf.function as a method."""

    def __init__(self) -> None:
        super().__init__()
        self.table = TABLE

    @tf.function
    def run(self, x: Any) -> Any:
        return self.table.lookup(x)


def in_a_branch(x: Any) -> Any:
    return tf.cond(tf.size(x) > 0, lambda: TABLE.lookup(x), lambda: tf.zeros([4], tf.int64))


def through_another(x: Any) -> Any:
    return in_a_branch(x)


def as_a_default(x: Any, *, table: Any = TABLE) -> Any:
    return table.lookup(x)


def closed_over() -> Callable[..., Any]:
    tables = [TABLE]
    return lambda x: tables[0].lookup(x)


TRACKED = Tracked()  # a method knows its object weakly
PROGRAMS = {
    "object": Plain(),
    "method": Plain().run,
    "tf.function of a method": tf.function(Plain().run),
    "method that is a tf.function": TRACKED.run,
    "tracked object": TRACKED,
    "branch": in_a_branch,
    "function that calls another": through_another,
    "default": as_a_default,
    "closure": closed_over(),
    "partial": functools.partial(lambda table, x: table.lookup(x), graphs.TABLE),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_table_is_found(program):
    assert any(each is TABLE for each in referred([program]))


def test_objects_that_refer_to_each_other():
    first, second = Plain(), Plain()
    first.parts, second.parts = {"other": second}, {"other": first, "weights": graphs.WEIGHTS}
    found = list(referred([first]))
    assert sum(each is graphs.WEIGHTS[0] for each in found) == 1
    assert not any(each is TABLE for each in referred([lambda x: x]))
