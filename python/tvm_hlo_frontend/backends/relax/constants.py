"""What follows from constants alone, computed before functions are fused.

TVM's FoldConstant compiles a module for every function that it evaluates, which took half of many builds. Here one
module has all of them. FoldConstant then finds values, and puts them where they are read.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import relax, tirx

from .graphs import CALL_TIR, is_call_of, with_blocks

# FoldConstant's own: what is computed here runs here
HOST = "llvm"


@tvm.transform.module_pass(opt_level=0, name="hlo.EvaluateConstants")
def evaluate_constants(mod: Any, context: Any) -> Any:
    """`mod` with values in the place of calls of its PrimFuncs on constants."""
    found = {name: _constant_calls(function) for name, function in mod.functions_items() if _is_graph(function)}
    needed = {call.args[0].name_hint: mod[call.args[0]] for calls in found.values() for call in calls.values()}
    if not needed:
        return mod
    functions = {name: function.with_attr("global_symbol", name) for name, function in needed.items()}
    library = tvm.compile(tvm.IRModule(functions), target=HOST)
    for name, calls in found.items():
        if calls:
            mod[name] = _with_values(mod[name], _values(library, calls))
    return mod


def _is_graph(function: Any) -> bool:
    return isinstance(function, relax.Function) and isinstance(function.body, relax.SeqExpr)


def _constant_calls(function: Any) -> dict[Any, Any]:
    """By the variable that it is bound to, each call on constants and on results of such calls, operands first."""
    found: dict[Any, Any] = {}
    for block in function.body.blocks:
        for binding in block.bindings if isinstance(block, relax.DataflowBlock) else ():
            if isinstance(binding, relax.VarBinding) and _is_constant_call(binding.value, found):
                found[binding.var] = binding.value
    return found


def _is_constant_call(value: Any, known: dict[Any, Any]) -> bool:
    if not is_call_of(value, CALL_TIR) or len(value.args) != 2:
        return False
    operands, kind = value.args[1], value.ty_args[0]
    if not isinstance(operands, relax.Tuple) or not isinstance(kind, relax.TensorType):
        return False
    return _sizes(kind) is not None and all(isinstance(x, tvm.ir.GenericConst) or x in known for x in operands.fields)


def _sizes(kind: Any) -> list[int] | None:
    """Dimensions of a tensor that has elements; None for one whose dimensions are not known."""
    sizes = None if kind.shape is None else list(kind.shape)
    if sizes is None or not all(isinstance(size, tirx.IntImm) and size.value for size in sizes):
        return None
    return [int(size) for size in sizes]


def _values(library: Any, calls: dict[Any, Any]) -> dict[Any, Any]:
    """What the calls compute."""
    values: dict[Any, Any] = {}
    for variable, call in calls.items():
        operands = [x.value if isinstance(x, tvm.ir.GenericConst) else values[x] for x in call.args[1].fields]
        kind = call.ty_args[0]
        values[variable] = tvm.runtime.empty(_sizes(kind), str(kind.dtype))
        library[call.args[0].name_hint](*operands, values[variable])
    return values


def _with_values(function: Any, values: dict[Any, Any]) -> Any:
    """`function` with its variables bound to these."""

    def bound(binding: Any) -> Any:
        value = values.get(binding.var)
        return binding if value is None else relax.VarBinding(binding.var, relax.const(value, str(value.dtype)))

    blocks = [type(block)([bound(binding) for binding in block.bindings]) for block in function.body.blocks]
    return with_blocks(function, blocks)
