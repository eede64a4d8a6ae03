"""What `build(..., timings=True)` tells: the parts are those of the whole, whatever they take."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tvm_hlo_frontend
from tvm_hlo_frontend import mod_and_params
from tvm_hlo_frontend.backends.timings import SCHEDULING, BuildTimings, PassClock, TimedPass

PROGRAMS = {
    "straight": lambda x: jnp.tanh(x) + 1,
    "branches": lambda x: lax.cond(x[0] > 0, jnp.cos, jnp.negative, x),
}


def built(function, **options):
    converted = tvm_hlo_frontend.from_jax(function, np.ones(4, "float32"))
    return tvm_hlo_frontend.build(*mod_and_params(converted), **options)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_parts_of_a_build_are_printed_and_kept(name, capsys):
    run = built(PROGRAMS[name], timings=True)
    timings, printed = run.timings, capsys.readouterr().out
    assert printed == f"{timings}\n"
    assert [line.split()[0] for line in printed.splitlines() if not line.startswith("    ")] == [
        *("build", "weights", "passes", "scheduling", "code", "all"),
    ]
    assert all(seconds >= 0 for seconds in timings.parts.values())
    assert sum(timings.parts.values()) <= timings.seconds
    assert {each.name for each in timings.passes} & set(SCHEDULING)
    assert [each.seconds for each in timings.passes] == sorted((each.seconds for each in timings.passes), reverse=True)
    assert all(each.calls > 0 for each in timings.passes)
    np.testing.assert_array_equal(run(np.zeros(4, "float32")), PROGRAMS[name](np.zeros(4, "float32")))


def test_builds_are_not_timed_unless_they_are_asked_to(capsys):
    assert built(PROGRAMS["straight"]).timings is None
    assert capsys.readouterr().out == ""


def test_passes_with_a_small_share_are_printed_as_one():
    found = (("Long", 1.0, 3), (SCHEDULING[0], 0.5, 1), ("A", 0.01, 1), ("B", 0.01, 1))
    passes = tuple(TimedPass(*each) for each in found)
    timings = BuildTimings(4.0, 0.25, 2.0, passes)
    assert timings.parts == {"weights": 0.25, "passes": 1.02, "scheduling": 0.5, "code": 2.0}
    assert str(timings).splitlines()[3:5] == [
        f"{'    Long (3x)':<48}    1.000 s  25.0%",
        f"{'    2 others':<48}    0.020 s   0.5%",
    ]
    with pytest.raises(dataclasses.FrozenInstanceError):
        timings.seconds = 1


def test_a_pass_within_a_pass_counts_once(monkeypatch):
    from tvm_hlo_frontend.backends import timings

    ticks = iter(range(100))
    monkeypatch.setattr(timings.time, "perf_counter", lambda: float(next(ticks)))
    clock = PassClock()  # 0
    clock.entered()  # 1
    clock.entered()  # 2: a context within
    clock.begun()  # 3
    clock.begun()  # 4
    clock.ended("Inner")  # 5
    clock.ended("Outer")  # 6
    clock.left()
    clock.left()  # 7
    assert clock.timings() == BuildTimings(8.0, 1.0, 3.0, (TimedPass("Outer", 2.0, 1), TimedPass("Inner", 1.0, 1)))
