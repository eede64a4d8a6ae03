"""Programs whose indices and sizes are made to lead out of their arrays, with arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.fuzz.program import INTEGERS, Program, Value, finished
from tvm_hlo_frontend.hlo.ir.attributes import (
    CompareAttributes,
    DynamicSliceAttributes,
    GatherAttributes,
    ScatterAttributes,
    SliceAttributes,
    SortAttributes,
    TupleIndexAttributes,
    Window,
    WindowAttributes,
    WindowDimension,
)
from tvm_hlo_frontend.hlo.ir.module import HloComputation
from tvm_hlo_frontend.hlo.ir.shape import Shape, array_shape, tuple_shape

Made = tuple[Any, Sequence[np.ndarray]]


@dataclass(frozen=True)
class Case:
    """A program and arguments.

    Attributes
    ----------
    name : str
    make : callable
        Makes an HloModule, or the bytes of a proto, and the arguments.
    rtol : float
        Tolerance of floats, relative to an element plus the root mean square of its array.
    has_reference : bool
        Whether XLA defines what the program gives.
    """

    name: str
    make: Callable[[], Made]
    rtol: float = 1e-4
    has_reference: bool = True


def hostile(kind: str, size: int) -> np.ndarray:
    """Indices of a type into a dimension: inside, at its edges, and at those of this and other types."""
    info = np.iinfo(array_shape(kind).numpy_dtype)
    wanted = [0, 1, -1, size - 1, size, size + 1, -size, -size - 1, info.min, info.min + 1, info.max, info.max - 1]
    wanted += [2**bits + more for bits in (7, 8, 15, 16, 31, 32, 63) for more in (-1, 0, 1)]
    return np.array([each for each in wanted if info.min <= each <= info.max], info.dtype)


def numbers(kind: str, *sizes: int) -> np.ndarray:
    """Distinct values where the type has as many."""
    count = int(np.prod(sizes))
    return np.arange(1, count + 1).reshape(sizes).astype(array_shape(kind).numpy_dtype)


class Bundle:
    """A program of many results; operands that are arrays become parameters."""

    def __init__(self) -> None:
        self.program = Program(np.random.default_rng(0))
        self._results: list[Value] = []

    def operand(self, value: Any) -> Value:
        """A value, or a new parameter."""
        return value if isinstance(value, Value) else self.program.argument(np.asarray(value), 0)

    def add(
        self,
        opcode: str,
        operands: Sequence[Any],
        attributes: Any = None,
        called: Sequence[HloComputation] = (),
        shape: Shape | None = None,
    ) -> Value:
        """A result of the program."""
        made = self.program.add(opcode, [self.operand(each) for each in operands], 0, attributes, shape, called)
        shapes = made.shape.tuple_shapes if made.shape.is_tuple else ()
        parts = [self.program.add("get-tuple-element", [made], 0, TupleIndexAttributes(n)) for n in range(len(shapes))]
        self._results += parts or [made]
        return made

    def body(self, kinds: Sequence[str], write: Callable[..., Any]) -> HloComputation:
        """A computation on scalars."""
        builder = self.program.fresh("body")
        return builder.build(write(builder, *[builder.parameter(n, array_shape(kind)) for n, kind in enumerate(kinds)]))

    def made(self) -> Made:
        """The module and its arguments."""
        return finished(self.program, [each.instruction for each in self._results]), self.program.arguments


def gathers(kind: str) -> Made:
    """Rows, columns, windows, pairs of indices, and indices of a batch."""
    made = Bundle()
    x, y = made.operand(numbers("f32", 6, 16)), made.operand(numbers("s8", 5, 7))
    rows = hostile(kind, 6)[:, None]
    for width, height in ((16, 1), (16, 3), (16, 6), (5, 2)):
        made.add("gather", [x, rows], GatherAttributes((1, 2), (), (0,), 1, (height, width)))
    made.add("gather", [x, rows], GatherAttributes((1,), (0,), (0,), 1, (1, 16)))
    columns = hostile(kind, 7)
    made.add("gather", [y, columns], GatherAttributes((0,), (1,), (1,), 1, (5, 1)))
    made.add("gather", [y, columns], GatherAttributes((0, 1), (), (1,), 1, (2, 3)))
    pairs = np.stack(np.meshgrid(hostile(kind, 5), columns), -1).reshape(-1, 2)
    made.add("gather", [y, pairs], GatherAttributes((), (0, 1), (0, 1), 1, (1, 1)))
    made.add("gather", [y, pairs], GatherAttributes((1, 2), (), (1, 0), 1, (3, 2)))
    batches = np.stack([columns, columns[::-1], columns, columns, columns])
    made.add("gather", [y, batches], GatherAttributes((), (1,), (1,), 2, (1, 1), (0,), (0,)))
    return made.made()


BODIES: dict[str, Callable[..., Any]] = {
    "second": lambda b, old, new: new,
    "add": lambda b, old, new: b.add("add", [old, new]),
    "multiply": lambda b, old, new: b.add("multiply", [old, new]),
    "minimum": lambda b, old, new: b.add("minimum", [old, new]),
    "maximum": lambda b, old, new: b.add("maximum", [old, new]),
    "subtract": lambda b, old, new: b.add("subtract", [new, old]),
    "any": lambda b, old, new: b.add("add", [b.add("multiply", [old, new]), old]),
}


def scatters(kind: str, body: str) -> Made:
    """Rows, columns, windows and pairs of indices, with one body."""
    made = Bundle()
    called = {t: made.body([t, t], BODIES[body]) for t in ("f32", "s16")}
    rows, columns = hostile(kind, 6)[:, None], hostile(kind, 7)
    x, y = numbers("f32", 6, 16), made.operand(numbers("s16", 5, 7))
    count = len(rows)
    made.add("scatter", [x, rows, numbers("f32", count, 16)], ScatterAttributes((1,), (0,), (0,), 1), [called["f32"]])
    windows = numbers("f32", count, 3, 5)
    made.add("scatter", [x, rows, windows], ScatterAttributes((1, 2), (), (0,), 1), [called["f32"]])
    updates = numbers("s16", 5, len(columns))
    made.add("scatter", [y, columns, updates], ScatterAttributes((0,), (1,), (1,), 1), [called["s16"]])
    pairs = np.stack(np.meshgrid(hostile(kind, 5), columns), -1).reshape(-1, 2)
    single = numbers("s16", len(pairs))
    made.add("scatter", [y, pairs, single], ScatterAttributes((), (0, 1), (0, 1), 1), [called["s16"]])
    made.add("scatter", [y, pairs, numbers("s16", len(pairs), 2, 3)], ScatterAttributes((1, 2), (), (1, 0), 1),
             [called["s16"]])  # fmt: skip
    batches = np.stack([columns] * 5)
    attributes = ScatterAttributes((), (1,), (1,), 2, (0,), (0,))
    made.add("scatter", [y, batches, numbers("s16", *batches.shape)], attributes, [called["s16"]])
    return made.made()


def many_scatters(kind: str) -> Made:
    """As many rows as threads share among them; two operands at once."""
    made = Bundle()
    rows = np.resize(hostile(kind, 40), (300, 1))
    add = made.body(["f32", "f32"], BODIES["add"])
    attributes = ScatterAttributes((1,), (0,), (0,), 1)
    made.add("scatter", [numbers("f32", 40, 64), rows, numbers("f32", 300, 64)], attributes, [add])

    def both(b: Any, p: Any, q: Any, r: Any, s: Any) -> Any:
        return b.add("tuple", [b.add("add", [p, r]), b.add("maximum", [q, s])])

    pair = made.body(["f32", "s32", "f32", "s32"], both)
    arrays = [numbers("f32", 9), numbers("s32", 9), rows, numbers("f32", 300), numbers("s32", 300)]
    made.add("scatter", arrays, ScatterAttributes((), (0,), (0,), 1), [pair])
    return made.made()


def slices(kind: str) -> Made:
    """Parts that begin where numbers say, read and overwritten; each number is a parameter."""
    made = Bundle()
    x, y = made.operand(numbers("f32", 4, 16)), made.operand(numbers("u8", 9))
    zero = made.operand(np.zeros((), array_shape(kind).numpy_dtype))
    for start in hostile(kind, 4):
        row = made.operand(start)
        made.add("dynamic-slice", [x, row, row], DynamicSliceAttributes((2, 3)))
        made.add("dynamic-update-slice", [x, numbers("f32", 3, 5), zero, row])
    for start in hostile(kind, 9):
        made.add("dynamic-slice", [y, start], DynamicSliceAttributes((4,)))
        made.add("dynamic-update-slice", [y, numbers("u8", 4), start])
    return made.made()


def loops(kind: str) -> Made:
    """A loop whose every trip reads and writes where an array of indices says, beyond its end as well."""
    indices, x = hostile(kind, 7), numbers("f32", 7, 5)
    state = tuple_shape(array_shape(kind), array_shape("f32", x.shape), array_shape(kind, indices.shape))
    made = Bundle()
    program = made.program
    body, condition = program.fresh("body"), program.fresh("condition")

    def parts(builder: Any) -> list[Any]:
        given = builder.parameter(0, state)
        return [builder.add("get-tuple-element", [given], None, TupleIndexAttributes(n)) for n in range(3)]

    count, value, rows = parts(body)
    zero = body.constant(0, kind)
    row = body.add("dynamic-slice", [rows, count], None, DynamicSliceAttributes((1,)))
    row = body.add("reshape", [row], array_shape(kind))
    read = body.add("dynamic-slice", [value, row, zero], None, DynamicSliceAttributes((2, 5)))
    changed = body.add("add", [read, read])
    written = body.add("dynamic-update-slice", [value, changed, count, row])
    done = body.build(body.add("tuple", [body.add("add", [count, body.constant(1, kind)]), written, rows]))
    count, _, _ = parts(condition)
    order = "UNSIGNED" if kind.startswith("u") else "SIGNED"
    limit = condition.constant(len(indices) + 3, kind)
    going = condition.add("compare", [count, limit], None, CompareAttributes("LT", order))
    initial = [made.operand(each) for each in (np.zeros((), indices.dtype), x, indices)]
    start = program.add("tuple", initial, 0)
    made_loop = program.add("while", [start], 0, None, state, [done, condition.build(going)])
    made.add("slice", [program.add("get-tuple-element", [made_loop], 0, TupleIndexAttributes(1))],
             SliceAttributes((0, 0), (7, 5), (1, 1)))  # fmt: skip
    return made.made()


def sorts() -> Made:
    """Rows of all lengths around those at which sorting changes, and comparators that are no orders."""
    made = Bundle()
    for kind in ("f32", "s8", "u64"):
        order = {"f": "FLOAT", "s": "SIGNED", "u": "UNSIGNED"}[kind[0]]
        for rows, length in ((3, 1), (2, 2), (5, 7), (1, 33), (2, 130), (3, 300)):
            for direction in ("LT", "NE", "GE"):  # the last two are no strict orders

                def compare(b: Any, p: Any, q: Any, how: str = direction, kind: str = order) -> Any:
                    return b.add("compare", [p, q], None, CompareAttributes(how, kind))

                if length < 100 or direction == "LT":
                    values = numbers(kind, rows, length)[:, ::-1].copy()
                    made.add("sort", [values], SortAttributes(1, False), [made.body([kind, kind], compare)])
    return made.made()


def windows() -> Made:
    """reduce-window and select-and-scatter: paddings of both signs, dilations, windows larger than what they are on."""
    made = Bundle()
    zero = made.operand(np.float32(0))
    add = made.body(["f32", "f32"], BODIES["add"])
    greatest = made.body(
        ["f32", "f32"], lambda b, p, q: b.add("compare", [p, q], None, CompareAttributes("GE", "FLOAT"))
    )
    for size, stride, low, high, dilation, base in (
        (3, 1, 1, 1, 1, 1), (2, 2, 0, 0, 1, 1), (5, 3, 4, 4, 1, 1), (3, 2, -1, -2, 1, 1), (3, 1, 2, 0, 3, 1),
        (2, 1, 0, 3, 1, 4), (9, 1, 8, 8, 1, 1), (3, 2, -3, 5, 2, 2),
    ):  # fmt: skip
        w = WindowDimension(size, stride, low, high, dilation, base)
        attributes = WindowAttributes(Window((w, WindowDimension(2, 1, 1, 0, 1, 1))))
        made.add("reduce-window", [numbers("f32", 9, 7), zero], attributes, [add])
        if dilation == base == 1 and min(low, high) >= 0:
            count = (9 + low + high - size) // stride + 1
            attributes = WindowAttributes(Window((WindowDimension(size, stride, low, high),)))
            made.add(
                "select-and-scatter", [numbers("f32", 9), numbers("f32", count), zero], attributes, [greatest, add]
            )
    return made.made()


INDEX_CASES = (
    *(Case(f"gather {kind}", lambda kind=kind: gathers(kind)) for kind in INTEGERS),
    *(Case(f"scatter {kind} {body}", lambda kind=kind, body=body: scatters(kind, body), 0.0, body != "any")
      for kind in INTEGERS for body in BODIES),
    *(Case(f"many scatters {kind}", lambda kind=kind: many_scatters(kind)) for kind in INTEGERS),
    *(Case(f"dynamic slices {kind}", lambda kind=kind: slices(kind)) for kind in INTEGERS),
    *(Case(f"loops {kind}", lambda kind=kind: loops(kind)) for kind in INTEGERS),
    Case("sorts", sorts, has_reference=False),
    Case("windows", windows),
)  # fmt: skip
