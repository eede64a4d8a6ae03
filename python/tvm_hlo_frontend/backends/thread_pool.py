"""Whether compiled code uses TVM's thread pool."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# TVM's function that hands the parts of a parallel loop to the threads of the pool
LAUNCH = "TVMBackendParallelLaunch"
# modules that hold a graph or bytecode and import the code
CODELESS = ("GraphExecutorFactory", "VMExecutable", "relax.VMExecutable", "const_loader", "metadata")


def uses_thread_pool(library: Any) -> bool:
    """Whether a call of a library may use more threads than the one that makes it.

    Parameters
    ----------
    library : object
        What `relay.build`, `relay.vm.compile` or `tvm.compile` returned; not one that was exported and loaded again,
        whose source is gone.

    Returns
    -------
    bool
        False only if its whole code is LLVM's and none of it has a parallel loop.
    """
    return any(_may_launch(module) for module in _modules(_root(library)))


def _root(library: Any) -> Any:
    for name in ("module", "mod"):  # of a GraphExecutorFactoryModule; of executables of either virtual machine
        if hasattr(library, name):
            return getattr(library, name)
    return library


def _modules(module: Any) -> Iterator[Any]:
    yield module
    imported = module.imports if hasattr(module, "imports") else module.imported_modules
    for inner in imported:
        yield from _modules(inner)


def _may_launch(module: Any) -> bool:
    # today's TVM first: it takes names that it does not know for functions, and loads the code to look for them
    kind = module.kind if hasattr(module, "kind") else module.type_key
    if kind in CODELESS:
        return False
    source = module.inspect_source if hasattr(module, "inspect_source") else module.get_source
    return kind != "llvm" or LAUNCH in source("ll")
