"""Bodies of Relax functions, and loops without recursion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import relax
from tvm.relax.utils import copy_with_new_vars

# a loop runs at most 2 ** DOUBLINGS trips: more than a process could in its life
DOUBLINGS = 40


class Scope:
    """Bindings of one straight-line piece of a function, in the order in which they were made."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder
        self._bindings: list[Any] = []

    def emit(self, expr: Any) -> Any:
        """A new variable bound to `expr`."""
        expr = self._builder.normalize(expr)
        variable = relax.Var("t", expr.ty)
        self._bindings.append(relax.VarBinding(variable, expr))
        return variable

    def close(self, result: Any) -> Any:
        """Everything, with the value of `result`."""
        return relax.SeqExpr([relax.BindingBlock(self._bindings)], result)


def called_apart(builder: Any, name: str, body: Any, result_type: Any) -> Any:
    """A branch that calls `body` as a function of its own: TVM's memory planner lets one branch of a conditional use
    what it has allocated in the other."""
    outer = relax.analysis.free_vars(body)
    function = builder.add_func(copy_with_new_vars(relax.Function(outer, body, result_type)), name)
    scope = Scope(builder)
    return scope.close(scope.emit(relax.Call(function, list(outer))))


def doubled_loop(builder: Any, name: str, condition: Any, body: Any, types: Sequence[Any]) -> Any:
    """The GlobalVar of a function that takes and returns the state of a while loop as one tuple.

    Step k runs up to 2^k trips as two steps k - 1, the second only if the condition still holds, so the depth of calls
    is bounded whatever the number of trips; a function that calls itself overflows the stack after a few thousand. The
    condition is looked at once more per level, which is harmless: HLO's computations have no side effects.

    Parameters
    ----------
    builder : relax.BlockBuilder
    name : str
    condition, body : GlobalVar
        Functions of the parts of the state; both return tuples.
    types : sequence of relax.TensorType
        Of the parts.
    """
    state_type = relax.TupleType(list(types))
    previous: Any = None
    for level in range(DOUBLINGS + 1):
        parameter = relax.Var("state", state_type)
        scope, then, otherwise = Scope(builder), Scope(builder), Scope(builder)
        state = parameter if previous is None else scope.emit(relax.Call(previous, [parameter]))
        tests = scope.emit(relax.Call(condition, parts(scope, state, types)))
        test = scope.emit(relax.TupleGetItem(tests, 0))
        if previous is None:
            advanced = then.emit(relax.Call(body, parts(then, state, types)))
        else:
            advanced = then.emit(relax.Call(previous, [state]))
        chosen = scope.emit(relax.If(test, then.close(advanced), otherwise.close(otherwise.emit(state))))
        function = relax.Function([parameter], scope.close(chosen), state_type)
        previous = builder.add_func(function, f"{name}_{level}")
    return previous


def counted_loop(builder: Any, name: str, trips: int, body: Any, types: Sequence[Any]) -> Any:
    """The GlobalVar of a function that takes and returns the state of a loop of `trips` trips as one tuple: function k
    runs 2^k of them, and those of the ones among the digits of `trips` are called one after the other.

    Parameters
    ----------
    builder, name, body, types
        As for `doubled_loop`.
    trips : int
    """
    state_type = relax.TupleType(list(types))
    parameter = relax.Var("state", state_type)
    scope = Scope(builder)
    state, power = scope.emit(parameter), None
    for level in range(trips.bit_length()):
        power = _twice(builder, f"{name}_{level}", power, body, types)
        if trips >> level & 1:
            state = scope.emit(relax.Call(power, [state]))
    return builder.add_func(relax.Function([parameter], scope.close(state), state_type), name)


def _twice(builder: Any, name: str, function: Any, body: Any, types: Sequence[Any]) -> Any:
    """A function that calls `function` on the state twice; the body alone where there is none."""
    parameter = relax.Var("state", relax.TupleType(list(types)))
    scope = Scope(builder)
    if function is None:
        state = scope.emit(relax.Call(body, parts(scope, parameter, types)))
    else:
        state = scope.emit(relax.Call(function, [scope.emit(relax.Call(function, [parameter]))]))
    return builder.add_func(relax.Function([parameter], scope.close(state), state.ty), name)


def parts(scope: Scope, state: Any, types: Sequence[Any]) -> list[Any]:
    """The elements of a state."""
    return [scope.emit(relax.TupleGetItem(state, index)) for index in range(len(types))]
