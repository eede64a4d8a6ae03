"""The reference interpreter of StableHLO in jaxlib, in a process of its own, which it ends on what it does not know."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from tvm_hlo_frontend.hlo.ir.module import HloModule
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME
from tvm_hlo_frontend.hlo.proto.writer import to_proto

# of which its attributes are arrays
READABLE = ("pred", "s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64", "f32", "f64")
SECONDS = 120.0


def interpreted(module: HloModule, arguments: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Results of a module whose root is a tuple of arrays.

    Raises
    ------
    RuntimeError
        If it gives or takes types that jaxlib's bindings do not read, or the interpreter does not know something.
    """
    results = module.entry.root.shape.arrays()
    shapes = [*results, *(each.shape for each in module.entry.parameters)]
    unread = sorted({shape.element_type for shape in shapes} - set(READABLE))
    if unread:
        raise RuntimeError(f"{', '.join(unread)} cannot be read from the interpreter")
    given = pickle.dumps((to_proto(module), list(arguments), [(each.element_type, each.sizes) for each in results]))
    command = [sys.executable, "-m", "tools.fuzz.vote"]
    done = subprocess.run(command, input=given, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it ended"]
        raise RuntimeError(lines[-1])
    found: list[np.ndarray] = pickle.loads(done.stdout)
    return found


def run(proto: bytes, arguments: Sequence[np.ndarray], shapes: Sequence[tuple[str, tuple[int, ...]]]) -> Any:
    """The interpreter's results, in this process."""
    from jax._src.interpreters import mlir as jax_mlir
    from jaxlib import _hlo, _jax
    from jaxlib.mlir import ir
    from jaxlib.mlir.dialects import stablehlo

    text = _jax.mlir.xla_computation_to_mlir_module(_hlo.XlaComputation(proto))
    with jax_mlir.make_ir_context(), ir.Location.unknown():
        found = stablehlo.eval_module(ir.Module.parse(text), [_attribute(ir, array) for array in arguments])
        dtypes = [BY_NAME[kind].numpy_dtype for kind, _ in shapes]
        return [
            np.array(ir.DenseElementsAttr(each)).astype(dtype).reshape(sizes)
            for each, dtype, (_, sizes) in zip(found, dtypes, shapes, strict=True)
        ]


def _attribute(ir: Any, array: np.ndarray) -> Any:
    """An array as the interpreter takes it: signs of integers are of the type."""
    if array.dtype.kind not in ("b", "u"):
        return ir.DenseElementsAttr.get(np.ascontiguousarray(array).reshape(array.shape))
    if array.dtype.kind == "u":
        kind = ir.IntegerType.get_unsigned(8 * array.dtype.itemsize)
        return ir.DenseElementsAttr.get(np.ascontiguousarray(array), type=kind, shape=array.shape)
    values = [ir.BoolAttr.get(bool(value)) for value in array.ravel()]
    kind = ir.RankedTensorType.get(array.shape, ir.IntegerType.get_signless(1))
    return ir.DenseElementsAttr.get(values, kind)


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(run(*pickle.loads(sys.stdin.buffer.read()))))
