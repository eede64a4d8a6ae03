"""What is measured of one model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import tvm_hlo_frontend
from tools.conformance.stages import STATUS_OF_STAGE
from tools.demo.run import as_list, convert, import_tvm, latencies, timed
from tools.models.calibration import input_sensitivity, sampled, weight_sensitivities
from tools.models.library import relative_error
from tools.models.types import Model, ModelInstance
from tools.support.outcome import PASS, WRONG, Outcome, shorten
from tools.support.stages import Announce, failure_message, run_stages
from tvm_hlo_frontend.errors import LoweringError
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.oracle.xla_cpu import compile_xla

from . import LIMIT, TOLERANCE
from .catalogue import key

# a model whose result hardly depends on its input hides mistakes
SENSITIVITY = 0.1
UNCALIBRATED = "says nothing"
SAMPLED_WEIGHTS = 12


def outcome_of(model: Model, dialect: str | None, announce: Announce) -> Outcome:
    """Outcome of a model whose `data` holds what was measured up to where it failed.

    Parameters
    ----------
    model : Model
    dialect : str or None
        As for `from_hlo`.
    announce : callable
        As for `run_stages`.
    """
    data: dict[str, Any] = {}

    def work(enter: Announce) -> tuple[str, str]:
        measure(model, dialect, enter, data)
        return verdict(data)

    outcome = run_stages(key(model), model.framework, STATUS_OF_STAGE, work, announce, explain)
    return replace(outcome, seconds=round(outcome.seconds, 1), data=data)


def verdict(data: dict[str, Any]) -> tuple[str, str]:
    """Status of a model of which this was measured, and what there is to say."""
    if not data["error"] <= allowed(data["xla_error"]):
        return WRONG, f"error {data['error']:.1e}, XLA's {data['xla_error']:.1e}"
    if not data["input_sensitivity"] > SENSITIVITY:
        return UNCALIBRATED, f"another input changes the result by {data['input_sensitivity']:.1e} only"
    return PASS, ""


def explain(stage: str, error: Exception) -> str:
    """What a stage's exception says; of a program that is not lowered, all of it."""
    return shorten(str(error)) if isinstance(error, LoweringError) else failure_message(stage, error)


def allowed(xla_error: float) -> float:
    """TVM's greatest error that passes where XLA:CPU's is this."""
    return min(max(TOLERANCE, 3 * xla_error), LIMIT)


def measure(model: Model, dialect: str | None, enter: Announce, data: dict[str, Any]) -> None:
    """Fill `data` with the numbers that the page shows, weights being parameters."""
    enter("lower")
    instance, data["lower_s"] = timed(model.make)
    expected = instance.reference(*instance.inputs)
    import_tvm()
    module = read(instance.lowered.hlo)
    opcodes = [instruction.opcode for instruction in module.instructions]
    data["road"] = instance.lowered.source
    data["instructions"], data["opcodes"] = len(opcodes), len(set(opcodes))
    data["weights"] = len(instance.lowered.parameter_values)
    enter("xla")
    program, data["xla_build_s"] = timed(lambda: compile_xla(instance.lowered.hlo))
    xla = program(*instance.arguments(instance.inputs))
    data["xla_error"] = relative_error(xla, expected)
    calibration_of(instance, data)
    enter("convert")
    (mod, params), data["convert_s"] = timed(lambda: convert(module, instance.lowered, False, dialect))
    enter("build")
    executable, data["build_s"] = timed(lambda: tvm_hlo_frontend.build(mod, params))
    enter("run")
    data["executor"] = executable.executor
    got = as_list(executable(*instance.inputs))
    others = as_list(executable(*instance.other_inputs))
    # the second input: a result that does not depend on it would be right once
    other_error = relative_error(others, instance.reference(*instance.other_inputs))
    data["error"] = max(relative_error(got, expected), other_error)
    data["error_to_xla"] = relative_error(got, xla)
    # the least: other processes only ever add to it
    data["tvm_ms"], data["xla_ms"] = latencies(executable, instance, min)


def calibration_of(instance: ModelInstance, data: dict[str, Any]) -> None:
    """How much the result depends on the input, and which of some of the weights it does not depend on."""
    data["input_sensitivity"] = input_sensitivity(instance)
    numbers = sampled(instance, SAMPLED_WEIGHTS) if instance.lowered.parameter_values else []
    changes = weight_sensitivities(instance, numbers)
    data["weights_sampled"] = len(changes)
    data["weights_without_effect"] = sorted(name for name, change in changes.items() if change <= 1e-4)
