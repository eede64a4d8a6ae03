"""How inputs of each kind are mutated, and how they come in."""

from __future__ import annotations

import io
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import tvm_hlo_frontend
from tools.mutate.protos import mutated_proto
from tools.mutate.raw import mutated_bytes, mutated_text
from tools.mutate.samples import HLO_TEXTS, MLIR_TEXTS, jax_exports, mlir_bytecode
from tvm_hlo_frontend.backends.select import installed_dialect
from tvm_hlo_frontend.cli.arrays import read_npz


def convert(data: bytes) -> Any:
    """The module of an input, in the language of the installed TVM."""
    return tvm_hlo_frontend.from_hlo(data)


def convert_text(data: bytes) -> Any:
    """The module of a text."""
    return tvm_hlo_frontend.from_hlo(data.decode("utf-8", "replace"))


def convert_and_check(data: bytes) -> Any:
    """`convert`; TVM infers the types of what comes of it, or writes and reads it."""
    found = convert(data)
    if installed_dialect() == "relay":
        from tvm import relay

        return relay.transform.InferType()(found[0])
    import tvm

    return tvm.ir.load_json(tvm.ir.save_json(found))


def convert_stablehlo(data: bytes) -> Any:
    """The module of MLIR bytecode, or of an export of JAX."""
    return tvm_hlo_frontend.from_stablehlo(data)


def read_arrays(data: bytes) -> Any:
    """The arrays of a numpy file."""
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        file.write(data)
        file.flush()
        return read_npz(Path(file.name))


def _numpy_files() -> list[bytes]:
    files = []
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, x=np.arange(6, dtype=np.float32).reshape(2, 3), y=np.zeros(40, np.int8))
        files.append(buffer.getvalue())
    return files


@dataclass(frozen=True)
class Road:
    """A kind of input.

    Attributes
    ----------
    mutate : callable
        ``mutate(seeds, rng)`` makes an input.
    run : callable
        Takes it in.
    sample : callable
        Takes it in with checks besides; one input in `SAMPLE`.
    seeds : callable or None
        What is mutated; None for the corpus of modules.
    """

    mutate: Callable[[Sequence[bytes], random.Random], bytes]
    run: Callable[[bytes], Any]
    sample: Callable[[bytes], Any]
    seeds: Callable[[], list[bytes]] | None = None


SAMPLE = 20
ROADS = {
    "proto": Road(mutated_proto, convert, convert_and_check),
    "bytes": Road(mutated_bytes, convert, convert_and_check),
    "text": Road(mutated_text, convert_text, convert_text, lambda: [text.encode() for text in HLO_TEXTS]),
    "mlir": Road(mutated_text, convert_text, convert_text, lambda: [text.encode() for text in MLIR_TEXTS]),
    "bytecode": Road(mutated_bytes, convert_stablehlo, convert_stablehlo, mlir_bytecode),
    "export": Road(mutated_bytes, convert_stablehlo, convert_stablehlo, jax_exports),
    "npz": Road(mutated_bytes, read_arrays, read_arrays, _numpy_files),
}


def input_of(kind: str, seed: int, seeds: Sequence[bytes]) -> bytes:
    """The input of a kind and a seed."""
    return ROADS[kind].mutate(seeds, random.Random(f"{kind}:{seed}"))


def road_of(kind: str, seed: int) -> Callable[[bytes], Any]:
    """How the input of a seed comes in."""
    road = ROADS[kind]
    return road.run if seed % SAMPLE else road.sample
