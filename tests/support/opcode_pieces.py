"""What belongs to an opcode, and which of it is missing."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from tvm_hlo_frontend.convert.refusals import REFUSED_OPCODES
from tvm_hlo_frontend.convert.support import REFUSED, verdict_on
from tvm_hlo_frontend.drawing.kinds import KINDS
from tvm_hlo_frontend.hlo import cost, opcodes
from tvm_hlo_frontend.hlo.shape_inference import RULES
from tvm_hlo_frontend.kernels.elementwise.scalar.evaluate import SCALAR_FUNCTIONS
from tvm_hlo_frontend.kernels.elementwise.scalar.table import KINDS as SCALAR_KINDS

TESTS = Path(__file__).resolve().parents[1]
# what looks at conversions; the other rooms name opcodes for other reasons
ROOMS = ("python/frontend/convert", "python/frontend/kernels", "python/frontend/rewrites", "support")
NOT_TESTS = ("opcode_pieces.py", "test_opcodes.py")
FORMULAS = {"formula": cost._FORMULAS, "evaluations": cost._EVALUATIONS}


def missing_pieces(opcode: str) -> list[str]:
    """What an opcode lacks, each with the place where it belongs; empty if it is complete."""
    rows = [info for info in opcodes.ROWS if info.name == opcode]
    if len(rows) != 1:
        return [f"its row in hlo/opcodes.py (found {len(rows)})"]
    (info,) = rows
    missing = []
    if opcode not in RULES:
        missing.append("its rule in hlo/shape_inference/")
    if info.cost in FORMULAS and opcode not in FORMULAS[info.cost]:
        missing.append(f"its {info.cost} in hlo/cost.py")
    if info.family not in KINDS:
        missing.append(f"the kind {info.family} in drawing/kinds.py")
    return missing + _missing_of_conversion(info)


def _missing_of_conversion(info: opcodes.OpcodeInfo) -> list[str]:
    how = verdict_on(info.name).how
    if how == REFUSED:
        reason = "its converter in convert/ops/, its rewrite in rewrites/pipeline.py or why it is refused"
        return [] if info.name in REFUSED_OPCODES else [reason]
    missing = []
    in_bodies = info.family == "elementwise" and how != "rewrite"
    if in_bodies and not any((info.name, kind) in SCALAR_FUNCTIONS for kind in SCALAR_KINDS):
        missing.append("its function in kernels/elementwise/scalar/")
    if info.name not in tested_opcodes():
        missing.append("a test of its conversion that names it")
    return missing


@functools.cache
def tested_opcodes() -> frozenset[str]:
    """Opcodes that are strings of their own, or words of lists of opcodes, in what tests conversions."""
    return frozenset(
        opcode
        for room in ROOMS
        for path in (TESTS / room).rglob("*.py")
        if path.name not in NOT_TESTS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for opcode in _listed(node.value)
    )


def _listed(text: str) -> list[str]:
    words = text.split()
    return words if set(words) <= set(opcodes.OPCODES) else []
