"""The modules that are mutated: random programs, samples of other opcodes, and folders of more."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

from tools.fuzz.generator import program_of
from tools.fuzz.program import finished, results_of
from tools.mutate.samples import HLO_TEXTS
from tvm_hlo_frontend.hlo.proto.writer import to_proto

PROGRAMS = 60
STEPS = 4


def modules(folders: Sequence[Path] = ()) -> list[bytes]:
    """Serialized modules, always in the same order; of folders their ``.pb`` files."""
    found = [of_program(seed) for seed in range(PROGRAMS)] + of_texts()
    return found + [path.read_bytes() for folder in folders for path in sorted(folder.glob("*.pb"))]


def of_program(seed: int) -> bytes:
    """A random program of a few instructions."""
    program = program_of(seed, STEPS)
    return to_proto(finished(program, results_of(program)))


def of_texts() -> list[bytes]:
    """The samples, by jaxlib's parser in this process: they are right."""
    from jaxlib._hlo import hlo_module_from_text

    return [hlo_module_from_text(text).as_serialized_hlo_module_proto() for text in HLO_TEXTS]


def saved(seeds: Sequence[bytes], path: Path) -> Path:
    """`path`, where workers find the modules."""
    path.write_bytes(pickle.dumps(list(seeds)))
    return path


def loaded(path: Path) -> list[bytes]:
    """What `saved` wrote."""
    seeds: list[bytes] = pickle.loads(path.read_bytes())
    return seeds
