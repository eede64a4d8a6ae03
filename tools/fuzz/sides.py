"""The ways in which a program is computed: XLA:CPU, TVM by turns, the rewrites alone, and who decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tools.support.compare import DIALECT, converted, run_plain, run_tvm
from tools.support.oracle import execute, serialized
from tvm_hlo_frontend.backends.select import load_dialect
from tvm_hlo_frontend.hlo.ir.attributes import CustomCallAttributes
from tvm_hlo_frontend.hlo.ir.module import HloInstruction, HloModule
from tvm_hlo_frontend.hlo.ir.shape import element_type_of
from tvm_hlo_frontend.hlo.ir.storage import STORAGE, from_storage, to_storage
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.oracle.xla_cpu import compile_xla
from tvm_hlo_frontend.rewrites import Capabilities, decompose, normalize

Arrays = list[np.ndarray]
# of targets of custom-calls that the rewrites make
KERNELS = "tvm_hlo."
Side = Callable[[HloModule, Sequence[np.ndarray]], Arrays]


def on_xla(module: HloModule, arguments: Sequence[np.ndarray]) -> Arrays:
    """XLA:CPU, which compiles in half the time when LLVM optimizes nothing."""
    return execute(compile_xla(module, excess_precision=False, optimized=False), arguments)


def on_optimized_xla(module: HloModule, arguments: Sequence[np.ndarray]) -> Arrays:
    """XLA:CPU as it comes."""
    return execute(compile_xla(module, excess_precision=False), arguments)


def _language() -> Any:
    return load_dialect(None)


def rewritten(module: HloModule) -> HloModule:
    """What the rewrites make of a module, which is what converters see."""
    capabilities = Capabilities.of(_language())
    return normalize(decompose(read(serialized(module)), capabilities), capabilities)


def rewrites_on_xla(module: HloModule, arguments: Sequence[np.ndarray]) -> Arrays:
    """The rewritten module on XLA:CPU; where it calls kernels of TVM's, `built`."""
    new = rewritten(module)
    if any(_is_kernel(instruction) for instruction in new.instructions):
        return built(module, arguments)
    return _in_storage(module, arguments, lambda stored: on_xla(new, stored))


def _is_kernel(instruction: HloInstruction) -> bool:
    attributes = instruction.attributes
    return isinstance(attributes, CustomCallAttributes) and attributes.target.startswith(KERNELS)


def plain(use_vm: bool) -> Side:
    """Unmodified TVM: `relay.build` or `relay.vm`; `tvm.compile` on Relax."""

    def run(module: HloModule, arguments: Sequence[np.ndarray]) -> Arrays:
        mod, params = converted(serialized(module))
        return _in_storage(module, arguments, lambda stored: run_plain(mod, params, stored, use_vm or _calls(mod)))

    return run


def _calls(mod: Any) -> bool:
    """Whether Relay's graph executor cannot run it."""
    if DIALECT != "relay":
        return False
    from tvm_hlo_frontend.backends.relay.runtime import needs_vm

    return needs_vm(mod)


def _in_storage(
    module: HloModule, arguments: Sequence[np.ndarray], run: Callable[[Sequence[np.ndarray]], Arrays]
) -> Arrays:
    """Results of what takes and gives arrays as TVM stores them."""
    language = _language()

    def stored_as(kind: str) -> str:
        return kind if language.carries(kind) else STORAGE.get(kind, kind)

    kinds = [element_type_of(np.asarray(array).dtype) for array in arguments]
    stored = [to_storage(np.asarray(array), kind, stored_as(kind)) for array, kind in zip(arguments, kinds)]
    shapes = module.entry.root.shape.arrays()
    return [from_storage(array, shape.element_type) for array, shape in zip(run(stored), shapes, strict=True)]


def built(module: HloModule, arguments: Sequence[np.ndarray]) -> Arrays:
    """`from_hlo` and `build`."""
    return run_tvm(module, arguments)


# by turns: the seed decides
ROADS: dict[str, Side] = {
    "build": built,
    "graph": plain(False),
    "vm": plain(True),
    "rewrites": rewrites_on_xla,
}
_TURNS = {
    "relay": ("build", "graph", "build", "vm", "build", "rewrites", "build", "graph"),
    "relax": ("build", "graph", "build", "build", "rewrites", "build"),
}


def road_of(seed: int) -> str:
    """How the program of a seed goes through TVM."""
    turns = _TURNS[DIALECT]
    return turns[seed % len(turns)]
