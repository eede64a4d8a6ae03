"""The names and signatures that users and extensions may rely on, as data (docs/stable.md)."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

MODULES = ("tvm_hlo_frontend", "tvm_hlo_frontend.extend")
# what is given and never made, and the members that are for those who get it
GIVEN = {
    "ConversionContext": (
        "closed constant convert_closed convert_computation dialect map materialize reduce refuse scalar settle"
    ),
    "Dialect": (
        "broadcast_to call carries cast concatenate conditional constant constant_shape convolution dense "
        "fusion_barrier has_fast_dense kernel map name reduce reshape reverse slice take transpose while_loop"
    ),
    "SpecializedExecutable": "__call__ inputs limit prepare save signature sizes variants",
}
LIST = Path(__file__).resolve().parents[2] / "docs" / "public_names.json"


def public_names() -> dict[str, dict[str, Any]]:
    """What each stable module offers: a signature by name; of a class, those of its public members too."""
    modules = [importlib.import_module(name) for name in MODULES]
    return {module.__name__: {name: _described(getattr(module, name)) for name in module.__all__} for module in modules}


def changes(listed: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]]) -> list[str]:
    """What differs, a line each."""
    before, now = _lines(listed), _lines(found)
    return [
        *(f"gone: {name}" for name in before if name not in now),
        *(f"new: {name}" for name in now if name not in before),
        *(
            f"changed: {name}: {before[name]} -> {now[name]}"
            for name in before
            if now.get(name, before[name]) != before[name]
        ),
    ]


def _lines(names: dict[str, dict[str, Any]]) -> dict[str, str]:
    lines = {}
    for module, described in names.items():
        for name, what in described.items():
            members = what if isinstance(what, dict) else {"": what}
            lines.update({f"{module}.{name}{'.' * bool(member)}{member}": text for member, text in members.items()})
    return lines


def _described(thing: Any) -> Any:
    if isinstance(thing, ModuleType):
        return "module"  # tvm.tir or tvm.tirx, TVM's own
    if not inspect.isclass(thing):
        return f"function{_signature(thing)}" if inspect.isfunction(thing) else "alias"
    if thing.__name__ in GIVEN:
        return {name: _member(thing, name) for name in GIVEN[thing.__name__].split()}
    return {"": f"class{_constructor(thing)}", **_members(thing)}


def _constructor(cls: type) -> str:
    """Parameters of a class; of exceptions without an `__init__` of their own they are Python's."""
    return "(*args)" if cls.__init__ is getattr(cls.__base__, "__init__", None) else _signature(cls)


def _members(cls: type) -> dict[str, str]:
    """Public methods, properties and fields that the package itself defines, in alphabetical order."""
    own = [each for each in cls.__mro__ if each.__module__.startswith("tvm_hlo_frontend")]
    names = {name for each in own for name in (*vars(each), *vars(each).get("__annotations__", ()))}
    return {name: _member(cls, name) for name in sorted(names) if not name.startswith("_") or name == "__call__"}


def _member(cls: type, name: str) -> str:
    value = inspect.getattr_static(cls, name, None)
    function = getattr(value, "__func__", value)
    return f"method{_signature(function)}" if inspect.isfunction(function) else "attribute"


def _signature(thing: Any) -> str:
    """Parameters and defaults, without annotations, which no caller relies on."""
    parameters = inspect.signature(thing).parameters.values()
    bare = [parameter.replace(annotation=parameter.empty) for parameter in parameters]
    return str(inspect.Signature(bare))
