"""The kernels by name, and what each needs to be scheduled and fused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import RegistryError
from .spec import KernelSpec

CLASSES = ("map", "injective", "reduction", "extern")


@dataclass(frozen=True)
class KernelDefinition:
    """How a kernel's code is made.

    Attributes
    ----------
    kernel_class : str
        ``map`` (element-wise with numpy broadcasting), ``injective`` (te.compute, fusible), ``reduction`` (a single
        te reduction, fusible as such), ``extern`` (anything else; never fused).
    compute : callable
        ``compute(spec, inputs, results)`` with te tensors and a list of (dimensions, TVM dtype); a list of te tensors.
    schedule : callable or None
        ``schedule(outputs, target) -> te.Schedule`` of an ``extern`` kernel; None for the default of its class.
    version : int
        Must equal the version of the spec.
    host_function : str or None
        The packed function that the code calls: a process that runs the kernel must have registered it.
    """

    kernel_class: str
    compute: Callable[[KernelSpec, Sequence[Any], Sequence[tuple[tuple[int, ...], str]]], list[Any]]
    schedule: Callable[[Sequence[Any], Any], Any] | None = None
    version: int = 1
    host_function: str | None = None


_DEFINITIONS: dict[str, KernelDefinition] = {}


def kernel(
    name: str,
    kernel_class: str,
    schedule: Callable | None = None,
    version: int = 1,
    host_function: str | None = None,
) -> Callable:
    """Decorator: registers ``compute(spec, inputs, results)`` as kernel `name`."""

    def decorate(compute: Callable) -> Callable:
        if name in _DEFINITIONS or kernel_class not in CLASSES:
            raise RegistryError(f"kernel {name!r} is registered already, or {kernel_class!r} is no kernel class")
        _DEFINITIONS[name] = KernelDefinition(kernel_class, compute, schedule, version, host_function)
        return compute

    return decorate


def definition(spec: KernelSpec) -> KernelDefinition:
    """Definition of `spec`.

    Raises
    ------
    RegistryError
        If no kernel has that name, or a saved module asks for another version of it.
    """
    from . import library  # noqa: F401  registers the kernels

    found = _DEFINITIONS.get(spec.name)
    if found is None:
        raise RegistryError(f"no kernel is called {spec.name!r}")
    if found.version != spec.version:
        raise RegistryError(
            f"kernel {spec.name!r} has version {found.version}, the module was made with version {spec.version}: "
            "convert it again"
        )
    return found
