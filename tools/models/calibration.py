"""Whether a model's weights make it fit for a comparison (run on XLA, without TVM)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tools.models.library import ModelInstance, relative_error
from tvm_hlo_frontend.oracle.xla_cpu import compile_xla


def input_sensitivity(instance: ModelInstance) -> float:
    """Difference of the results for two inputs, in standard deviations of the result."""
    program = compile_xla(instance.lowered.hlo)
    first, second = (program(*instance.arguments(i)) for i in (instance.inputs, instance.other_inputs))
    return relative_error(second, first)


def weight_sensitivities(instance: ModelInstance, numbers: Sequence[int] | None = None) -> dict[str, float]:
    """By name of the weight: how much the result changes when one element, the largest, changes.

    See `flipped` for the change.

    Parameters
    ----------
    instance : ModelInstance
    numbers : sequence of int, optional
        HLO parameter numbers of the weights to perturb, by default all.
    """
    program = compile_xla(instance.lowered.hlo)
    arguments = instance.arguments(instance.inputs)
    placed = program.put(arguments)
    expected = [np.asarray(result) for result in program.run(placed)]
    changes = {}
    for number in numbers if numbers is not None else sorted(instance.lowered.parameter_values):
        perturbed = list(placed)
        perturbed[number] = program.put([flipped(arguments[number])])[0]
        got = [np.asarray(result) for result in program.run(perturbed)]
        changes[instance.lowered.input_names[number]] = relative_error(got, expected)
    return changes


def flipped(weight: np.ndarray) -> np.ndarray:
    """`weight` with the sign of its largest element changed, or that element doubled where all are positive: variances
    must stay so."""
    changed = np.array(weight)
    index = np.unravel_index(np.abs(changed).argmax(), changed.shape)
    changed[index] *= 2 if (weight >= 0).all() else -1
    return changed


def sampled(instance: ModelInstance, count: int) -> list[int]:
    """About `count` parameter numbers of weights, spread evenly from the first to the last."""
    numbers = sorted(instance.lowered.parameter_values)
    return [numbers[i] for i in np.unique(np.linspace(0, len(numbers) - 1, count).astype(int))]
