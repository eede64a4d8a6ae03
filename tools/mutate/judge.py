"""What becomes of an input: a conversion, an error of this package, or a fault; with its time and memory."""

from __future__ import annotations

import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

import tvm_hlo_frontend
from tvm_hlo_frontend.errors import ConversionError, HloFrontendError

CONVERTED, REFUSED, FAULT = "converted", "refused", "fault"
SECONDS = 10.0
MEGABYTES = 1024
_PACKAGE = str(tvm_hlo_frontend.__file__).rpartition("/")[0]


class Hang(BaseException):
    """An input took too long."""


@dataclass(frozen=True)
class Outcome:
    """What became of an input.

    Attributes
    ----------
    status : str
        ``converted``, ``refused`` or ``fault``.
    what : str
        Class of the error; ``hang``, ``memory`` or ``ended`` where there was none.
    where : str
        The innermost place of this package that a fault came from.
    text : str
        Traceback of a fault.
    seconds, megabytes : float
        Time that it took, and by how much the process grew.
    """

    status: str
    what: str = ""
    where: str = ""
    text: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """`Hang` in what takes longer."""

    def over(number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judged(run: Callable[[Any], Any], data: Any, seconds: float = SECONDS) -> Outcome:
    """What becomes of an input that `run` is given."""
    before, start = _peak(), time.perf_counter()
    status, what, where, text = CONVERTED, "", "", ""
    try:
        with time_limit(seconds):
            run(data)
    except HloFrontendError as error:
        status, what = REFUSED, type(error).__name__
        if isinstance(error, ConversionError):  # of a module that was verified
            status, where, text = FAULT, place_of(error.__traceback__), str(error)
    except (Exception, Hang) as error:
        status, what = FAULT, "hang" if isinstance(error, Hang) else type(error).__name__
        where, text = place_of(error.__traceback__), "".join(traceback.format_exception(error, limit=-14))[-6000:]
    taken, grown = time.perf_counter() - start, _peak() - before
    if status != FAULT and grown > MEGABYTES:
        status, what, where, text = FAULT, "memory", "", f"the process grew by {grown:.0f} MB"
    return Outcome(status, what, where, text, taken, grown)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def place_of(trace: TracebackType | None) -> str:
    """File, line and function of the innermost frame of this package."""
    frames = [frame for frame in traceback.extract_tb(trace) if frame.filename.startswith(_PACKAGE)]
    if not frames:
        return "outside"
    inner = frames[-1]
    return f"{inner.filename[len(_PACKAGE) + 1 :]}:{inner.lineno} {inner.name}"
