"""Where the time of a build goes: what TVM's pass instruments tell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# passes in which kernels get their schedules: Relay's, which asks for those of TE, and this package's own
SCHEDULING = ("LowerTensorExpr", "hlo.SchedulePrimFuncs")
# passes with a smaller share of a build are printed as one
LEAST_SHARE = 0.02


@dataclass(frozen=True)
class TimedPass:
    """What a pass took in all its calls, without the passes that it has run itself.

    Attributes
    ----------
    name : str
    seconds : float
    calls : int
    """

    name: str
    seconds: float
    calls: int


@dataclass(frozen=True)
class BuildTimings:
    """Where the time of a build went. Printed, it is a table.

    Attributes
    ----------
    seconds : float
        The whole build.
    weights : float
        Seconds before TVM's compiler began: binding weights, and computing what depends on them alone.
    code : float
        Seconds of TVM's compiler in none of its passes, most of them LLVM's. Machine code is emitted and linked later:
        at the first call, or when the library is exported.
    passes : tuple of TimedPass
        The longest first.
    """

    seconds: float
    weights: float
    code: float
    passes: tuple[TimedPass, ...]

    @property
    def scheduling(self) -> float:
        """Seconds of the passes in which kernels get their schedules."""
        return sum(each.seconds for each in self.passes if each.name in SCHEDULING)

    @property
    def parts(self) -> dict[str, float]:
        """Seconds by part of the build: no part has time of another."""
        passes = sum(each.seconds for each in self.passes) - self.scheduling
        return {"weights": self.weights, "passes": passes, "scheduling": self.scheduling, "code": self.code}

    def __str__(self) -> str:
        return "\n".join(f"{name:<48}{seconds:9.3f} s{seconds / self.seconds:7.1%}" for name, seconds in self._rows())

    def _rows(self) -> Iterator[tuple[str, float]]:
        yield "build", self.seconds
        for part, seconds in self.parts.items():
            yield f"  {part}", seconds
            if part == "passes":
                listed = [each for each in self.passes if each.name not in SCHEDULING]
                long = [each for each in listed if each.seconds >= LEAST_SHARE * self.seconds]
                for each in long:
                    yield f"    {each.name} ({each.calls}x)", each.seconds
                yield f"    {len(listed) - len(long)} others", sum(each.seconds for each in listed[len(long) :])
        yield "  all else", self.seconds - sum(self.parts.values())


class PassClock:
    """Times the passes of one build, from when it is made.

    TVM's `PassTimingInstrument` forgets what it has at the end of every pass context, and Relay's virtual machine is
    compiled in several.
    """

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._entered: list[float] = []
        self._weights, self._compiling = 0.0, 0.0
        self._running: list[list[float]] = []  # start, and seconds of the passes within
        self._passes: dict[str, TimedPass] = {}

    def instrument(self) -> Any:
        """What a pass context takes."""
        from tvm.ir.instrument import pass_instrument

        clock = self

        @pass_instrument
        class Instrument:
            def enter_pass_ctx(self) -> None:
                clock.entered()

            def exit_pass_ctx(self) -> None:
                clock.left()

            def run_before_pass(self, mod: Any, info: Any) -> None:
                clock.begun()

            def run_after_pass(self, mod: Any, info: Any) -> None:
                clock.ended(str(info.name))

        return Instrument()

    def timings(self) -> BuildTimings:
        """What has been measured until now."""
        passes = sorted(self._passes.values(), key=lambda each: -each.seconds)
        code = self._compiling - sum(each.seconds for each in passes)
        return BuildTimings(time.perf_counter() - self._start, self._weights, code, tuple(passes))

    def entered(self) -> None:
        """A pass context begins."""
        now = time.perf_counter()
        if not self._entered and not self._compiling:
            self._weights = now - self._start
        self._entered.append(now)

    def left(self) -> None:
        """The last pass context that has begun ends."""
        start = self._entered.pop()
        if not self._entered:
            self._compiling += time.perf_counter() - start

    def begun(self) -> None:
        """A pass begins."""
        self._running.append([time.perf_counter(), 0.0])

    def ended(self, name: str) -> None:
        """The last pass that has begun ends."""
        start, within = self._running.pop()
        seconds = time.perf_counter() - start
        if self._running:
            self._running[-1][1] += seconds
        before = self._passes.get(name, TimedPass(name, 0.0, 0))
        self._passes[name] = TimedPass(name, before.seconds + seconds - within, before.calls + 1)


def instruments(clock: PassClock | None) -> list[Any]:
    """Those of a pass context, for a build that may be timed."""
    return [] if clock is None else [clock.instrument()]
