"""Relax as a backend."""

from __future__ import annotations

from typing import Any

from tvm import relax

from ...schedules.gpu import WORDS
from ..base import Backend
from .canonical import canonical
from .dialect import RelaxDialect
from .program import RelaxProgram
from .runtime import borrow, compile_module, placed_run, run_borrowed, run_library


def parameter_names(mod: Any) -> list[str]:
    """Names of the parameters of main."""
    return [variable.name for variable in mod["main"].params]


def weights(mod: Any) -> list[Any]:
    """Values of the last parameters of main, from its attribute `params`."""
    attributes = mod["main"].attrs
    return list(attributes["params"]) if attributes and "params" in attributes else []


def without_weights(mod: Any) -> Any:
    """`mod` without the values of parameters that main has in its attribute `params`."""
    attributes = mod["main"].attrs
    return relax.frontend.detach_params(mod)[0] if attributes and "params" in attributes else mod


BACKEND = Backend(
    dialect=RelaxDialect,
    program=RelaxProgram,
    compile_module=compile_module,
    run_library=run_library,
    placed_run=placed_run,
    borrow=borrow,
    run_borrowed=run_borrowed,
    parameter_names=parameter_names,
    text=lambda mod: mod.script(),
    weights=weights,
    without_weights=without_weights,
    canonical=canonical,
    devices=frozenset(WORDS),
)
