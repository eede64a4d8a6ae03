"""TE and TIR as the installed TVM has them: everything in which TVM 0.17 and today's TVM differ for a kernel.

Kernels take `tir` from here and never ask which TVM it is.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tvm

from .registration import registered_whole

try:  # TVM 0.25 has its tensor IR in tvm.tirx
    from tvm import tirx as tir

    PREFIX = "tirx."
except ImportError:
    from tvm import tir

    PREFIX = "tir."

# what a kernel made of te stages is scheduled with: te.Schedule, or nothing but the finished PrimFunc
HAS_TE_SCHEDULES = PREFIX == "tir."
# leaves of expressions; BufferLoad is a function in today's TVM
LEAVES = (tir.Var, tir.IntImm, tir.FloatImm, tir.BufferLoad if HAS_TE_SCHEDULES else tvm.ir.TensorLoad)
_CHILDREN = ("a", "b", "value", "body", "condition", "true_value", "false_value")
_CALL = ("args",)
# the fields of each class of nodes, found with the first of its nodes: TVM's objects are slow to say what they lack
_fields: dict[type, tuple[str, ...]] = {}


def dtype_of(value: Any) -> str:
    """TVM dtype of a tensor, a buffer or an expression."""
    kind = value.dtype if hasattr(value, "dtype") else value.ty
    while hasattr(kind, "dtype"):  # today's TVM wraps it in a type
        kind = kind.dtype
    return str(kind)


def call_intrinsic(dtype: str, name: str, *arguments: Any) -> Any:
    """Call of TVM's own intrinsic `name`, such as ``fma``."""
    return tir.call_intrin(dtype, PREFIX + name, *arguments)


def xor(x: Any, y: Any) -> Any:
    """Bitwise exclusive or of integers, which is not folded for a constant."""
    return tir.call_intrin(x.dtype, "tir.bitwise_xor", x, y) if HAS_TE_SCHEDULES else tir.BitwiseXor(x, y)


def complement(x: Any) -> Any:
    """All bits of an integer flipped."""
    if HAS_TE_SCHEDULES:
        return ~x
    # today's TVM makes -1 of BitwiseNot's ones, which no unsigned type has
    dtype = dtype_of(x)
    ones = -1 if dtype.startswith("int") else (1 << int(dtype.removeprefix("uint"))) - 1
    return tir.BitwiseXor(x, tir.const(ones, dtype))


def register_intrinsic(name: str, effect: int, lowerings: dict[str, Callable[[Any], Any]]) -> None:
    """Make ``call_intrinsic(dtype, name, …)`` known, once per process.

    Parameters
    ----------
    name : str
    effect : int
        TVM's CallEffectKind.
    lowerings : mapping of str to callable
        By kind of target (``default`` for the rest): the expression that stands for a call in the end.
    """
    if PREFIX + name not in set(tvm.ir.Op.list_op_names()):
        registered_whole(lambda: _register_intrinsic(PREFIX + name, name, effect, lowerings))


def _register_intrinsic(full: str, name: str, effect: int, lowerings: dict[str, Callable[[Any], Any]]) -> None:
    tvm.ir._ffi_api.RegisterOp(full, "scalar HLO, hidden from TVM's analysis")
    tvm.ir.register_op_attr(full, "TCallEffectKind", tir.IntImm("int32", effect) if HAS_TE_SCHEDULES else effect)
    tvm.ir.register_op_attr(full, "TVectorizable", True)
    tvm.ir.register_op_attr(full, "TScriptPrinterName", name)
    register = tvm.ir.register_intrin_lowering if HAS_TE_SCHEDULES else tir.register_intrin_lowering
    for target, lower in lowerings.items():
        register(full, target=target, f=lower)


def free_variables(expression: Any) -> set[Any]:
    """Variables that `expression` reads but does not bind."""
    return set(tir.analysis.undefined_vars(expression, []))


def proves_equal(a: Any, b: Any) -> bool:
    """Whether two integers are equal whatever their variables are, as far as TVM can tell."""
    return bool(analyzer().can_prove_equal(a, b))


