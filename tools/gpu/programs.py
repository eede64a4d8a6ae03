"""The programs that are compiled for devices: JAX's primitive harnesses and the demo's models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.conformance.harnesses import groups_of, load_harnesses, lower, stratified
from tools.support.stages import Announce

MODEL_GROUP = "models of the demo"
# max|Δ| / std of a model's results against its framework's
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Converted:
    """A program as main, and what its results are held to.

    Attributes
    ----------
    mod, params
        Of `mod_and_params`.
    opcodes : set of str
        Of the HLO module as the framework made it.
    arguments, wanted : sequence of numpy.ndarray
        Arguments, and the results of XLA:CPU or of the model's framework.
    """

    mod: Any
    params: Any
    opcodes: set[str]
    arguments: Sequence[np.ndarray]
    wanted: Sequence[np.ndarray]


def groups(sample: int, models: Sequence[str]) -> dict[str, str]:
    """Group by name of the models, and of a sample of the harnesses that is stratified by group."""
    harnesses = groups_of(load_harnesses())
    chosen = stratified(harnesses, sample)
    return {**dict.fromkeys(models, MODEL_GROUP), **{name: harnesses[name] for name in chosen}}


def converted(name: str, group: str, enter: Announce, results: bool) -> Converted:
    """A program by its name; without `results` nothing is computed.

    Parameters
    ----------
    name, group : str
        As `groups` has them.
    enter : callable
        Told the stages lower, xla and convert.
    results : bool
        Whether `Converted.wanted` is of use.
    """
    return _model(name, enter, results) if group == MODEL_GROUP else _harness(name, enter, results)


def faults(name: str, group: str, program: Converted, got: Sequence[np.ndarray]) -> list[str]:
    """What is wrong with results."""
    if group == MODEL_GROUP:
        from tools.models.library import relative_error

        error = relative_error(got, program.wanted)
        return [] if error <= TOLERANCE else [f"error {error:.1e} of the results' deviation"]
    from tools.conformance.judge import judge

    return judge(group, load_harnesses()[name].params, program.arguments, got, program.wanted)


def _harness(name: str, enter: Announce, results: bool) -> Converted:
    from tools.support import compare
    from tools.support.oracle import run_xla

    enter("lower")
    case = lower(load_harnesses()[name])
    enter("xla")
    wanted = run_xla(case.hlo, case.arguments) if results else ()
    enter("convert")
    return Converted(*compare.converted(case.hlo), opcodes_of(case.hlo), case.arguments, wanted)


def _model(name: str, enter: Announce, results: bool) -> Converted:
    from tools.demo.run import convert
    from tools.models.library import model_named
    from tvm_hlo_frontend.hlo.proto.reader import read

    enter("lower")
    instance = model_named(name).make()
    enter("xla")
    wanted = instance.reference(*instance.inputs) if results else ()
    enter("convert")
    hlo = instance.lowered.hlo
    return Converted(*convert(read(hlo), instance.lowered, False), opcodes_of(hlo), instance.inputs, wanted)


def opcodes_of(hlo: bytes) -> set[str]:
    """Opcodes of a module, parameters left out."""
    from tvm_hlo_frontend.hlo.proto.reader import read

    return {each.opcode for each in read(hlo).instructions} - {"parameter"}
