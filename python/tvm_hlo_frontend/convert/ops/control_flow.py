"""while, conditional and scan."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...analysis.array_loops import ArrayLoop, match_array_loop
from ...analysis.donation import updates_of_loop
from ...analysis.loops import ElementwiseLoop, match_elementwise_loop
from ...analysis.scans import match_elementwise_scan
from ...analysis.short_loops import Leaf, Result, ShortLoop, match_short_loop
from ...analysis.trips import known_trips
from ...backends.values import Tensor, Value, flatten, unflatten
from ...hlo.ir.attributes import ScanAttributes
from ...hlo.ir.module import HloComputation, HloInstruction
from ...hlo.ir.shape import Shape
from ...kernels.spec import KernelSpec
from ..context import ConversionContext
from ..rules import ConverterTable

table = ConverterTable()


@table.converter("while", how="native")
def convert_while(ctx: ConversionContext, instruction: HloInstruction, state: Value) -> Value:
    """while: the condition is looked at first, zero trips return the initial state (rule 78)."""
    body, condition = instruction.called_computations
    shape = instruction.shape
    loop = match_elementwise_loop(instruction)
    if loop is not None:
        return unflatten(shape, elementwise_loop(ctx, loop, flatten(state)))
    short = match_short_loop(instruction)
    if short is not None:
        return unflatten(shape, short_loop(ctx, short, flatten(state)))

    def run(computation: HloComputation, tensors: Sequence[Tensor]) -> list[Tensor]:
        return ctx.convert_closed(computation, [unflatten(shape, list(tensors))])

    whole = match_array_loop(instruction, ctx.computes)
    if whole is not None:
        return unflatten(shape, array_loop(ctx, whole, flatten(state)))

    updates = updates_of_loop(instruction) if ctx.dialect.keeps_memory else {}
    ctx.in_place |= {each for changes in updates.values() for each in changes}
    results = ctx.dialect.while_loop(
        instruction.name,
        flatten(state),
        lambda tensors: run(condition, tensors)[0],
        lambda tensors: run(body, tensors),
        known_trips(instruction),
        tuple(updates),
    )
    return unflatten(shape, list(results))


def elementwise_loop(ctx: ConversionContext, loop: ElementwiseLoop, state: list[Tensor]) -> list[Tensor]:
    """The whole loop as one kernel: a trip on the virtual machine costs microseconds, here next to nothing."""
    spec = KernelSpec("while_loop", {"condition": loop.condition.to_json()}, loop.body)
    flat = [ctx.dialect.reshape(tensor, [tensor.shape.element_count]) for tensor in state]
    results = ctx.dialect.kernel(spec, flat, [tensor.shape for tensor in flat])
    return [ctx.dialect.reshape(result, tensor.dimensions) for result, tensor in zip(results, state)]


def short_loop(ctx: ConversionContext, loop: ShortLoop, state: list[Tensor]) -> list[Tensor]:
    """All trips at one index before the next: what is between two trips never is in memory."""
    count = math.prod(loop.dimensions)
    flat = [ctx.dialect.reshape(state[leaf], [state[leaf].shape.element_count]) for leaf in loop.inputs]
    shapes = [Shape(kind, (count,)) for kind in loop.body.result_types]
    results = ctx.dialect.kernel(KernelSpec("elementwise", body=loop.body), flat, shapes)
    final = []
    for value in loop.final:
        if isinstance(value, Result):
            final.append(ctx.dialect.reshape(results[value.number], loop.dimensions))
        else:
            final.append(state[value.number] if isinstance(value, Leaf) else ctx.constant(value))
    return final


def array_loop(ctx: ConversionContext, loop: ArrayLoop, state: list[Tensor]) -> list[Tensor]:
    """The whole loop as one kernel, with its state in place; what the body does not change is not a result of it."""
    inputs = [*state, *(ctx.constant(array) for array in loop.captured)]
    parameters = {
        "condition": loop.condition.to_json(),
        "body": loop.body.to_json(),
        "dimensions": [list(tensor.shape.sizes) for tensor in inputs],
        "types": [tensor.element_type for tensor in inputs],
    }
    changed = loop.body.changed_leaves
    if not changed:
        return state
    given = [tensor if tensor.dimensions else ctx.dialect.reshape(tensor, [1]) for tensor in inputs]
    results = ctx.dialect.kernel(KernelSpec("loop", parameters), given, [given[leaf].shape for leaf in changed])
    final = list(state)
    for leaf, result in zip(changed, results):
        final[leaf] = ctx.dialect.reshape(result, state[leaf].dimensions)
    return final


@table.converter("conditional", how="native")
def convert_conditional(
    ctx: ConversionContext, instruction: HloInstruction, selector: Tensor, *operands: Value
) -> Value:
    """conditional: pred true takes branch 0; an index out of range takes the last branch (rule 77)."""
    return unflatten(instruction.shape, choose_branch(ctx, instruction, 0, selector, operands))


def choose_branch(
    ctx: ConversionContext, instruction: HloInstruction, first: int, selector: Tensor, operands: Sequence[Value]
) -> list[Tensor]:
    """The branch that the selector says among those from number `first` on, whose `operands` are given; the last one if
    it says another behind them. Half of them are left out at a time."""
    if len(operands) == 1:
        return convert_branch(ctx, instruction.called_computations[first], operands[0])
    half = len(operands) // 2
    here = selector
    if selector.element_type != "pred":
        limit = ctx.scalar(first + half, selector.element_type)
        here = ctx.map("compare", "pred", [selector, limit], ("LT", "UNSIGNED"))  # negative numbers are behind all

    def part(begin: int, given: Sequence[Value]) -> list[Tensor]:
        if len(given) == 1:
            return choose_branch(ctx, instruction, begin, selector, given)
        shapes = [operand.shape for operand in instruction.operands[begin + 1 : begin + 1 + len(given)]]

        def inner(tensors: Sequence[Tensor]) -> list[Tensor]:
            left = list(tensors[1:])
            values = [unflatten(shape, left) for shape in shapes]
            with ctx.closed():
                return choose_branch(ctx, instruction, begin, tensors[0], values)

        flat = [selector, *(tensor for operand in given for tensor in flatten(operand))]
        return list(ctx.dialect.call(f"{instruction.name}_{begin}_{len(given)}", flat, inner))

    return list(
        ctx.dialect.conditional(here, lambda: part(first, operands[:half]), lambda: part(first + half, operands[half:]))
    )


def convert_branch(ctx: ConversionContext, computation: HloComputation, operand: Value) -> list[Tensor]:
    """Results of a branch. One with a conditional in it becomes a function: TVM's virtual machine frees what a
    conditional inside of a conditional used, even if it is still needed behind the outer one."""
    if all(each.opcode != "conditional" for each in computation.instructions):
        return flatten(ctx.convert_computation(computation, [operand]))
    shape = computation.parameters[0].shape

    def body(tensors: Sequence[Tensor]) -> list[Tensor]:
        return ctx.convert_closed(computation, [unflatten(shape, list(tensors))])

    return list(ctx.dialect.call(computation.name, flatten(operand), body))


@table.converter("scan", how="kernel")
def convert_scan(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Value:
    """scan: an element-wise body in one kernel, any other as a while loop (rule 91)."""
    matched = match_elementwise_scan(instruction)
    if matched is None:
        ctx.refuse("its shapes are not static; give the program static shapes")
    attributes = instruction.attributes_as(ScanAttributes)
    count = len(operands) - attributes.num_carries
    shapes = instruction.shape.arrays()
    array, one = (matched.outer, matched.steps, matched.inner), (matched.outer, matched.inner)
    inputs = [ctx.dialect.reshape(x, array if number < count else one) for number, x in enumerate(operands)]
    stacked = len(shapes) - attributes.num_carries
    results = [Shape(shape.element_type, array if number < stacked else one) for number, shape in enumerate(shapes)]
    parameters = {"carries": attributes.num_carries, "steps": matched.steps, "reverse": attributes.is_reverse}
    made = ctx.dialect.kernel(KernelSpec("scan", parameters, matched.body), inputs, results)
    tensors = [ctx.dialect.reshape(tensor, shape.sizes) for tensor, shape in zip(made, shapes)]
    return unflatten(instruction.shape, tensors)