def analyzer() -> Any:
    """TVM's analyzer of integer expressions, which knows nothing yet."""
    return tvm.arith.Analyzer() if HAS_TE_SCHEDULES else tvm.sym.Analyzer()


def is_buffer(variable: Any) -> bool:
    """Whether a variable is a buffer, which it is in today's TVM by its type."""
    return isinstance(variable, tir.Buffer) and (HAS_TE_SCHEDULES or hasattr(variable.ty, "strides"))


def fields_of(expression: Any) -> tuple[str, ...]:
    """Names of the fields of an expression that hold what it is computed from."""
    kind = type(expression)
    if kind not in _fields:
        names = _CALL if hasattr(expression, *_CALL) else _CHILDREN
        _fields[kind] = tuple(name for name in names if hasattr(expression, name))
    return _fields[kind]


def is_call(expression: Any) -> bool:
    """Whether an expression calls an intrinsic or a function."""
    return fields_of(expression) == _CALL


def operands(expression: Any) -> list[Any]:
    """What an expression is computed from; where it loads from is left out."""
    if isinstance(expression, LEAVES):
        return []
    if is_call(expression):
        return list(expression.args)
    return [getattr(expression, name) for name in fields_of(expression)]


def holds_lets(expression: Any) -> bool:
    """Whether there is a Let anywhere in `expression`."""
    pending, seen = [expression], set()
    while pending:
        node = pending.pop()
        if isinstance(node, LEAVES) or node in seen:
            continue
        if isinstance(node, tir.Let):
            return True
        seen.add(node)
        pending += operands(node)
    return False


def address(builder: Any, array: Any) -> Any:
    """Where an array of a statement begins, as an integer: neither TVM compares pointers, so it is stored as one and
    read back as a number."""
    if HAS_TE_SCHEDULES:
        data, kind, field = array._buffer.data, "arg_value", 12  # kTVMValueContent
    else:
        data, kind, field = array.buffer.data, "tvm_ffi_any", 14  # kTVMFFIAnyUnionValue
    allocated = call_intrinsic("handle", "tvm_stack_alloca", kind, 1)
    if HAS_TE_SCHEDULES:
        value = builder.let("value", allocated)
    else:
        value = tir.Var("value", "handle")
        builder.emit(tir.Bind(value, allocated))
    builder.emit(tir.Evaluate(call_intrinsic("int32", "tvm_struct_set", value, 0, field, data)))
    return call_intrinsic("int64", "tvm_struct_get", value, 0, field)


def statement_builder() -> Any:
    """A builder of one statement, with the methods of TVM 0.17's ``tir.ir_builder``."""
    return tir.ir_builder.create() if HAS_TE_SCHEDULES else StatementBuilder()


def flat_pointer(builder: Any, buffer: Any) -> Any:
    """`buffer`, readable and writable by one subscript, which counts elements."""
    if not HAS_TE_SCHEDULES:
        return builder.buffer_ptr(buffer)
    size = math.prod(int(extent) for extent in buffer.shape)
    return builder.buffer_ptr(tir.decl_buffer((size,), buffer.dtype, buffer.name, data=buffer.data))


