"""Names of main's inputs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from .errors import SignatureError
from .hlo.module import HloInstruction


def parameter_names(parameters: Sequence[HloInstruction], chosen: Sequence[str] | None) -> list[str]:
    """A unique name that `set_input` takes, for each entry parameter.

    Raises
    ------
    SignatureError
        If `chosen` has another length or repeats a name.
    """
    if chosen is not None:
        if len(chosen) != len(parameters) or len(set(chosen)) != len(chosen):
            raise SignatureError(
                f"input_names must be {len(parameters)} different names, one per HLO parameter; got {list(chosen)}"
            )
        return list(chosen)
    wanted = [_identifier(parameter.metadata.op_name) for parameter in parameters]
    counts = Counter(wanted)
    names = [
        name if name and counts[name] == 1 else _identifier(parameter.name)
        for name, parameter in zip(wanted, parameters)
    ]
    seen: Counter = Counter()
    unique = []
    for name in names:
        unique.append(name if not seen[name] else f"{name}_{seen[name]}")
        seen[name] += 1
    return unique


def _identifier(text: str) -> str:
    """`x['a'][0]` becomes `x_a_0`."""
    return re.sub(r"[^A-Za-z0-9_.:/]+", "_", text).strip("_")
