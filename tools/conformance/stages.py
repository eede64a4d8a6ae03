"""One harness through every stage: lower, XLA, convert, build, run, compare."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .deployed import save_for_deployment
from .harnesses import digest, lower
from .judge import judge
from .outcome import PASS, REFUSED, WRONG, Outcome, error_message, shorten

# status of a harness whose stage raises
STATUS_OF_STAGE = {
    "lower": "not lowered",
    "xla": "xla failed",
    "convert": "convert failed",
    "build": "build failed",
    "run": "run failed",
    "export": "run failed",
    "compare": WRONG,
}


def run_harness(
    harness: Any,
    announce: Callable[[str], None] = lambda stage: None,
    plain: bool | str = False,
    export: Path | None = None,
) -> Outcome:
    """Run one harness in this process.

    Parameters
    ----------
    harness : Harness
        Of `load_harnesses`.
    announce : callable
        Told the name of every stage before it starts, so that a crash can be blamed on it.
    plain : bool or str
        As in `compare.run_tvm`: True and ``"vm"`` stand for unmodified `relay.build` and `relay.vm.compile`; then
        conversion and build are part of the stage run.
    export : pathlib.Path, optional
        Folder for the exported library with what it took and gave, for `deployed.py`.

    Returns
    -------
    Outcome
    """
    return staged(harness, announce, lambda enter: differences(harness, enter, plain, export))


def staged(
    harness: Any, announce: Callable[[str], None], work: Callable[[Callable[[str], None]], list[str]]
) -> Outcome:
    """Outcome of `work`, which tells the names of its stages and returns what differs."""
    stage = ["lower"]

    def enter(name: str) -> None:
        stage[0] = name
        announce(name)

    start = time.perf_counter()
    status, message = PASS, ""
    try:
        faults = work(enter)
        if faults:
            status, message = WRONG, shorten("; ".join(faults))
    except Exception as error:  # whatever a stage raises is the harness's result
        status, message = STATUS_OF_STAGE[stage[0]], error_message(error)
        if hasattr(error, "refusals"):
            status, message = REFUSED, refusal_message(error)
    return Outcome(harness.fullname, harness.group_name, status, message, round(time.perf_counter() - start, 2))


def differences(harness: Any, enter: Callable[[str], None], plain: bool | str, export: Path | None) -> list[str]:
    """What differs between TVM and XLA."""
    import tvm_hlo_frontend
    from tools.support.compare import converted, run_tvm
    from tools.support.oracle import run_xla

    enter("lower")
    case = lower(harness)
    enter("xla")
    wanted = run_xla(case.hlo, case.arguments)
    if plain:
        enter("run")
        got = run_tvm(case.hlo, case.arguments, plain=plain)
    else:
        enter("convert")
        mod, params = converted(case.hlo)
        enter("build")
        executable = tvm_hlo_frontend.build(mod, params)
        enter("run")
        got = flat(executable(*case.arguments))
        if export:
            enter("export")
            save_for_deployment(executable, case.arguments, export / digest(harness.fullname))
    enter("compare")
    return judge(harness.group_name, harness.params, case.arguments, got, wanted)


def flat(value: Any) -> list[np.ndarray]:
    """Arrays of a nested tuple, depth first."""
    if isinstance(value, tuple):
        return [array for part in value for array in flat(part)]
    return [] if value is None else [value]


def refusal_message(error: Any) -> str:
    """The different reasons of an UnsupportedHloError, each with its opcode."""
    reasons = dict.fromkeys(f"{refusal.opcode}: {refusal.reason}" for refusal in error.refusals)
    return shorten(" | ".join(reasons))
