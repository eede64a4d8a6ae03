"""Functions of a Relay module, and what its loops are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tvm import relay

from ...hlo.ir.shape import Dimension, Shape
from ...kernels.dtypes import TVM_DTYPES
from ..loops import Kept, State, Step, TensorStep
from ..values import Body, Tensor

# attribute by which TVM puts calls of a function in place when it compiles, which fuses across them
INLINE = "Inline"


class RelayFunctions:
    """The functions beside main, as they come. It is the `LoopLanguage` of Relay, whose states are tuples."""

    def __init__(self) -> None:
        self.functions: dict[Any, Any] = {}

    def function(self, name: str, shapes: Sequence[Shape], body: Body) -> TensorStep:
        """A function of tensors that returns a tuple, as what calls it."""
        parameters = [variable(f"x{number}", shape) for number, shape in enumerate(shapes)]
        results = list(body(parameters))
        value = relay.Tuple([tensor.expr for tensor in results])
        types = tuple_type([tensor.shape for tensor in results])
        function = self._add(self._name(name), [parameter.expr for parameter in parameters], value, types)
        return lambda operands: relay.Call(function, [tensor.expr for tensor in operands])

    def again(self, name: str, shapes: Sequence[Shape], step: TensorStep, kept: Kept) -> TensorStep:
        """`step`: the virtual machine computes nothing in place."""
        return step

    def state_function(self, name: str, shapes: Sequence[Shape], body: Callable[[Step, State], State]) -> Step:
        """A function of a tuple that returns one of the same type, as what calls it."""
        function, types = self._name(name), tuple_type(shapes)
        parameter = relay.Var("state", types)

        def call(state: State) -> State:
            return relay.Call(function, [state])

        self._add(function, [parameter], body(call, parameter), types)
        return call

    def pack(self, tensors: Sequence[Tensor]) -> State:
        """A tuple."""
        return relay.Tuple([tensor.expr for tensor in tensors])

    def unpack(self, state: State, shapes: Sequence[Shape], first: int = 0) -> tuple[Tensor, ...]:
        """Fields of a tuple-typed expression whose fields have these shapes, from field `first` on."""
        return tuple(
            Tensor(relay.TupleGetItem(state, first + number), shape.element_type, shape.dimensions)
            for number, shape in enumerate(shapes[first:])
        )

    def if_going(self, state: State, step: Step) -> State:
        """`step` of the tuple if its first field is true, else the tuple."""
        return relay.If(relay.TupleGetItem(state, 0), step(state), state)

    def _add(self, function: Any, parameters: Sequence[Any], value: Any, types: Any) -> Any:
        # type inference asks for the type of functions that others call
        self.functions[function] = relay.Function(list(parameters), value, types)
        return function

    def _name(self, name: str) -> Any:
        base = "".join(character if character.isalnum() else "_" for character in name)
        function = relay.GlobalVar(f"{base}_{len(self.functions)}")
        self.functions[function] = None  # its place, until its body is made
        return function


def variable(name: str, shape: Shape) -> Tensor:
    """A variable of this type."""
    return Tensor(relay.Var(name, tensor_type(shape)), shape.element_type, shape.dimensions)


def tensor_type(shape: Shape) -> Any:
    """Relay's type of a tensor."""
    return relay.TensorType(_relay_dimensions(shape.dimensions), TVM_DTYPES[shape.element_type])


def tuple_type(shapes: Sequence[Shape]) -> Any:
    """Relay's type of a tuple of tensors."""
    return relay.TupleType([tensor_type(shape) for shape in shapes])


def _relay_dimensions(dimensions: Sequence[Dimension]) -> list[Any]:
    return [size if isinstance(size, int) else relay.Any() for size in dimensions]
