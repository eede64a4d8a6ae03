"""One saved module through every stage: lower, convert, build, run, judge."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from tools.support.outcome import REFUSED, WRONG, Outcome, error_message, shorten
from tools.support.stages import Announce, run_stages, silent, verdict_on

from .judge import judge
from .saved import SavedModule, exported_of

STATUS_OF_STAGE = {"convert": "convert failed", "build": "build failed", "run": "run failed", "compare": WRONG}

# names of modules without a meaning on one device, why, and words of the error that refuses them
NO_MEANING: tuple[tuple[str, str, str], ...] = (
    (r"pallas\.mosaic_gpu_", "a kernel for GPUs, written in Mosaic", r"kernel for GPUs .*another platform"),
    (r"pallas\.mosaic_", "a kernel for TPUs, written in Mosaic", r"kernel for TPUs .*another platform"),
    (r"pallas\.triton_", "a kernel for GPUs, written in Triton", r"Triton kernel.*another platform"),
    (
        r"tpu_Sharding\.|shardy_sharding_ops",
        "two devices exchange parts of a tensor",
        r"splits a tensor over several devices; lower the program for a single device",
    ),
)
# names of modules whose saved results are a matter of their platform, and why: they are compared with XLA:CPU
AS_XLA_CPU: tuple[tuple[str, str], ...] = (
    (r"tpu_stablehlo_dynamic_reduce_window\.data_variadic", "initial values that a TPU takes more than once"),
)


def no_meaning(name: str) -> tuple[str, str] | None:
    """(why a module has no meaning on one device, words of the refusal); None if it has one."""
    return next((entry[1:] for entry in NO_MEANING if re.match(entry[0], name)), None)


def run_saved(saved: SavedModule, announce: Announce = silent) -> Outcome:
    """Outcome of one module, run in this process.

    Parameters
    ----------
    saved : SavedModule
    announce : callable
        As for `run_stages`.
    """
    outcome = run_stages(
        saved.name, saved.family, STATUS_OF_STAGE, lambda enter: verdict_on(faults_of(saved, enter)), announce, explain
    )
    status, message = settled(saved.name, outcome.status, outcome.message)
    return dataclasses.replace(outcome, status=status, message=message)


def explain(stage: str, error: Exception) -> str:
    """What a stage's exception says; a refusal's words in full, as `settled` looks for some of them."""
    return shorten(" ".join(str(error).split()), 2000) if hasattr(error, "refusals") else error_message(error)


def settled(name: str, status: str, message: str) -> tuple[str, str]:
    """What a status means for a module: those without a meaning on one device must be refused, and say why."""
    expected = no_meaning(name)
    if expected is None:
        return status, message
    reason, words = expected
    if status == REFUSED and re.search(words, message):
        return REFUSED, reason
    return WRONG, f"it should be refused with the words {words!r}, but: {status} {message}"


def faults_of(saved: SavedModule, enter: Announce) -> list[str]:
    """What is wrong with the module's results."""
    import tvm_hlo_frontend
    from tvm_hlo_frontend.frameworks.lowered import convert_lowered
    from tvm_hlo_frontend.oracle.xla_cpu import compile_xla

    enter("convert")
    lowered = lower(saved)
    mod, params = tvm_hlo_frontend.mod_and_params(convert_lowered(lowered))
    enter("build")
    executable = tvm_hlo_frontend.build(mod, params)
    enter("run")
    got = executable(*saved.inputs)
    enter("compare")
    if saved.expected is None or any(re.match(pattern, saved.name) for pattern, _ in AS_XLA_CPU):
        saved = dataclasses.replace(saved, expected=tuple(compile_xla(lowered.hlo)(*saved.inputs)))
    return judge(saved, list(got) if isinstance(got, tuple) else [got])


def lower(saved: SavedModule) -> Any:
    """LoweredModule of the artifact or serialized export, or if sizes are open of the export and its inputs."""
    from tvm_hlo_frontend.frameworks.jax import lower_jax
    from tvm_hlo_frontend.frameworks.stablehlo import lower_stablehlo

    return lower_jax(exported_of(saved), *saved.inputs) if saved.is_dynamic else lower_stablehlo(saved.data)
