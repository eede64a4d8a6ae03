"""Loop nests of extern kernels: what the kernels write their statements with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import tvm
from tvm import te

from .compat import LEAVES, address, call_intrinsic, dtype_of, flat_pointer, statement_builder, tir
from .primitives import STORED_VALUE

# fewer scalar operations than this are not worth a thread
PARALLEL_WORK = 16_384


class Loops:
    """Builds one statement.

    Parameters
    ----------
    workspace : sequence of (int, str), optional
        Sizes and dtypes of all that `workspace` will be asked for, in order.
    """

    def __init__(self, workspace: Sequence[tuple[int, str]] | None = None) -> None:
        self._builder = statement_builder()
        self._numbers = itertools.count()
        self.requests: list[tuple[int, str]] = []
        self._workspace = workspace
        self._given: Iterator[Any] | None = None

    def array(self, buffer: Any) -> Any:
        """`buffer`, readable and writable by subscripts."""
        return self._builder.buffer_ptr(buffer)

    def flat(self, buffer: Any) -> Any:
        """`buffer` with one subscript, which counts elements in row-major order."""
        return flat_pointer(self._builder, buffer)

    def loop(self, extent: Any, name: str, parallel: bool = False) -> Any:
        """Context manager of a loop; gives its variable."""
        return self._builder.for_range(0, extent, name=self._name(name), kind="parallel" if parallel else "serial")

    def vector(self, lanes: int, name: str = "lane") -> Any:
        """Context manager of a loop over `lanes` neighbours, as one vector where the target has vectors."""
        target = tvm.target.Target.current(allow_none=True)
        kind = "vectorize" if lanes > 1 and (target is None or target.kind.name == "llvm") else "serial"
        return self._builder.for_range(0, lanes, name=self._name(name), kind=kind)

    def repeat(self, condition: Any) -> Any:
        """Context manager of a loop as long as `condition`, an expression of memory, holds."""
        return self._builder.while_loop(condition)

    def when(self, condition: Any) -> Any:
        """Context manager: the statements inside only if `condition` holds."""
        return self._builder.if_scope(condition)

    def apart(self, source: Any, target: Any) -> Any:
        """Whether two arrays do not begin at the same place, see `when`: a caller may give a result the memory of the
        operand that it is a changed copy of."""
        first, second = (address(self._builder, array) for array in (source, target))
        return tir.NE(first, second)

    def otherwise(self) -> Any:
        """Context manager: else of the last `when`."""
        return self._builder.else_scope()

    def place_workspace(self) -> None:
        """Allocate here what `workspace` will be asked for."""
        if self._workspace is not None:
            self._given = iter([self.scratch(size, dtype, "work") for size, dtype in self._workspace])

    def workspace(self, size: int, dtype: str) -> Any:
        """Memory of one thread that is allocated before it is asked for, see `extern_with_workspace`."""
        self.requests.append((size, dtype))
        return self.scratch(size, dtype) if self._given is None else next(self._given)

    def scratch(self, size: Any, dtype: str, name: str = "scratch") -> Any:
        """Memory of one thread for `size` elements, on the stack if it is known to be less than 1,024 bytes."""
        # TVM takes the memory of all other scopes from its workspace, with a call each
        return self._builder.allocate(dtype, (size,), name=self._name(name), scope="global")

    def values(self, expressions: Sequence[Any], name: str = "value") -> list[Any]:
        """The values of `expressions` now, whatever is stored afterwards."""
        return [self._builder.let(self._name(name), stored(expression)) for expression in expressions]

    def in_memory(self, expression: Any, name: str = "value") -> Any:
        """The value of `expression` now, by way of memory that LLVM puts into a register.

        TVM's passes take exponential time along chains of variables, as they follow each into its uses. Where one is
        bound to an expression with Lets, they bind those a second time: to something else if common subexpressions
        were taken out of them, which they refuse.
        """
        dtype = dtype_of(expression)
        memory = self.scratch(1, "int8" if dtype == "bool" else dtype, name)
        memory[0] = expression.astype("int8") if dtype == "bool" else expression
        (loaded,) = self.values([memory[0]], name)
        return tir.NE(loaded, tir.const(0, "int8")) if dtype == "bool" else loaded

    def finish(self) -> Any:
        """The statement."""
        return self._builder.get()

    def _name(self, name: str) -> str:
        return f"{name}{next(self._numbers)}"


def extern(inputs: Sequence[Any], results: Sequence[tuple[tuple, str]], generate: Any, name: str) -> list[Any]:
    """te tensors of an extern kernel.

    Parameters
    ----------
    inputs : sequence of te.Tensor
    results : sequence of (dimensions, TVM dtype)
    generate : callable
        ``generate(loops, inputs, outputs)`` with arrays that take one subscript per dimension (and have at least one).
    name : str
    """

    def body(ins: Sequence[Any], outs: Sequence[Any]) -> Any:
        loops = Loops()
        generate(loops, [loops.array(b) for b in ins], [loops.array(b) for b in outs])
        return loops.finish()

    return _extern(inputs, results, body, name)


def extern_with_workspace(
    inputs: Sequence[Any], results: Sequence[tuple[tuple, str]], generate: Any, name: str, in_front: bool = True
) -> list[Any]:
    """`extern` of statements that need memory for longer than where they ask for it: `Loops.workspace` gives memory of
    the whole kernel; if it is not allocated `in_front`, of what follows `Loops.place_workspace`. `generate` is called
    twice, to find out how much that is; its arrays take one subscript, which counts elements."""

    def body(ins: Sequence[Any], outs: Sequence[Any]) -> Any:
        requests: list[tuple[int, str]] | None = None
        for _ in range(2):
            loops = Loops(requests)
            if in_front:
                loops.place_workspace()
            generate(loops, [loops.flat(b) for b in ins], [loops.flat(b) for b in outs])
            requests = loops.requests
        return loops.finish()

    return _extern(inputs, results, body, name)


def _extern(inputs: Sequence[Any], results: Sequence[tuple[tuple, str]], body: Any, name: str) -> list[Any]:
    shapes = [tuple(dimensions) for dimensions, _ in results]
    made = te.extern(shapes, list(inputs), body, name=name, dtype=[dtype for _, dtype in results])
    return list(made) if isinstance(made, (list, tuple)) or len(results) > 1 else [made]


def stored(expression: Any) -> Any:
    """`expression` such that TVM's simplifier does not follow a Let of it into every use, which takes exponential time
    along a chain; loads are left alone as they are."""
    if isinstance(expression, LEAVES):
        return expression
    return call_intrinsic(dtype_of(expression), STORED_VALUE, expression)


def extent(size: Any) -> Any:
    """A dimension as a Python number if it is constant, else as it is."""
    return int(size) if isinstance(size, (int, tir.IntImm)) else size


def extents(dimensions: Sequence[Any]) -> tuple[Any, ...]:
    """Dimensions, the constant ones as Python numbers."""
    return tuple(extent(size) for size in dimensions)


def difference(size: Any, other: Any) -> Any:
    """size - other of two dimensions: a Python number if both are constant, or one variable."""
    size, other = extent(size), extent(other)
    if isinstance(size, int) or isinstance(other, int):
        return size - other
    return 0 if size.same_as(other) else size - other


def known_product(sizes: Iterable[Any]) -> int:
    """Product of those sizes that are numbers."""
    return math.prod(size for size in sizes if isinstance(size, int))


def worth_threads(*sizes: Any) -> bool:
    """Whether so many scalar operations, a product, are worth a thread, whatever the unknown sizes among them are."""
    return known_product(sizes) >= PARALLEL_WORK


def quotient_up(size: Any, divisor: int) -> Any:
    """size / divisor, rounded up: a Python number if both are."""
    return -(-size // divisor) if isinstance(size, int) else tir.indexdiv(size + (divisor - 1), divisor)


def wide(size: Any) -> Any:
    """A size in the type of those that are known at run time only."""
    return tir.const(size, "int64") if isinstance(size, int) else size.astype("int64")


def is_long(*sizes: Any) -> bool:
    """Whether so many scalar operations, a product, are worth threads; those of unknown sizes may be."""
    return not all(isinstance(size, int) for size in sizes) or math.prod(sizes) >= PARALLEL_WORK


def several(count: Any) -> bool:
    """Whether there may be more than one."""
    return not isinstance(count, int) or count > 1


def static(dimensions: Sequence[Any]) -> tuple[int, ...]:
    """Constant dimensions as Python numbers."""
    return tuple(int(size) for size in dimensions)
