"""What became of one harness, saved module, operation or model."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

PASS = "pass"
REFUSED = "refused"
WRONG = "wrong"
# JAX or XLA did not get that far themselves, so there is nothing to compare with
NO_REFERENCE = ("not lowered", "xla failed")
FAILED = ("convert failed", "build failed", "run failed", "crash", "timeout")
STATUSES = (PASS, REFUSED, WRONG, *FAILED, *NO_REFERENCE)

MAX_MESSAGE = 600


@dataclass(frozen=True)
class Outcome:
    """Result of one harness, or of what else a worker is given.

    Attributes
    ----------
    name, group : str
        As JAX calls them, where it is JAX's.
    status : str
        One of STATUSES.
    message : str
        Reasons of the refusals, the exception, or what differs; empty for a pass.
    seconds : float
        Wall time, the reference included.
    data : dict, optional
        What was measured, as JSON knows it.
    """

    name: str
    group: str
    status: str
    message: str = ""
    seconds: float = 0.0
    data: dict[str, Any] | None = None

    def to_json(self) -> str:
        """One line of the journal."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(line: str) -> Outcome:
        """Outcome of a line of the journal."""
        return Outcome(**json.loads(line))


def error_message(error: BaseException) -> str:
    """The telling line of an exception; TVM's come after a stack trace of a hundred lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"(\w+\.)*\w*(Error|Exception): |.*Check failed", line)]
    line = (telling or lines or [""])[-1 if telling else 0]
    name = type(error).__name__
    return shorten(line if line.startswith(name) else f"{name}: {line}")


def shorten(text: str, limit: int = MAX_MESSAGE) -> str:
    """`text` on one line of at most `limit` characters, without this machine's paths."""
    text = re.sub(r"(?<![\w.])/(?:[\w.@+-]+/)+", "", " ".join(text.split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"
