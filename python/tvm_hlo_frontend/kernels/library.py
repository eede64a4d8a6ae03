"""All kernels: the tables of the modules that define them, and those that users have registered."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import RegistryError
from .contraction import channels_last, convolution, dot, ragged_dot
from .control import loop, statements, while_loop
from .elementwise import integer_power
from .elementwise import map as map_kernel
from .fourier import fft
from .indexing import gather, movement, scatter, sort, update
from .linalg import cholesky, eigh, hessenberg, host, lu, pivots, qr, svd, triangular, tridiagonal, tridiagonal_form
from .reduction import fold, reduce, rows, scan, window
from .spec import KernelSpec
from .table import Compute, KernelDefinition, KernelTable, Schedule, described

TABLE = KernelTable.of(
    channels_last.table,
    convolution.table,
    dot.table,
    fold.table,
    gather.table,
    integer_power.table,
    fft.table,
    cholesky.table,
    eigh.table,
    hessenberg.table,
    host.table,
    lu.table,
    pivots.table,
    qr.table,
    svd.table,
    triangular.table,
    tridiagonal.table,
    tridiagonal_form.table,
    map_kernel.table,
    movement.table,
    ragged_dot.table,
    reduce.table,
    rows.table,
    scan.table,
    scatter.table,
    sort.table,
    loop.table,
    statements.table,
    update.table,
    while_loop.table,
    window.table,
)
_OWN = KernelTable(replaceable=True)


def kernel(
    name: str, kernel_class: str, schedule: Schedule | None = None, version: int = 1, host_function: str | None = None
) -> Callable[[Compute], Compute]:
    """Decorator for users' kernels: registers ``compute(spec, inputs, results)`` as kernel `name`.

    Raises
    ------
    RegistryError
        If a kernel of this package, or one of the user's by a function of another name, has that name, or for an
        unknown class.
    """
    known = TABLE.entries.get(name)
    if known is not None:
        raise RegistryError(f"a kernel of this package is called {name!r} already: {described(known)}")
    return _OWN.kernel(name, kernel_class, schedule, version, host_function)


def own_kernels() -> list[str]:
    """Names of users' kernels."""
    return list(_OWN.entries)


def definition(spec: KernelSpec) -> KernelDefinition:
    """Definition of `spec`.

    Raises
    ------
    RegistryError
        If no kernel has that name, or a saved module asks for another version of it.
    """
    found = TABLE.entries.get(spec.name) or _OWN.entries.get(spec.name)
    if found is None:
        raise RegistryError(f"no kernel is called {spec.name!r}")
    if found.version != spec.version:
        raise RegistryError(
            f"kernel {spec.name!r} has version {found.version}, the module was made with version {spec.version}: "
            "convert it again"
        )
    return found
