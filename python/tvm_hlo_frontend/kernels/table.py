"""What a kernel is, and tables of kernels by name, as modules declare them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import RegistryError
from ..hlo.tables import DeclaredTable
from .spec import KernelSpec

Compute = Callable[[KernelSpec, Sequence[Any], Sequence[tuple[tuple[int, ...], str]]], list[Any]]
Schedule = Callable[[Sequence[Any], Any], Any]

CLASSES = ("map", "injective", "reduction", "contraction", "extern")
# in Relax a kernel is a function of the module
NAMES_OF_FUNCTIONS = ("main",)


@dataclass(frozen=True)
class KernelDefinition:
    """How a kernel's code is made.

    Attributes
    ----------
    kernel_class : str
        ``map`` (element-wise with numpy broadcasting), ``injective`` (te.compute, fusible), ``reduction`` (a single
        te reduction, fusible as such), ``contraction`` (sums of products, with which element-wise operators that follow
        can be fused), ``extern`` (anything else; never fused).
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
    compute: Compute
    schedule: Schedule | None = None
    version: int = 1
    host_function: str | None = None


class KernelTable(DeclaredTable[str, KernelDefinition]):
    """Kernels by name, as one module declares them."""

    def _taken(self, key: str, known: KernelDefinition) -> str:
        return f"a kernel is called {key!r} already: {described(known)}"

    @staticmethod
    def _function_of(entry: KernelDefinition) -> Compute:
        return entry.compute

    def kernel(
        self,
        name: str,
        kernel_class: str,
        schedule: Schedule | None = None,
        version: int = 1,
        host_function: str | None = None,
    ) -> Callable[[Compute], Compute]:
        """Decorator: ``compute(spec, inputs, results)`` is kernel `name`, see `KernelDefinition`."""

        def decorate(compute: Compute) -> Compute:
            if kernel_class not in CLASSES:
                raise RegistryError(f"{kernel_class!r} is no kernel class; those are {', '.join(CLASSES)}")
            if name in NAMES_OF_FUNCTIONS:
                raise RegistryError(f"no kernel can be called {name!r}: converted modules have a function of that name")
            self.add(KernelDefinition(kernel_class, compute, schedule, version, host_function), name)
            return compute

        return decorate


def described(found: KernelDefinition) -> str:
    """Where the code of a kernel is."""
    return f"{found.compute.__module__}.{found.compute.__qualname__}"
