"""Relay as a backend."""

from __future__ import annotations

from typing import Any

from ..base import Backend
from .canonical import canonical
from .devices import DEVICES
from .dialect import RelayDialect
from .program import RelayProgram
from .runtime import borrow, compile_module, placed_run, run_borrowed, run_library


def parameter_names(mod: Any) -> list[str]:
    """Names of the parameters of main."""
    return [variable.name_hint for variable in mod["main"].params]


def text(mod: Any) -> str:
    """A module for people to read; of large constants only the types."""
    return mod.astext(show_meta_data=False)


BACKEND = Backend(
    dialect=RelayDialect,
    program=RelayProgram,
    compile_module=compile_module,
    run_library=run_library,
    placed_run=placed_run,
    borrow=borrow,
    run_borrowed=run_borrowed,
    parameter_names=parameter_names,
    text=text,
    weights=lambda mod: [],
    without_weights=lambda mod: mod,
    canonical=canonical,
    devices=DEVICES,
)
