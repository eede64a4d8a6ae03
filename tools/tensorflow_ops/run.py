"""One case through every stage: TensorFlow, XLA, lower, convert, build, run, compare."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tools.support.outcome import PASS, REFUSED, WRONG, Outcome, shorten
from tools.support.stages import Announce, failure_message, run_stages, silent
from tvm_hlo_frontend.oracle.tolerance import judge_arrays, judge_metadata

from .case import Case

# equal to XLA's numbers, from which those of TensorFlow's own kernel differ
AS_XLA = "as xla"
NOT_RUN = "not run by xla"
BROKEN = "broken case"
STATUS_OF_STAGE = {
    "tensorflow": BROKEN,
    "xla": NOT_RUN,
    "lower": REFUSED,
    "convert": "convert failed",
    "build": "build failed",
    "run": "run failed",
    "compare": WRONG,
}
# these are in the graph of every function, and nowhere else
EVERYWHERE = frozenset({"_Arg", "_Retval"})
SEED = 1
SAMPLES = 500
DISTANCE = 0.08


def run_case(case: Case, announce: Announce = silent) -> Outcome:
    """Outcome of one case, run in this process.

    Parameters
    ----------
    case : Case
    announce : callable
        As for `run_stages`.
    """
    return run_stages(case.op, "", STATUS_OF_STAGE, lambda enter: judged(case, enter), announce, explain)


def explain(stage: str, error: Exception) -> str:
    """What a stage's exception says; TensorFlow's without what is this process's own."""
    if stage in ("xla", "lower") and not hasattr(error, "refusals"):
        return reason(str(error))
    return failure_message(stage, error)


def reason(text: str) -> str:
    """What TensorFlow says, without nodes, names and numbers of the process at hand."""
    words = " ".join(re.sub(r"\w+\.py:\d+:\d+: ", "", text).split())
    return shorten(re.split(r" \[\[|\s*\[Op:|\s*\{\{node| Run with TF_DUMP| Stack trace for", words)[0])


def judged(case: Case, enter: Announce) -> tuple[str, str]:
    """Status of a case and what there is to say."""
    import tensorflow as tf

    import tvm_hlo_frontend
    from tvm_hlo_frontend.frameworks.lowered import convert_lowered
    from tvm_hlo_frontend.frameworks.tensorflow import lower_concrete_function

    enter("tensorflow")
    variables = [tf.Variable(value, name=f"variable_{n}") for n, value in enumerate(case.variables)]
    concrete = traced(case, variables)
    enter("xla")
    by_xla = reference(case, variables, jit_compile=True)
    enter("tensorflow")
    by_kernel = reference(case, variables, jit_compile=False)
    enter("lower")
    lowered = lower_concrete_function(concrete)
    enter("convert")
    mod, params = tvm_hlo_frontend.mod_and_params(convert_lowered(lowered, rng_seed=SEED))
    enter("build")
    executable = tvm_hlo_frontend.build(mod, params)
    enter("run")
    got = executable(*case.arguments)
    results = list(got) if isinstance(got, tuple) else [got]
    enter("compare")
    assigned = assigned_variables(lowered, concrete, variables)
    return verdict(case, results, by_kernel, by_xla, assigned)


Reference = tuple[list[np.ndarray], list[np.ndarray]]


def verdict(
    case: Case, got: list[np.ndarray], by_kernel: Reference | None, by_xla: Reference, assigned: list[int]
) -> tuple[str, str]:
    """Status of a case that ran: equal to TensorFlow's own kernel, else to XLA, else wrong."""

    def faults(reference: Reference) -> str:
        own, new = reference
        return "; ".join(differences(case, got, [*own, *(new[number] for number in assigned)]))

    from_kernel = "there is none for the CPU" if by_kernel is None else faults(by_kernel)
    if not from_kernel:
        return PASS, ""
    from_xla = faults(by_xla)
    if from_xla:
        return WRONG, shorten(from_xla)
    # the judge calls the other side XLA
    return AS_XLA, shorten(f"TensorFlow's own kernel: {from_kernel.replace(', XLA ', ', it ')}")


def traced(case: Case, variables: Sequence[Any]) -> Any:
    """ConcreteFunction of a case, which holds the operation that the case is about.

    Raises
    ------
    ValueError
        If it does not.
    """
    import tensorflow as tf

    from tvm_hlo_frontend.frameworks.tensorflow.nodes import all_nodes

    concrete = tf.function(lambda *args: case.function(*args, *variables), autograph=False).get_concrete_function(
        *[tf.TensorSpec(array.shape, array.dtype) for array in case.arguments]
    )
    if case.op not in EVERYWHERE and all(each.node.op != case.op for each in all_nodes(concrete)):
        raise ValueError(f"the case has no node of {case.op}")
    return concrete


def reference(case: Case, variables: Sequence[Any], jit_compile: bool) -> Reference | None:
    """TensorFlow's results and the values of all variables afterwards; None if TensorFlow has no kernel of its own."""
    import tensorflow as tf

    function = tf.function(lambda *args: case.function(*args, *variables), autograph=False, jit_compile=jit_compile)
    try:
        results = [result.numpy() for result in tf.nest.flatten(function(*map(tf.constant, case.arguments)))]
        new = [variable.numpy() for variable in variables]
    except (tf.errors.OpError, ValueError, TypeError):
        if jit_compile:
            raise
        return None
    finally:
        for variable, value in zip(variables, case.variables):
            variable.assign(value)
    return results, new


def assigned_variables(lowered: Any, concrete: Any, variables: Sequence[Any]) -> list[int]:
    """Which variables' new values are results, in the order of the results."""
    from tvm_hlo_frontend.frameworks.tensorflow.results import assigned_parameters

    captured = concrete.captured_inputs
    first = len(concrete.inputs) - len(captured)
    handles = [captured[number - first] for number in assigned_parameters(lowered.hlo, len(concrete.outputs))]
    return [next(n for n, variable in enumerate(variables) if variable.handle is handle) for handle in handles]


def differences(case: Case, got: list[np.ndarray], wanted: list[np.ndarray]) -> list[str]:
    """What is wrong with the results of a case."""
    if case.view is not None:
        got, wanted = case.view(got), case.view(wanted)
    faults = judge_metadata(got, wanted)
    if faults:
        return faults
    if case.random:
        return [fault for index, pair in enumerate(zip(got, wanted)) for fault in distribution_faults(index, *pair)]
    return judge_arrays(got, wanted)


def distribution_faults(index: int, got: np.ndarray, wanted: np.ndarray) -> list[str]:
    """Kolmogorov and Smirnov's distance of two samples, and whether one repeats itself more than the other."""
    ours, theirs = np.sort(got, axis=None).astype(float), np.sort(wanted, axis=None).astype(float)
    if ours.size < SAMPLES:
        return [f"result {index}: {ours.size} numbers are too few for a distribution"]
    points = np.concatenate([ours, theirs])
    distance = np.abs(
        np.searchsorted(ours, points, "right") / ours.size - np.searchsorted(theirs, points, "right") / theirs.size
    ).max()
    faults = [f"result {index}: the distributions are {distance:.3f} apart"] if distance > DISTANCE else []
    if len(np.unique(ours)) < 0.9 * len(np.unique(theirs)):
        faults.append(f"result {index}: {len(np.unique(ours))} different numbers instead of {len(np.unique(theirs))}")
    return faults
