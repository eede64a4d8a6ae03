"""Functions of a Relax module, and what its loops are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tvm_ffi
from tvm import relax
from tvm.relax.utils import copy_with_new_vars

from ...hlo.ir.shape import Shape
from ..loops import Kept, State, Step, TensorStep
from ..values import Body, Tensor
from .in_place import KEEPS
from .sizes import SizeVariables

# attribute of functions by which TVM plans memory
UPPER_BOUNDS = "tir_var_upper_bound"


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

    def choose(self, condition: Any, on_true: Any, on_false: Any, kind: Any) -> Any:
        """A new variable of type `kind` bound to one of two."""
        # TVM forgets unknown sizes where branches meet
        return self.known_as(self.emit(relax.If(condition, on_true, on_false)), kind)

    def known_as(self, value: Any, kind: Any) -> Any:
        """A variable, as one of type `kind`, which TVM checks when the module runs."""
        if tvm_ffi.structural_equal(value.ty, kind):
            return value
        variable = relax.Var("t", kind)
        self._bindings.append(relax.MatchCast(variable, value, kind))
        return variable

    def close(self, result: Any) -> Any:
        """Everything, with the value of `result`."""
        return relax.SeqExpr([relax.BindingBlock(self._bindings)], result)


class RelaxFunctions:
    """The module's functions, and the scopes of those that are being made, the innermost last. It is the `LoopLanguage`
    of Relax, whose states are variables of tuple types.

    Parameters
    ----------
    builder : relax.BlockBuilder
    type_of : callable
        Type of tensors of a shape.
    sizes : SizeVariables
        Those that there are when a function is made are its last argument: its tensors need not tell them.
    """

    def __init__(self, builder: Any, type_of: Callable[[Shape], Any], sizes: SizeVariables) -> None:
        self.scopes = [Scope(builder)]
        self._builder = builder
        self._type_of = type_of
        self._sizes = sizes
        self._count = 0

    def enter(self) -> Scope:
        """A scope within the innermost one."""
        self.scopes.append(Scope(self._builder))
        return self.scopes[-1]

    def name(self, name: str) -> str:
        """A name that no function has."""
        self._count += 1
        base = "".join(character if character.isalnum() else "_" for character in name)
        return f"{base}_{self._count}"

    def called_apart(self, body: Any, result_type: Any) -> Any:
        """A branch that calls `body` as a function of its own: TVM's memory planner lets one branch of a conditional
        use what it has allocated in the other."""
        outer = relax.analysis.free_vars(body)
        sizes = self._sizes.all()
        made = copy_with_new_vars(self.closed([*outer, *_taken(sizes)], body, result_type))
        function = self._builder.add_func(made, self.name("branch"))
        scope = Scope(self._builder)
        return scope.close(scope.emit(_call(function, list(outer), sizes)))

    def closed(self, parameters: list[Any], body: Any, result_type: Any) -> Any:
        """A function that begins by computing those sizes that its parameters do not have."""
        function = self._planned(parameters, body, result_type)
        free = [variable for variable in relax.analysis.free_symbolic_vars(function) if self._sizes.computes(variable)]
        if not free:
            return function
        scope = Scope(self._builder)
        # by way of a function: TVM puts what it knows of a variable in its place
        values = relax.ShapeExpr([self._sizes.value(variable) for variable in free])
        kind = relax.ShapeType(ndim=len(free))
        values = scope.emit(relax.call_pure_packed("vm.builtin.copy", values, ty_args=kind))
        scope.known_as(values, relax.ShapeType(free))
        return self._planned(parameters, scope.close(body), result_type)

    def _planned(self, parameters: list[Any], body: Any, result_type: Any) -> Any:
        """A function whose memory TVM plans for the greatest sizes there may be."""
        function, highest = relax.Function(parameters, body, result_type), self._sizes.upper_bounds()
        return function.with_attr(UPPER_BOUNDS, highest) if highest else function

    def function(self, name: str, shapes: Sequence[Shape], body: Body) -> TensorStep:
        """A function of tensors that returns a tuple, as what calls it."""
        return self._function(name, shapes, lambda tensors: self.pack(body(tensors)), {})

    def again(self, name: str, shapes: Sequence[Shape], step: TensorStep, kept: Kept) -> TensorStep:
        """A function that calls `step`, and says what may be computed in place: see `in_place.steps_in_place`."""
        return self._function(name, shapes, step, {KEEPS: [number for pair in kept for number in pair]})

    def _function(self, name: str, shapes: Sequence[Shape], body: TensorStep, attributes: dict[str, Any]) -> TensorStep:
        variables = [relax.Var(f"x{number}", self._type_of(shape)) for number, shape in enumerate(shapes)]
        scope = self.enter()
        value = body([_tensor(variable, shape) for variable, shape in zip(variables, shapes)])
        self.scopes.pop()
        sizes = self._sizes.all()
        made = self.closed([*variables, *_taken(sizes)], scope.close(value), value.ty)
        function = self._builder.add_func(made.with_attrs(attributes) if attributes else made, self.name(name))
        return lambda operands: self._emit(_call(function, [tensor.expr for tensor in operands], sizes))

    def state_function(self, name: str, shapes: Sequence[Shape], body: Callable[[Step, State], State]) -> Step:
        """A function of a tuple that returns one of the same type, as what calls it."""
        types = relax.TupleType([self._type_of(shape) for shape in shapes])
        parameter = relax.Var("state", types)
        identity = Scope(self._builder)
        # a function that calls itself is known to the builder before it has a body
        sizes = self._sizes.all()
        taken = [parameter, *_taken(sizes)]
        stub = relax.Function(taken, identity.close(identity.emit(parameter)), types)
        function = self._builder.add_func(copy_with_new_vars(stub), self.name(name))

        def call(state: State) -> State:
            return self._emit(_call(function, [state], sizes))

        scope = self.enter()
        # a function must not return its parameter as such: callers may free both
        value = body(call, scope.emit(parameter))
        self.scopes.pop()
        self._builder.update_func(function, self.closed(taken, scope.close(value), types))
        return call

    def pack(self, tensors: Sequence[Tensor]) -> State:
        """A variable bound to a tuple."""
        return self._emit(relax.Tuple([tensor.expr for tensor in tensors]))

    def unpack(self, state: State, shapes: Sequence[Shape], first: int = 0) -> tuple[Tensor, ...]:
        """Fields of a tuple whose fields have these shapes, from field `first` on."""
        return tuple(
            _tensor(self._emit(relax.TupleGetItem(state, first + number)), shape)
            for number, shape in enumerate(shapes[first:])
        )

    def if_going(self, state: State, step: Step) -> State:
        """`step` of the tuple if its first field is true, else the tuple."""
        going = self._emit(relax.TupleGetItem(state, 0))
        then = self.enter()
        advanced = step(state)
        self.scopes.pop()
        otherwise = Scope(self._builder)
        on_false = otherwise.close(otherwise.emit(state))
        return self.scopes[-1].choose(going, then.close(advanced), on_false, state.ty)

    def _emit(self, expr: Any) -> Any:
        return self.scopes[-1].emit(expr)


def _call(function: Any, arguments: list[Any], sizes: list[Any]) -> Any:
    return relax.Call(function, [*arguments, relax.ShapeExpr(sizes)] if sizes else arguments)


def _taken(sizes: list[Any]) -> list[Any]:
    return [relax.Var("sizes", relax.ShapeType(sizes))] if sizes else []


def _tensor(expr: Any, shape: Shape) -> Tensor:
    return Tensor(expr, shape.element_type, shape.dimensions)
