"""while and conditional."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..conversion import ConversionContext
from ..hlo.module import HloComputation, HloInstruction
from ..kernels.spec import KernelSpec
from ..patterns.loops import ElementwiseLoop, match_elementwise_loop
from ..registry import converter
from ..values import Tensor, Value, flatten, unflatten


@converter("while", how="native")
def convert_while(ctx: ConversionContext, instruction: HloInstruction, state: Value) -> Value:
    """while: the condition is looked at first, zero trips return the initial state (rule 78)."""
    body, condition = instruction.called_computations
    shape = instruction.shape
    loop = match_elementwise_loop(instruction)
    if loop is not None:
        return unflatten(shape, elementwise_loop(ctx, loop, flatten(state)))

    def run(computation: HloComputation, tensors: Sequence[Tensor]) -> list[Tensor]:
        return ctx.convert_closed(computation, [unflatten(shape, list(tensors))])

    results = ctx.dialect.while_loop(
        instruction.name,
        flatten(state),
        lambda tensors: run(condition, tensors)[0],
        lambda tensors: run(body, tensors),
    )
    return unflatten(shape, list(results))


def elementwise_loop(ctx: ConversionContext, loop: ElementwiseLoop, state: list[Tensor]) -> list[Tensor]:
    """The whole loop as one kernel: a trip on the virtual machine costs microseconds, here next to nothing."""
    spec = KernelSpec("while_loop", {"condition": loop.condition.to_json()}, loop.body)
    flat = [ctx.dialect.reshape(tensor, [tensor.shape.element_count]) for tensor in state]
    results = ctx.dialect.kernel(spec, flat, [tensor.shape for tensor in flat])
    return [ctx.dialect.reshape(result, tensor.dimensions) for result, tensor in zip(results, state)]


@converter("conditional", how="native")
def convert_conditional(
    ctx: ConversionContext, instruction: HloInstruction, selector: Tensor, *operands: Value
) -> Value:
    """conditional: pred true takes branch 0; an index out of range takes the last branch (rule 77)."""

    def branch(number: int) -> Callable[[], list[Tensor]]:
        computation, operand = instruction.called_computations[number], operands[number]
        return lambda: flatten(ctx.convert_computation(computation, [operand]))

    def choose(number: int) -> list[Tensor]:
        if number == len(operands) - 1:
            return branch(number)()
        here = selector
        if selector.element_type != "pred":
            here = ctx.map("compare", "pred", [selector, ctx.scalar(number, selector.element_type)], ("EQ", "SIGNED"))
        return list(ctx.dialect.conditional(here, branch(number), lambda: choose(number + 1)))

    return unflatten(instruction.shape, choose(0))