class StatementBuilder:
    """What today's TVM lacks: loops and stores in the order in which Python runs them.

    TVM's own script builder finds its place by thread-local frames and names variables after the caller's.
    """

    def __init__(self) -> None:
        self._blocks: list[list[Any]] = [[]]

    def emit(self, statement: Any) -> None:
        """The next statement."""
        self._blocks[-1].append(statement)

    @contextlib.contextmanager
    def _block(self) -> Iterator[list[Any]]:
        """Gathers the statements inside; `wrapped` makes one of them."""
        self._blocks.append([])
        try:
            yield self._blocks[-1]
        finally:
            self._blocks.pop()

    @contextlib.contextmanager
    def for_range(self, begin: Any, end: Any, name: str = "i", kind: str = "serial") -> Iterator[Any]:
        """Loop from `begin` to `end`; gives its variable, as wide as an `end` that is known when the kernel runs."""
        wide = not isinstance(end, int) and dtype_of(end) == "int64"
        variable = tir.Var(name, "int64" if wide else "int32")
        with self._block() as inside:
            yield variable
        kinds = {"serial": "SERIAL", "parallel": "PARALLEL", "vectorize": "VECTORIZED", "unroll": "UNROLLED"}
        self.emit(tir.For(variable, begin, end - begin, getattr(tir.ForKind, kinds[kind]), wrapped(inside)))

    @contextlib.contextmanager
    def while_loop(self, condition: Any) -> Iterator[None]:
        """Loop as long as `condition` holds."""
        with self._block() as inside:
            yield
        self.emit(tir.While(condition, wrapped(inside)))

    @contextlib.contextmanager
    def if_scope(self, condition: Any) -> Iterator[None]:
        """Statements that run only if `condition` holds."""
        with self._block() as inside:
            yield
        self.emit(tir.IfThenElse(condition, wrapped(inside), None))

    @contextlib.contextmanager
    def else_scope(self) -> Iterator[None]:
        """Else of the `if_scope` just before."""
        with self._block() as inside:
            yield
        before = self._blocks[-1].pop()
        assert isinstance(before, tir.IfThenElse)
        self.emit(tir.IfThenElse(before.condition, before.then_case, wrapped(inside)))

    def allocate(self, dtype: str, shape: Sequence[int], name: str = "buffer", scope: str = "global") -> Array:
        """New memory."""
        buffer = tir.decl_buffer(list(shape), dtype, name, scope=scope)
        self.emit(tir.AllocBuffer(buffer))
        return self.buffer_ptr(buffer)

    def buffer_ptr(self, buffer: Any) -> Array:
        """`buffer`, readable and writable by subscripts."""
        return Array(self, buffer)

    def flattened(self, buffer: Any) -> Any:
        """The same memory with one dimension, declared before everything else."""
        size = math.prod(int(extent) if isinstance(extent, tir.IntImm) else extent for extent in buffer.shape)
        flat = tir.decl_buffer((size,), dtype_of(buffer), "flat", elem_offset=buffer.elem_offset)
        self._blocks[0].insert(0, tir.DeclBuffer(flat, data=buffer.data))
        return flat

    def let(self, name: str, value: Any) -> Any:
        """A variable with the value of an expression."""
        variable = tir.Var(name, dtype_of(value))
        self.emit(tir.Bind(variable, value))
        return variable

    def get(self) -> Any:
        """Everything as one statement."""
        return wrapped(self._blocks[0])


class Array:
    """A buffer of a statement under construction; one subscript for several dimensions counts elements."""

    def __init__(self, builder: StatementBuilder, buffer: Any) -> None:
        self._builder, self.buffer = builder, buffer
        self.dtype = dtype_of(buffer)
        self._flat: Any = None

    def __getitem__(self, index: Any) -> Any:
        buffer, subscripts = self._at(index)
        return tir.BufferLoad(buffer, subscripts)

    def __setitem__(self, index: Any, value: Any) -> None:
        buffer, subscripts = self._at(index)
        number = tir.const(value, self.dtype) if isinstance(value, (bool, int, float)) else value
        self._builder.emit(tir.BufferStore(buffer, number, subscripts))

    def _at(self, index: Any) -> tuple[Any, list[Any]]:
        subscripts = list(index) if isinstance(index, (list, tuple)) else [index]
        rank = len(self.buffer.shape)
        if len(subscripts) == rank:
            return self.buffer, subscripts
        if rank == 0:
            return self.buffer, []
        if self._flat is None:
            self._flat = self._builder.flattened(self.buffer)
        return self._flat, subscripts


def wrapped(statements: list[Any]) -> Any:
    """Statements as one."""
    if not statements:
        return tir.Evaluate(tir.const(0, "int32"))
    return statements[0] if len(statements) == 1 else tir.SeqStmt(statements)
