"""Every opcode is complete: its row in hlo/opcodes.py, and all that its row says it has (docs/extending.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support import opcode_pieces
from tests.support.opcode_pieces import missing_pieces
from tvm_hlo_frontend.convert.ops import TABLE
from tvm_hlo_frontend.convert.refusals import REFUSED_OPCODES
from tvm_hlo_frontend.drawing.kinds import KINDS
from tvm_hlo_frontend.hlo import cost, opcodes
from tvm_hlo_frontend.hlo.opcodes import ROWS, OpcodeInfo, least_and_greatest
from tvm_hlo_frontend.hlo.shape_inference import RULES
from tvm_hlo_frontend.kernels.elementwise.scalar.evaluate import SCALAR_FUNCTIONS
from tvm_hlo_frontend.rewrites.pipeline import REWRITTEN_OPCODES

Removal = Callable[[pytest.MonkeyPatch], Any]


def test_every_opcode_has_all_its_pieces():
    assert {info.name: missing for info in ROWS if (missing := missing_pieces(info.name))} == {}


@pytest.mark.parametrize("info", ROWS, ids=lambda info: info.name)
def test_a_row_agrees_with_itself(info: OpcodeInfo):
    for least, greatest in map(least_and_greatest, (info.operands, info.called)):
        assert 0 <= least <= greatest
    assert (info.family == "elementwise") == (info.cost in ("flop", "transcendental"))
    assert info.cost not in ("evaluations", "callees") or least_and_greatest(info.called)[0] > 0
    assert info.moves == "nothing" or info.cost in ("free", "callees")


def test_each_opcode_has_one_row():
    assert len(set(opcodes.OPCODES)) == len(ROWS) == 136


def without(table: dict[Any, Any], key: Any) -> Removal:
    return lambda patch: patch.delitem(table, key)


# opcode, what takes the piece away, what is missing then
REMOVALS: dict[str, tuple[str, Removal, str]] = {
    "row": (
        "reverse",
        lambda patch: patch.setattr(opcodes, "ROWS", tuple(info for info in ROWS if info.name != "reverse")),
        "its row in hlo/opcodes.py (found 0)",
    ),
    "rule": ("reverse", without(RULES, "reverse"), "its rule in hlo/shape_inference/"),
    "formula": ("dot", without(cost._FORMULAS, "dot"), "its formula in hlo/cost.py"),
    "evaluations": ("sort", without(cost._EVALUATIONS, "sort"), "its evaluations in hlo/cost.py"),
    "kind": ("sort", without(KINDS, "order"), "the kind order in drawing/kinds.py"),
    "converter": (
        "reverse",
        without(TABLE.entries, "reverse"),
        "its converter in convert/ops/, its rewrite in rewrites/pipeline.py or why it is refused",
    ),
    "rewrite": (
        "fft",
        without(REWRITTEN_OPCODES, "fft"),
        "its converter in convert/ops/, its rewrite in rewrites/pipeline.py or why it is refused",
    ),
    "reason": (
        "infeed",
        without(REFUSED_OPCODES, "infeed"),
        "its converter in convert/ops/, its rewrite in rewrites/pipeline.py or why it is refused",
    ),
    "scalar function": (
        "popcnt",
        without(SCALAR_FUNCTIONS, ("popcnt", "integer")),
        "its function in kernels/elementwise/scalar/",
    ),
    "test": (
        "popcnt",
        lambda patch: patch.setattr(opcode_pieces, "tested_opcodes", frozenset),
        "a test of its conversion that names it",
    ),
}


@pytest.mark.parametrize("piece", REMOVALS)
def test_a_missing_piece_is_named(piece: str, monkeypatch: pytest.MonkeyPatch):
    opcode, remove, message = REMOVALS[piece]
    remove(monkeypatch)
    assert missing_pieces(opcode) == [message]
