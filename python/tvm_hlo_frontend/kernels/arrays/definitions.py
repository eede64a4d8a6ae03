"""Which nodes of array programs have statements."""

from __future__ import annotations

from ...analysis.array_program import ArrayNode, ArrayProgram
from ...analysis.scalar_expression import ScalarExpression
from ...hlo.opcodes import ELEMENTWISE
from ..dtypes import TVM_DTYPES
from ..elementwise.scalar.evaluate import supports

# sums of them have other types to be formed in
_NARROW_SUMS = frozenset({"f16", "pred"})


def computes(node: ArrayNode, program: ArrayProgram) -> bool:
    """Whether `kernels.arrays` computes a node of a program as XLA does."""
    if node.element_type and node.element_type not in TVM_DTYPES:
        return False
    kinds = [program.nodes[operand].element_type for operand in node.operands]
    if node.opcode in ELEMENTWISE or node.opcode == "bitcast-convert":
        return all(kind in TVM_DTYPES for kind in kinds) and supports(node.opcode, kinds[-1])
    if node.opcode in ("dot", "convolution"):
        return node.element_type not in _NARROW_SUMS and kinds == [node.element_type] * 2
    if node.opcode == "reduce-window" or (node.opcode == "reduce" and not node.element_type):
        return _folds(node.body, kinds)
    if node.opcode in ("sort", "topk"):
        return _compares(node.body, kinds)
    if node.opcode in ("reduce", "scatter"):
        assert node.body is not None
        alike = {kinds[0], kinds[-1], *node.body.result_types} == {node.element_type}
        return alike and _is_supported(node.body)
    return True


def _folds(body: ScalarExpression | None, kinds: list[str]) -> bool:
    """Whether a body folds operands, to which results and init values are alike."""
    assert body is not None
    count = len(kinds) // 2
    same = all(kinds[number % count] == kind for number, kind in _parameters(body))
    return same and list(body.result_types) == kinds[:count] == kinds[count:] and _is_supported(body)


def _compares(body: ScalarExpression | None, kinds: list[str]) -> bool:
    """Whether a body compares elements of operands."""
    assert body is not None
    same = all(kinds[number // 2] == kind for number, kind in _parameters(body))
    return same and all(kind in TVM_DTYPES for kind in kinds) and _is_supported(body)


def _parameters(body: ScalarExpression) -> set[tuple[int, str]]:
    return {(int(node.attributes[0]), node.element_type) for node in body.nodes if node.opcode == "parameter"}


def _is_supported(body: ScalarExpression) -> bool:
    for node in body.nodes:
        if node.element_type not in TVM_DTYPES:
            return False
        inner = node.opcode not in ("parameter", "constant")
        if inner and not supports(node.opcode, body.nodes[node.operands[-1]].element_type):
            return False
    return True
