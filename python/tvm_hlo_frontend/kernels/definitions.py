"""The kernels by name, and what each needs to be scheduled and fused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import RegistryError
from ..redefinition import is_redefinition
from .spec import KernelSpec

CLASSES = ("map", "injective", "reduction", "extern")
# in Relax a kernel is a function of the module
NAMES_OF_FUNCTIONS = ("main",)


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


class KernelTable:
    """Kernels by name, as one module declares them.

    Parameters
    ----------
    replaceable : bool
        As of `registry.ConverterTable`.
    """

    def __init__(self, replaceable: bool = False) -> None:
        self.entries: dict[str, KernelDefinition] = {}
        self._replaceable = replaceable

    @staticmethod
    def of(*tables: KernelTable) -> KernelTable:
        """All of `tables` as one; RegistryError if two of them have the same kernel."""
        whole = KernelTable()
        for table in tables:
            for name, found in table.entries.items():
                whole.add(name, found)
        return whole

    def add(self, name: str, found: KernelDefinition) -> None:
        """RegistryError if the table has a kernel of that name that this one does not replace."""
        known = self.entries.get(name)
        if known is not None and not (self._replaceable and is_redefinition(found.compute, known.compute)):
            raise RegistryError(f"a kernel is called {name!r} already: {described(known)}")
        self.entries[name] = found

    def kernel(
        self,
        name: str,
        kernel_class: str,
        schedule: Callable | None = None,
        version: int = 1,
        host_function: str | None = None,
    ) -> Callable:
        """Decorator: ``compute(spec, inputs, results)`` is kernel `name`, see `KernelDefinition`."""

        def decorate(compute: Callable) -> Callable:
            if kernel_class not in CLASSES:
                raise RegistryError(f"{kernel_class!r} is no kernel class; those are {', '.join(CLASSES)}")
            if name in NAMES_OF_FUNCTIONS:
                raise RegistryError(f"no kernel can be called {name!r}: converted modules have a function of that name")
            self.add(name, KernelDefinition(kernel_class, compute, schedule, version, host_function))
            return compute

        return decorate


def described(found: KernelDefinition) -> str:
    """Where the code of a kernel is."""
    return f"{found.compute.__module__}.{found.compute.__qualname__}"


_OWN = KernelTable(replaceable=True)


def builtin() -> KernelTable:
    """The kernels of this package."""
    from .library import TABLE

    return TABLE


def kernel(
    name: str,
    kernel_class: str,
    schedule: Callable | None = None,
    version: int = 1,
    host_function: str | None = None,
) -> Callable:
    """Decorator for users' kernels: registers ``compute(spec, inputs, results)`` as kernel `name`.

    Raises
    ------
    RegistryError
        If a kernel of this package, or one of the user's by a function of another name, has that name, or for an
        unknown class.
    """
    known = builtin().entries.get(name)
    if known is not None:
        raise RegistryError(f"a kernel of this package is called {name!r} already: {described(known)}")
    return _OWN.kernel(name, kernel_class, schedule, version, host_function)


def definition(spec: KernelSpec) -> KernelDefinition:
    """Definition of `spec`.

    Raises
    ------
    RegistryError
        If no kernel has that name, or a saved module asks for another version of it.
    """
    found = builtin().entries.get(spec.name) or _OWN.entries.get(spec.name)
    if found is None:
        raise RegistryError(f"no kernel is called {spec.name!r}")
    if found.version != spec.version:
        raise RegistryError(
            f"kernel {spec.name!r} has version {found.version}, the module was made with version {spec.version}: "
            "convert it again"
        )
    return found
