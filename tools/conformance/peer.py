"""TVM's own StableHLO importer on the same harnesses: a worker process, as `worker.py` says, and what it does.

A name is that of a setup and of a harness, with SEPARATOR between them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tools.support.outcome import Outcome
from tools.support.stages import Announce

from .harnesses import load_harnesses, lower_in_jax
from .judge import judge
from .stages import staged
from .worker import serve

SEPARATOR = ": "
AS_SHIPPED = "as shipped"
SUPPLIED = "with jaxlib's removed isinstance supplied"

# what the importer asks `isinstance` of; jaxlib 0.9 took that method away
CLASSES = ("ShapedType", "IntegerAttr", "FloatAttr", "DenseIntElementsAttr", "DenseFPElementsAttr")


@contextlib.contextmanager
def removed_isinstance_supplied() -> Iterator[None]:
    """MLIR's classes with the static method that they had when the importer was written."""
    from jaxlib.mlir import ir

    kinds = [getattr(ir, name) for name in CLASSES]
    for kind in kinds:
        kind.isinstance = staticmethod(lambda value, kind=kind: isinstance(value, kind))
    try:
        yield
    finally:
        for kind in kinds:
            del kind.isinstance


SETUPS: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
    AS_SHIPPED: contextlib.nullcontext,
    SUPPLIED: removed_isinstance_supplied,
}


def main() -> None:
    """Serve harnesses until stdin ends."""

    def prepare() -> Callable[[dict[str, Any], Announce], Outcome]:
        import tvm.relax.frontend.stablehlo  # noqa: F401

        from tools.support import oracle  # noqa: F401

        harnesses = load_harnesses()

        def run(order: dict[str, Any], announce: Announce) -> Outcome:
            setup, _, name = order["name"].partition(SEPARATOR)
            return run_peer(harnesses[name], setup, announce)

        return run

    serve(prepare)


def run_peer(harness: Any, setup: str, announce: Announce) -> Outcome:
    """Run one harness through TVM's own importer in this process.

    Parameters
    ----------
    harness : Harness
        Of `load_harnesses`.
    setup : str
        One of SETUPS.
    announce : callable
        As for `stages.run_harness`.

    Returns
    -------
    Outcome
        Its name begins with the setup.
    """
    with SETUPS[setup]():
        outcome = staged(harness, announce, lambda enter: differences(harness, enter))
    return replace(outcome, name=setup + SEPARATOR + outcome.name)


def differences(harness: Any, enter: Announce) -> list[str]:
    """What differs between TVM and XLA."""
    import tvm
    from tvm import relax
    from tvm.relax.frontend.stablehlo import from_stablehlo

    from tools.support.oracle import run_xla

    enter("lower")
    lowered, arguments = lower_in_jax(harness)
    enter("xla")
    wanted = run_xla(lowered.compiler_ir("hlo").as_serialized_hlo_module_proto(), arguments)
    enter("convert")
    mod = from_stablehlo(lowered.compiler_ir("stablehlo"))
    enter("build")
    machine = relax.VirtualMachine(tvm.compile(mod, tvm.target.Target("llvm")), tvm.cpu())
    enter("run")
    result = machine["main"](*[tvm.runtime.tensor(np.asarray(array, order="C")) for array in arguments])
    got = [part.numpy() for part in ([result] if hasattr(result, "numpy") else result)]
    enter("compare")
    return judge(harness.group_name, harness.params, arguments, got, wanted)


if __name__ == "__main__":
    main()
