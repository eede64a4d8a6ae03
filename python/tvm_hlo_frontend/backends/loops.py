"""Loops as functions that call each other to a small depth, whatever the number of trips.

Neither virtual machine has tail calls: a loop that is a function that calls itself keeps every trip's frame, and with
it every trip's tensors, until it ends. Here level k runs `FAN_OUT` times what level k - 1 runs, so as many frames are
alive as the number of trips has digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..hlo.ir.shape import Shape
from .values import Body, Condition, Tensor

# one expression that holds a state, and what makes the next one of it
State = Any
Step = Callable[[State], State]
TensorStep = Callable[[Sequence[Tensor]], State]
# pairs of an argument and the result that may be computed in its memory
Kept = Sequence[tuple[int, int]]

# a trip takes 1 + 1/4 + 1/16 ... calls; larger or more functions cost time to compile, in type inference above all
FAN_OUT = 4
# the highest level runs a million trips; from there on a function calls itself, once every million
LEVELS = 10


class LoopLanguage(Protocol):
    """What loops are made of. States are expressions of one tuple type throughout a loop."""

    def function(self, name: str, shapes: Sequence[Shape], body: Body) -> TensorStep:
        """A function of tensors that returns a state, as what calls it."""
        ...

    def again(self, name: str, shapes: Sequence[Shape], step: TensorStep, kept: Kept) -> TensorStep:
        """What does as `step`, a `function`. The arguments that are `kept` lie in memory that nobody else
        needs."""
        ...

    def state_function(self, name: str, shapes: Sequence[Shape], body: Callable[[Step, State], State]) -> Step:
        """A function of a state that returns one, as what calls it; `body` gets that too, and the parameter."""
        ...

    def pack(self, tensors: Sequence[Tensor]) -> State:
        """The state of these tensors."""
        ...

    def unpack(self, state: State, shapes: Sequence[Shape], first: int) -> tuple[Tensor, ...]:
        """The tensors of a state, from number `first` on."""
        ...

    def if_going(self, state: State, step: Step) -> State:
        """`step` of the state if its first tensor is true, else the state."""
        ...


def call_once(language: LoopLanguage, name: str, operands: Sequence[Tensor], body: Body) -> tuple[Tensor, ...]:
    """See `Dialect.call`."""
    shapes: list[Shape] = []

    def noted(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        results = body(tensors)
        shapes.extend(tensor.shape for tensor in results)
        return results

    function = language.function(name, [tensor.shape for tensor in operands], noted)
    return language.unpack(function(operands), shapes, 0)


def while_loop(
    language: LoopLanguage,
    name: str,
    state: Sequence[Tensor],
    condition: Condition,
    body: Body,
    trips: int | None,
    kept: Sequence[int] = (),
) -> tuple[Tensor, ...]:
    """See `Dialect.while_loop`. Unless the trips are known the state says in front whether the loop goes on."""
    asks = trips is None

    def flagged(tensors: Sequence[Tensor]) -> list[Tensor]:
        return [condition(tensors), *tensors] if asks else list(tensors)

    given = [tensor.shape for tensor in state]
    step = language.function(f"{name}_step", given, lambda inner: flagged(body(inner)))
    start = flagged(state)
    shapes, first = [tensor.shape for tensor in start], int(asks)
    # the first step makes the state that the others may change
    again = language.again(f"{name}_again", given, step, [(leaf, first + leaf) for leaf in kept]) if kept else step

    def define(suffix: str, made: Callable[[Step, State], State]) -> Step:
        return language.state_function(f"{name}{suffix}", shapes, made)

    def begin(packed: State) -> State:
        return step(language.unpack(packed, shapes, first))

    def advance(packed: State) -> State:
        return again(language.unpack(packed, shapes, first))

    if trips is None:
        loop = repeat_while_going(define, language.if_going, begin, advance)
    else:
        loop = repeat(define, begin, advance, trips)
    return language.unpack(loop(language.pack(start)), shapes, first)


Define = Callable[[str, Callable[[Step, State], State]], Step]


def repeat_while_going(define: Define, if_going: Callable[[State, Step], State], begin: Step, step: Step) -> Step:
    """A function that runs `begin` and then `step` as often as the state before it says that the loop goes on.

    It grows: one trip, then up to `FAN_OUT`, then up to `FAN_OUT` times that, so a short loop pays for no more levels
    than it needs.
    """
    powers = [step]
    for level in range(1, LEVELS + 1):
        powers.append(define(f"_{level}", _chain(if_going, powers[-1], FAN_OUT - 1, powers[-1])))
    most = powers[-1]
    powers.append(define("_rest", lambda itself, state: if_going(most(state), itself)))

    def grow(_: Step, state: State) -> State:
        for power in [begin, *powers]:
            state = if_going(state, power)
        return state

    return define("", grow)


def _chain(
    if_going: Callable[[State, Step], State], first: Step, more: int, then: Step
) -> Callable[[Step, State], State]:
    def body(_: Step, state: State) -> State:
        state = first(state)
        for _again in range(more):
            state = if_going(state, then)
        return state

    return body


def repeat(define: Define, begin: Step, step: Step, trips: int) -> Step:
    """A function that runs `begin` once and then `step`, `trips` times in all, without asking: level k of the steps as
    often as digit k of their number says."""
    counts: list[tuple[Step, int]] = []
    part, left = step, max(0, trips - 1)
    while left:
        left, count = divmod(left, FAN_OUT)
        counts.append((part, count))
        if left:
            part = define(f"_{len(counts)}", _times([(part, FAN_OUT)]))
    return define("", _times([(begin, min(1, trips)), *counts]))


def _times(counts: Sequence[tuple[Step, int]]) -> Callable[[Step, State], State]:
    def body(_: Step, state: State) -> State:
        for step, count in counts:
            for _again in range(count):
                state = step(state)
        return state

    return body
