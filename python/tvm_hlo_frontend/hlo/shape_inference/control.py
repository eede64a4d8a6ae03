"""Opcodes that run whole computations: call, fusion, while, conditional."""

from __future__ import annotations

from ..shape import Shape, array_shape
from .rules import Query, bounded, compatible, expect, expect_signature, infers


@infers("call", "fusion")
def _call(query: Query) -> Shape:
    expect_signature(query.called[0], query.operands, None)
    return query.called[0].root.shape


@infers("while")
def _while(query: Query) -> Shape:
    body, condition = query.called
    (state,) = query.operands
    expect_signature(body, [state], state, "body")
    expect_signature(condition, [state], array_shape("pred"), "condition")
    return state


@infers("conditional")
def _conditional(query: Query) -> Shape:
    which, *arguments = query.operands
    branches = query.called
    if which == array_shape("pred"):
        expect(len(branches) == 2, f"expected 2 branches for a pred, found {len(branches)}")
    else:
        expect(which == array_shape("s32"), f"expected a selector of shape pred[] or s32[], found {which}")
    fits = len(arguments) == len(branches)
    expect(fits, f"expected {len(branches)} operands for the branches, found {len(arguments)}")
    result = bounded(branches[0].root.shape)
    for branch, argument in zip(branches, arguments):
        expect_signature(branch, [argument], None, "branch")
        fits = compatible(bounded(branch.root.shape), result)
        expect(fits, f"expected branch {branch.name} to return {result}, found {branch.root.shape}")
    return result
