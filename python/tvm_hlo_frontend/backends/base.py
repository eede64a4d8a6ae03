"""What a converter may ask of a graph language. Every method computes the dimensions of its result itself, so the
driver's check of results against HLO's shapes is a real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..analysis.array_program import ArrayNode, ArrayProgram
from ..errors import UnsupportedHloError
from ..hlo.ir.shape import Dimension, Shape
from ..kernels.spec import KernelSpec
from .values import Body, Condition, Tensor

# arrays as main takes and gives them; those of unknown sizes that are `Signature.sizes` stand first, as a tuple of int
RunFlat = Callable[[list[Any]], list[np.ndarray]]
# what `Backend.borrow` made of arrays as main takes them, to arrays of the DLPack protocol
RunBorrowed = Callable[[list[Any]], list[Any]]


@dataclass(frozen=True)
class InPlace:
    """A result that a library computes in the memory of an argument, if it is asked to.

    Attributes
    ----------
    argument, result : int
        Position among the inputs, and number of the array in the result tree.
    values : tuple of int
        What else the executor must find in that memory, in the executor's own numbers.
    """

    argument: int
    result: int
    values: tuple[int, ...] = ()


@dataclass(frozen=True)
class Compiled:
    """A compiled module, or a library that was exported from it and loaded again.

    Attributes
    ----------
    executor : str
        What runs it.
    library : object
        What TVM made of it.
    in_place : tuple of InPlace
        Results that it can compute in place.
    own : tuple of int
        Results that each call makes in memory of their own: never an argument's, another result's or the library's.
    device : str
        TVM's name of the kind of device that runs it.
    """

    executor: str
    library: Any
    in_place: tuple[InPlace, ...] = ()
    own: tuple[int, ...] = ()
    device: str = "cpu"


# bytes from which constants are no part of the text of `Backend.canonical`: TVM's JSON writes them in base 64
LARGE_CONSTANT = 1 << 14


@dataclass(frozen=True)
class Backend:
    """All that a backend is to the rest of the package.

    Attributes
    ----------
    dialect : callable
        ``dialect()`` gives a new object for one conversion.
    program : callable
        ``program()`` gives a new `program.ProgramDialect`, for a module of several functions.
    compile_module : callable
        ``compile_module(mod, params, target, signature, clock)`` gives a `Compiled`; `clock`, a `PassClock` or None,
        times its passes.
    run_library : callable
        ``run_library(compiled, signature, parallel)`` says how to run a library; `parallel` as of `executors.pooled`.
        Results that are in place are the arrays of the arguments, which are overwritten; no other is memory that a
        later call writes or that anything else has.
    placed_run : callable
        ``placed_run(library, executor, signature, arrays)`` gives a call that runs a library on arrays, as main takes
        them, that are in place already.
    borrow : callable
        ``borrow(array)`` gives what `run_borrowed` takes: an array on the memory of one of the DLPack protocol, which
        is contiguous and begins at a multiple of 64 bytes.
    run_borrowed : callable
        ``run_borrowed(compiled, signature, parallel)`` says how to run a library on such arrays, without copies where
        the executor can do that. No result is the memory of an argument, of another result or of the library. On a
        device it takes arrays of that device and numpy's, and results stay there.
    parameter_names : callable
        ``parameter_names(mod)``: those of main.
    text : callable
        ``text(mod)``: a module for people to read; of large constants only the types.
    weights : callable
        ``weights(mod)``: the values that a module itself has for the last parameters of main.
    without_weights : callable
        ``without_weights(mod)``: the module without those values.
    canonical : callable
        ``canonical(mod, target)``: a text that two modules and targets have in common only if they are compiled to the
        same, and constants that it does not hold; None if that follows from more, or is not for this machine.
    devices : frozenset of str
        Kinds of targets, besides CPUs, that it has schedules for.
    """

    dialect: Callable[[], Dialect]
    program: Callable[[], Any]
    compile_module: Callable[..., Compiled]
    run_library: Callable[..., RunFlat]
    placed_run: Callable[..., Callable[[], Any]]
    borrow: Callable[[Any], Any]
    run_borrowed: Callable[..., RunBorrowed]
    parameter_names: Callable[[Any], list[str]]
    text: Callable[[Any], str]
    weights: Callable[[Any], list[Any]]
    without_weights: Callable[[Any], Any]
    canonical: Callable[[Any, Any], tuple[str, list[Any]] | None]
    devices: frozenset[str] = frozenset()


class Dialect(Protocol):
    """A TVM graph language. Dimensions are those of tensors, element types HLO's names.

    Attributes
    ----------
    name : str
    leaves_sizes_open : bool
        Whether unknown sizes may stay open in whatever converters can say, not in networks of dense layers alone.
    keeps_memory : bool
        Whether steps of loops may compute states in the memory of those before.
    freezes_params : bool
        Whether its frontends put weights into the module unless told otherwise.
    convolves_channels_last : bool
        Whether there are kernels of convolutions with channels last, and they are faster than channels first.
    weights_come_last : bool
        Whether main takes the parameters that have values behind its inputs, whatever HLO's order is.
    unsupported_error : type
        UnsupportedHloError that is also what its frontends raise for operators that they do not know.
    kernels_emitted : int
        Calls of kernels until now, with those that a method makes in place of an operator.
    host_functions : list of str
        Packed functions that those kernels call and that the process which runs the module must have, for each call.
    """

    name: str
    leaves_sizes_open: bool
    freezes_params: bool
    keeps_memory: bool
    convolves_channels_last: bool
    weights_come_last: bool
    kernels_emitted: int
    host_functions: list[str]

    @property
    def unsupported_error(self) -> type[UnsupportedHloError]:
        """See the attributes."""
        ...

    def carries(self, element_type: str) -> bool:
        """Whether tensors of this element type exist in the language."""
        ...

    def computes(self, node: ArrayNode, program: ArrayProgram) -> bool:
        """Whether the kernel of a whole loop has statements for a node of its program."""
        ...

    # leaves
    def pass_sizes(self, names: Sequence[str], highest: Mapping[str, int]) -> None:
        """Give main a first parameter for unknown sizes that are no dimension of an input, before all other methods,
        and plan memory for sizes that are no greater than `highest`; ValueError unless `leaves_sizes_open`."""
        ...

    def parameter(self, name: str, shape: Shape) -> Tensor:
        """A variable of main."""
        ...

    def constant(self, array: np.ndarray) -> Tensor:
        """Inline constant."""
        ...

    def constant_shape(self, array: np.ndarray) -> Shape:
        """Shape of `constant(array)`."""
        ...

    def is_constant(self, x: Tensor) -> bool:
        """Whether `x` is known now to be computed when the module is compiled, so that panels of it cost nothing."""
        ...

    # movement: no arithmetic
    def reshape(self, x: Tensor, dimensions: Sequence[Dimension]) -> Tensor:
        """The same elements in the same order."""
        ...

    def transpose(self, x: Tensor, permutation: Sequence[int]) -> Tensor:
        """Dimension `permutation[i]` of `x` becomes dimension i."""
        ...

    def broadcast_to(self, x: Tensor, dimensions: Sequence[Dimension]) -> Tensor:
        """numpy broadcasting of a scalar, or of equal ranks: only dimensions of size 1 grow."""
        ...

    def slice(self, x: Tensor, starts: Sequence[int], limits: Sequence[int], strides: Sequence[int]) -> Tensor:
        """Elements from `starts` to `limits` in steps of `strides`, one each per dimension."""
        ...

    def concatenate(self, tensors: Sequence[Tensor], dimension: int) -> Tensor:
        """One behind the other along `dimension`."""
        ...

    def reverse(self, x: Tensor, dimensions: Sequence[int]) -> Tensor:
        """The other way round along `dimensions`."""
        ...

    def take(self, x: Tensor, indices: Tensor, dimension: int) -> Tensor:
        """Rows of `x`; indices must be in range."""
        ...

    # element-wise
    def map(self, opcode: str, result_type: str, operands: Sequence[Tensor], attributes: tuple = ()) -> Tensor | None:
        """The native operator that means exactly `opcode`, with numpy broadcasting; None if there is none."""
        ...

    def cast(self, x: Tensor, element_type: str) -> Tensor:
        """Exact widening conversion only (the driver uses `map` for the rest)."""
        ...

    # linear algebra: `result_type` is the accumulator
    def has_fast_dense(self, rows: int, columns: int, depth: int) -> bool:
        """Whether `dense` is hardly slower than the kernel `dot` for sums of `depth` products in rows and columns."""
        ...

    def dense(self, x: Tensor, weight: Tensor, result_type: str) -> Tensor:
        """x[M, K] . weight[N, K]^T -> [M, N]."""
        ...

    def convolution(
        self,
        data: Tensor,
        kernel: Tensor,
        *,
        strides: Sequence[int],
        padding: Sequence[tuple[int, int]],
        dilation: Sequence[int],
        groups: int,
        result_type: str,
    ) -> Tensor:
        """data[N, C, spatial...], kernel[O, C / groups, spatial...] -> [N, O, spatial...], 1 to 3 spatial dimensions,
        non-negative padding."""
        ...

    def reduce(self, kind: str, x: Tensor, dimensions: Sequence[int]) -> Tensor | None:
        """Native reduction `kind` (sum, product, min, max, any, all) without kept dimensions; None if there is no
        exact one."""
        ...

    # kernels
    def kernel(self, spec: KernelSpec, operands: Sequence[Tensor], results: Sequence[Shape]) -> tuple[Tensor, ...]:
        """Call of a kernel of `kernels.library`."""
        ...

    def fusion_barrier(self, x: Tensor) -> Tensor:
        """The same value, computed in a kernel of its own."""
        ...

    # control flow: callbacks convert the computations; a condition may be called twice, the others once each
    def conditional(
        self, predicate: Tensor, on_true: Callable[[], Sequence[Tensor]], on_false: Callable[[], Sequence[Tensor]]
    ) -> tuple[Tensor, ...]:
        """The results of one of two branches; only that one is run."""
        ...

    def call(self, name: str, operands: Sequence[Tensor], body: Body) -> tuple[Tensor, ...]:
        """The results of `body`, as a function of its own. `body` may use nothing but its argument."""
        ...

    def while_loop(
        self,
        name: str,
        state: Sequence[Tensor],
        condition: Condition,
        body: Body,
        trips: int | None = None,
        kept: Sequence[int] = (),
    ) -> tuple[Tensor, ...]:
        """The state when `condition` is first false, which is after `trips` trips where that is known. `condition` and
        `body` may use nothing but their argument. The leaves `kept` are changed by kernels that can do so in place."""
        ...

    # structure
    def main(
        self, parameters: Sequence[Tensor], results: Sequence[Tensor], flat: bool, attributes: dict[str, str]
    ) -> Any:
        """The finished IRModule; `flat` returns a lone result bare instead of in a tuple."""
        ...

    def finished(self, mod: Any, arrays: Mapping[str, np.ndarray]) -> Any:
        """What `from_hlo` returns, as the language's own frontends do; `arrays` are values of parameters by name."""
        ...
