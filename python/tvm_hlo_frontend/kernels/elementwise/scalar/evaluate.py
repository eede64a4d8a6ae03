"""From a ScalarExpression to TIR."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....analysis.scalar_expression import ScalarExpression, ScalarNode
from ....errors import UnsupportedInstruction
from ....hlo.ir.shape import BY_NAME
from ....tensor_ir.compat import dtype_of, tir
from ....tensor_ir.primitives import Scope, integer, is_float, real, to_half
from ...dtypes import TVM_DTYPES
from . import compare, convert, floats, integers, logical, transcendental
from .table import ScalarTable, operand_kind

SCALAR_FUNCTIONS = ScalarTable.of(
    compare.table, convert.table, floats.table, integers.table, logical.table, transcendental.table
).entries
# half precision is computed in f32 and rounded (HloEvaluator computes so); these work on its bits
_OWN_HALF = frozenset("select convert bitcast-convert reduce-precision compare is-finite abs negate sign".split())


def evaluate(expression: ScalarExpression, operands: Sequence[Any]) -> list[Any]:
    """TIR expressions of the results of a scalar program.

    Parameters
    ----------
    expression : ScalarExpression
        Over pred, s8 to s64, u8 to u64, f16, f32 and f64.
    operands : sequence of tir.PrimExpr
        Values of parameters 0, 1, …, of the TVM dtypes of their element types.

    Returns
    -------
    list of tir.PrimExpr
        One per result. They hold Let expressions, so they may be large, but never grow with the number of uses.

    Raises
    ------
    UnsupportedInstruction
        For an opcode or element type without a scalar definition.
    """
    uses = Counter(index for node in expression.nodes for index in node.operands)
    scope = Scope()
    values: list[Any] = []
    for index, node in enumerate(expression.nodes):
        value = _value(scope, node, [values[i] for i in node.operands], operands)
        values.append(scope.bind(value) if uses[index] > 1 and node.opcode != "constant" else value)
    return [scope.close(values[index]) for index in expression.results]


def supports(opcode: str, operand_type: str) -> bool:
    """Whether `opcode` has a scalar definition for operands of an element type."""
    return operand_type in TVM_DTYPES and (opcode, operand_kind(TVM_DTYPES[operand_type])) in SCALAR_FUNCTIONS


def check_supported(expression: ScalarExpression) -> None:
    """UnsupportedInstruction if `expression` holds an operation without a scalar definition."""
    for node in expression.nodes:
        if node.opcode in ("parameter", "constant"):
            continue
        last = expression.nodes[node.operands[-1]].element_type
        if not supports(node.opcode, last):
            raise UnsupportedInstruction(f"{node.opcode} of {last} has no definition as part of a kernel's body")


def _value(scope: Scope, node: ScalarNode, arguments: list[Any], operands: Sequence[Any]) -> Any:
    if node.element_type not in TVM_DTYPES:
        raise UnsupportedInstruction(f"scalars of element type {node.element_type} have no definition")
    if node.opcode == "parameter":
        return operands[int(node.attributes[0])]
    if node.opcode == "constant":
        return _constant(node)
    kind = operand_kind(dtype_of(arguments[-1]))
    function = SCALAR_FUNCTIONS.get((node.opcode, kind))
    if function is None:
        raise UnsupportedInstruction(f"{node.opcode} has no definition for {dtype_of(arguments[-1])} operands")
    if node.opcode in _OWN_HALF or not any(dtype_of(argument) == "float16" for argument in arguments):
        return function(scope, node, *arguments)
    wide = [tir.Cast("float32", argument) if is_float(argument) else argument for argument in arguments]
    result = function(scope, node, *wide)
    return to_half(scope, result) if is_float(result) else result


def _constant(node: ScalarNode) -> Any:
    dtype = BY_NAME[node.element_type].numpy_dtype
    value = np.frombuffer(bytes.fromhex(str(node.attributes[0])), dtype)[0]
    kind = TVM_DTYPES[node.element_type]
    if kind.startswith("float"):
        return real(float(value), kind)
    return tir.const(bool(value), kind) if kind == "bool" else integer(int(value), kind)
