"""Opcodes that run whole computations: call, fusion, while, conditional, scan, custom-call."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.attributes import CustomCallAttributes, ScanAttributes
from ..ir.shape import Dimension, Shape, array_shape, tuple_shape
from .rules import Query, RuleTable, attributes_as, bounded, compatible, expect, expect_arrays, expect_signature, listed

table = RuleTable()


@table.infers("call", "fusion")
def _call(query: Query) -> Shape:
    expect_signature(query.called[0], query.operands, None)
    return query.called[0].root.shape


@table.infers("while")
def _while(query: Query) -> Shape:
    body, condition = query.called
    (state,) = query.operands
    expect_signature(body, [state], state, "body")
    expect_signature(condition, [state], array_shape("pred"), "condition")
    return state


@table.infers("conditional")
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


@table.infers("scan")
def _scan(query: Query) -> Shape:
    expect_arrays(query)
    attributes, (body,) = attributes_as(query, ScanAttributes), query.called
    axis, carries = attributes.dimension, attributes.num_carries
    expect(axis >= 0, f"expected no negative dimension, found {axis}")
    fits = 0 <= carries <= len(query.operands)
    expect(fits, f"expected a number of carries up to the {len(query.operands)} operands, found {carries}")
    inputs, inits = query.operands[: len(query.operands) - carries], query.operands[len(query.operands) - carries :]
    root = bounded(body.root.shape)
    results = root.parts
    expect(len(results) >= carries, f"expected body {body.name} to return at least {carries} values, found {root}")
    outputs = results[: len(results) - carries]
    size = _scan_size(query, inputs, len(outputs), axis)
    slices = [array_shape(x.element_type, (*x.dimensions[:axis], *x.dimensions[axis + 1 :])) for x in inputs]
    wanted = [*outputs, *inits]
    expect_signature(body, [*slices, *inits], tuple_shape(*wanted) if root.is_tuple else wanted[0], "body")
    for output in outputs:
        fits = output.is_array and axis <= output.rank
        expect(fits, f"expected outputs of the body of at least {axis} dimensions, found {output}")
    stacked = [array_shape(x.element_type, (*x.dimensions[:axis], size, *x.dimensions[axis:])) for x in outputs]
    return tuple_shape(*stacked, *inits) if root.is_tuple else [*stacked, *inits][0]


def _scan_size(query: Query, inputs: Sequence[Shape], outputs: int, axis: int) -> Dimension:
    """Number of steps: the size of every input along the dimension, without inputs that of the declared outputs."""
    shapes = list(inputs)
    if not shapes and query.declared is not None:
        declared = query.declared
        shapes = list(declared.tuple_shapes[:outputs] if declared.is_tuple else (declared,) * outputs)
    expect(shapes, "expected an input or an output that says how many steps there are")
    for shape in shapes:
        fits = shape.is_array and axis < shape.rank
        expect(fits, f"expected inputs and outputs with a dimension {axis}, found {shape}")
    sizes = {shape.dimensions[axis] for shape in shapes}
    expect(len(sizes) == 1, f"expected dimension {axis} of equal size in all inputs, found {listed(sizes)}")
    return sizes.pop()


@table.infers("custom-call")
def _custom_call(query: Query) -> Shape | None:
    layouts = attributes_as(query, CustomCallAttributes).operand_shapes_with_layout
    if layouts:
        fits = len(layouts) == len(query.operands) and all(
            compatible(bounded(layout), operand) for layout, operand in zip(layouts, query.operands)
        )
        found = ", ".join(str(bounded(layout)) for layout in layouts)
        expect(fits, f"expected layouts for the operands as they are, found ({found})")
    return None
