"""Runs a rewritten module on XLA against the original, for rewrites that change what the entry computation takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tools.support.oracle import run_xla

from tvm_hlo_frontend.frameworks.jax import lower_jax
from tvm_hlo_frontend.hlo.ir.module import HloInstruction, HloModule
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME
from tvm_hlo_frontend.hlo.ir.storage import STORAGE, from_storage, to_storage
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites import Capabilities
from tvm_hlo_frontend.rewrites.inline_calls import inline_calls

# what TVM tensors carry
CARRIED = Capabilities(frozenset("pred s8 s16 s32 s64 u8 u16 u32 u64 f16 f32 f64".split()))


def inlined(function: Any, *arguments: Any) -> HloModule:
    """The module of a JAX function, without calls."""
    return inline_calls(read(lower_jax(function, *arguments).hlo), CARRIED)


def with_opcode(module: HloModule, opcode: str) -> list[HloInstruction]:
    """Instructions of the entry computation with an opcode."""
    return [each for each in module.entry.instructions if each.opcode == opcode]


def rewritten(module: Any, *rewrites: Any) -> HloModule:
    """The module after some rewrites; it verifies and holds no element type that is not carried."""
    new = module if isinstance(module, HloModule) else read(module)
    for rewrite in rewrites:
        new = rewrite(new, CARRIED)
    left = {
        array.element_type for instruction in new.instructions for array in instruction.shape.arrays() if array.is_array
    }
    assert left <= CARRIED.element_types, left
    return verify(new)


def run_both(module: Any, args: Sequence[Any], *rewrites: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(results of the rewritten module in HLO's dtypes, results of the original), both by XLA."""
    original = module if isinstance(module, HloModule) else read(module)
    wanted = run_xla(module, args)
    types = [parameter.shape.element_type for parameter in original.entry.parameters]
    stored = [to_storage(np.asarray(arg), name, STORAGE.get(name, name)) for arg, name in zip(args, types)]
    got = run_xla(rewritten(original, *rewrites), stored)
    shapes = original.entry.root.shape.arrays()
    return [from_storage(array, shape.element_type) for array, shape in zip(got, shapes, strict=True)], wanted


def every_value(element_type: str) -> np.ndarray:
    """All values of a type of at most 16 bits."""
    row = BY_NAME[element_type]
    assert row.numpy_dtype is not None
    if row.kind in ("signed", "unsigned"):
        low = -(1 << (row.bits - 1)) if row.kind == "signed" else 0
        return np.arange(low, low + (1 << row.bits)).astype(row.numpy_dtype)
    return np.arange(1 << row.bits, dtype=STORAGE_DTYPES[element_type]).view(row.numpy_dtype)


STORAGE_DTYPES = {name: BY_NAME[stored].numpy_dtype for name, stored in STORAGE.items()}


def different(got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where two arrays differ; NaN equals NaN, zeros are equal."""
    assert got.shape == wanted.shape and got.dtype == wanted.dtype, (got.dtype, wanted.dtype)
    wide = np.complex128 if got.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        a, b = got.astype(wide), wanted.astype(wide)
    return ~((a == b) | (np.isnan(a) & np.isnan(b)))
