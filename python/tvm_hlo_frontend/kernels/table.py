"""What a kernel is, and tables of kernels by name, as modules declare them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import RegistryError
from .redefinition import is_redefinition
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
        ``schedule(outputs, target) -> te.Schedule`` of a user's ``extern`` kernel; None for this package's own
        (`schedules.te.library`) or the default of its class.
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
        As of `convert.rules.ConverterTable`.
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
