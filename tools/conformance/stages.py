"""One harness through every stage: lower, XLA, convert, build, run, compare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tools.support.outcome import WRONG, Outcome
from tools.support.stages import Announce, run_stages, silent, verdict_on

from .deployed import save_for_deployment
from .harnesses import digest, lower
from .judge import judge

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
    announce: Announce = silent,
    plain: bool | str = False,
    export: Path | None = None,
) -> Outcome:
    """Run one harness in this process.

    Parameters
    ----------
    harness : Harness
        Of `load_harnesses`.
    announce : callable
        As for `run_stages`.
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


def staged(harness: Any, announce: Announce, work: Callable[[Announce], list[str]]) -> Outcome:
    """Outcome of `work`, which tells the names of its stages and returns what differs."""
    return run_stages(
        harness.fullname,
        harness.group_name,
        STATUS_OF_STAGE,
        lambda enter: verdict_on(work(enter)),
        announce,
    )


def differences(
    harness: Any, enter: Announce, plain: bool | str = False, export: Path | None = None, target: Any = None
) -> list[str]:
    """What differs between TVM and XLA; `target` as `build` takes it."""
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
        executable = tvm_hlo_frontend.build(mod, params, target)
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
