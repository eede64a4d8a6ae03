"""Steps that call computations of random steps: calls, branches, loops, maps, reductions of several arrays, tuples."""

from __future__ import annotations

import math

from tools.fuzz import arithmetic, movement
from tools.fuzz.kinds import INTEGERS, MAX_ELEMENTS, comparison_of
from tools.fuzz.program import WHOLE, Program, Value, lowest_and_highest, walk
from tvm_hlo_frontend.hlo.ir.attributes import (
    CallAttributes,
    CompareAttributes,
    DimensionsAttributes,
    TupleIndexAttributes,
    Window,
    WindowAttributes,
    WindowDimension,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder
from tvm_hlo_frontend.hlo.ir.module import HloComputation, HloInstruction
from tvm_hlo_frontend.hlo.ir.shape import array_shape, tuple_shape

# of bodies: what keeps numbers whole
INNER = (*arithmetic.STEPS, *movement.STEPS)
_SCALAR = tuple(
    (weight, step)
    for weight, step in arithmetic.STEPS
    if step in (arithmetic.binary, arithmetic.unary, arithmetic.compare, arithmetic.select, arithmetic.convert)
)


def _given(program: Program, name: str, operands: list[Value]) -> Program:
    """A body whose parameters are like these values."""
    body = program.body(name)
    for number, operand in enumerate(operands):
        made = body.builder.parameter(number, operand.shape, body.name())
        body.keep(Value(made, operand.bound, operand.stage, operand.tolerance))
    return body


def _latest(body: Program, kind: str, sizes: tuple[int, ...]) -> Value | None:
    """The last whole value of a type and dimensions that is no parameter."""
    found = [
        value
        for value in body.values
        if (value.kind, value.sizes, value.stage) == (kind, sizes, WHOLE) and value.instruction.opcode != "parameter"
    ]
    return found[-1] if found else None


def _part(builder: ComputationBuilder, made: HloInstruction, number: int) -> HloInstruction:
    return builder.add("get-tuple-element", [made], None, TupleIndexAttributes(number))


def call(program: Program) -> Value | None:
    """A computation of random steps, which may call others."""
    x = program.value(with_complex=True)
    if x is None:
        return None
    operands = [x, program.value(with_complex=True) or x]
    body = _given(program, "callee", operands)
    deeper = ((3, call),) if program.outer is None or program.outer.outer is None else ()
    walk(body, program.whole(1, 4), (*INNER, *deeper))
    found = body.values[-1]
    called = body.builder.build(found.instruction)
    return program.add("call", operands, found.bound, CallAttributes(), None, [called], found.stage, found.tolerance)


def conditional(program: Program) -> Value | None:
    """A branch on a truth value, or on a number that may be none of a branch."""
    x = program.value(with_complex=True)
    if x is None:
        return None
    count = program.whole(1, 3)
    on_truth = count == 2 and program.chance(0.6)
    bodies = [_given(program, "branch", [x]) for _ in range(count)]
    for body in bodies:
        walk(body, program.whole(1, 3), INNER)
    first = bodies[0].value(with_complex=True) or bodies[0].values[0]
    roots = [
        first,
        *(_latest(body, first.kind, first.sizes) or body.like(first.kind, first.sizes) for body in bodies[1:]),
    ]
    called = [body.builder.build(root.instruction) for body, root in zip(bodies, roots)]
    which = program.like("pred", ()) if on_truth else program.leaf("s32", (), count)
    return program.add("conditional", [which, *[x] * count], max(root.bound for root in roots), None, None, called)


def loop(program: Program) -> Value | None:
    """A few trips of a random body; integers wrap, so what they come to does not matter."""
    x = program.value(lambda value: value.kind in (*INTEGERS, "pred"))
    if x is None:
        return None
    trips = program.whole(0, 12)
    state = tuple_shape(array_shape("s32"), x.shape)
    inner, condition = program.body("body"), program.fresh("condition")
    given = inner.builder.parameter(0, state)
    count, now = (_part(inner.builder, given, number) for number in range(2))
    inner.values += [Value(count, 12), Value(now, x.bound)]
    walk(inner, program.whole(1, 4), INNER)
    following = _latest(inner, x.kind, x.sizes) or inner.add("not", [Value(now, x.bound)])
    one = inner.builder.constant(1, "s32")
    both = [inner.builder.add("add", [count, one]), following.instruction]
    body = inner.builder.build(inner.builder.add("tuple", both))
    tested = _part(condition, condition.parameter(0, state), 0)
    attributes = CompareAttributes("LT", "SIGNED")
    going = condition.add("compare", [tested, condition.constant(trips, "s32")], None, attributes)
    builder = program.builder
    initial = builder.add("tuple", [builder.constant(0, "s32"), x.instruction])
    made = builder.add("while", [initial], state, None, [body, condition.build(going)])
    return program.keep(Value(_part(builder, made, 1), max(x.bound, following.bound)))


def map_(program: Program) -> Value | None:
    """A computation of two numbers, for each pair of elements."""
    x = program.value()
    if x is None:
        return None
    y = program.like(x.kind, x.sizes)
    body = program.body("mapped")
    for number, operand in enumerate((x, y)):
        body.keep(Value(body.builder.parameter(number, array_shape(operand.kind)), operand.bound))
    walk(body, program.whole(1, 4), _SCALAR)
    found = [value for value in body.values if not value.sizes][-1]
    attributes = DimensionsAttributes(tuple(range(len(x.sizes))))
    shape = array_shape(found.kind, x.sizes)
    called = [body.builder.build(found.instruction)]
    return program.add("map", [x, y], found.bound, attributes, shape, called)


def tuples(program: Program) -> Value | None:
    """A value out of a tuple in a tuple."""
    x = program.moved()
    if x is None:
        return None
    y, builder = program.moved() or x, program.builder
    inner = builder.add("tuple", [y.instruction, x.instruction])
    outer = builder.add("tuple", [inner, y.instruction])
    if program.chance(0.4):
        outer = builder.add("opt-barrier", [outer])
    return program.keep(Value(_part(builder, _part(builder, outer, 0), 1), x.bound, x.stage, x.tolerance))


def argmax(program: Program) -> Value | None:
    """The largest or smallest element with its place, the first of equal ones."""
    x = program.value(lambda value: bool(value.sizes) and 0 not in value.sizes and value.kind != "pred")
    if x is None:
        return None
    axis = program.whole(0, len(x.sizes) - 1)
    direction = str(program.pick(("GT", "LT")))
    lowest, highest = lowest_and_highest(x.kind)
    builder = program.builder
    places = builder.add("iota", [], array_shape("s32", x.sizes), DimensionsAttributes((axis,)))
    initial = [builder.constant(lowest if direction == "GT" else highest, x.kind), builder.constant(0, "s32")]
    called = [_better(program, x.kind, direction)]
    attributes = DimensionsAttributes((axis,))
    made = builder.add("reduce", [x.instruction, places, *initial], None, attributes, called)
    number = program.whole(0, 1)
    return program.keep(Value(_part(builder, made, number), x.bound if number == 0 else x.sizes[axis]))


def _better(program: Program, kind: str, direction: str) -> HloComputation:
    builder = program.fresh("better")
    kinds = (kind, "s32", kind, "s32")
    value, place, other, there = (builder.parameter(n, array_shape(k)) for n, k in enumerate(kinds))
    how = comparison_of(kind)
    wins = builder.add("compare", [value, other], None, CompareAttributes(direction, how))
    same = builder.add("compare", [value, other], None, CompareAttributes("EQ", how))
    earlier = builder.add("compare", [place, there], None, CompareAttributes("LT", "SIGNED"))
    wins = builder.add("or", [wins, builder.add("and", [same, earlier])])
    chosen = [builder.add("select", [wins, *pair]) for pair in ((value, other), (place, there))]
    return builder.build(builder.add("tuple", chosen))


def select_and_scatter(program: Program) -> Value | None:
    """Where the largest element of each window is, something is added."""
    x = program.value(
        lambda value: 0 < len(value.sizes) <= 4 and 0 not in value.sizes and value.kind in ("f32", "f64", "s32")
    )
    if x is None:
        return None
    dimensions = tuple(
        WindowDimension(size=program.whole(1, min(3, size)), stride=program.whole(1, 2)) for size in x.sizes
    )
    sizes = tuple((size - each.size) // each.stride + 1 for size, each in zip(x.sizes, dimensions))
    source = program.like(x.kind, sizes)
    bound = source.bound * math.prod(each.size for each in dimensions)
    if not program.fits(x.kind, bound) or math.prod(sizes) > MAX_ELEMENTS:
        return None
    builder = program.fresh("chosen")
    parameters = [builder.parameter(number, array_shape(x.kind)) for number in range(2)]
    attributes = CompareAttributes("GE", comparison_of(x.kind))
    chosen = builder.build(builder.add("compare", parameters, None, attributes))
    zero = Value(program.builder.constant(0, x.kind), 0)
    called = [chosen, program.binary("add", x.kind)]
    window = WindowAttributes(Window(dimensions))
    return program.add("select-and-scatter", [x, source, zero], bound, window, None, called)


STEPS = (
    (1, call), (1, conditional), (1, loop), (0.8, map_), (0.7, tuples), (1, argmax), (0.5, select_and_scatter),
)  # fmt: skip
