"""Shapes: what is within tuples, and where."""

from __future__ import annotations

import pytest

from tvm_hlo_frontend.hlo.ir.shape import Shape, array_shape, tuple_shape

F32, S8, TOKEN = array_shape("f32", (2, 3)), array_shape("s8"), array_shape("token")
# shape -> (parts, leaves, paths of arrays)
CASES = {
    "array": (F32, (F32,), [F32], [()]),
    "token": (TOKEN, (TOKEN,), [TOKEN], []),
    "empty tuple": (tuple_shape(), (), [], []),
    "tuple": (tuple_shape(F32, TOKEN, S8), (F32, TOKEN, S8), [F32, TOKEN, S8], [(0,), (2,)]),
    "nested": (
        tuple_shape(tuple_shape(S8, tuple_shape()), tuple_shape(TOKEN, tuple_shape(F32))),
        (tuple_shape(S8, tuple_shape()), tuple_shape(TOKEN, tuple_shape(F32))),
        [S8, TOKEN, F32],
        [(0, 0), (1, 1, 0)],
    ),
}


def at(shape: Shape, path: tuple[int, ...]) -> Shape:
    for index in path:
        shape = shape.tuple_shapes[index]
    return shape


@pytest.mark.parametrize("name", CASES)
def test_what_is_within_a_shape(name):
    shape, parts, leaves, paths = CASES[name]
    assert shape.parts == parts
    assert shape.leaves() == tuple(leaves)
    assert shape.arrays() == tuple(leaf for leaf in leaves if leaf.element_type != "token")
    assert shape.paths() == paths
    assert tuple(at(shape, path) for path in paths) == shape.arrays()


@pytest.mark.parametrize("name", CASES)
def test_a_change_of_every_array_leaves_tuples_and_tokens(name):
    shape, _, leaves, paths = CASES[name]
    halves = shape.map_arrays(lambda array: Shape("f16", array.dimensions))
    assert halves.paths() == paths and len(halves.leaves()) == len(leaves)
    assert [array.element_type for array in halves.arrays()] == ["f16"] * len(paths)
    assert [array.dimensions for array in halves.arrays()] == [array.dimensions for array in shape.arrays()]
    assert shape.map_arrays(lambda array: array) == shape


def test_a_change_may_be_a_tuple():
    pairs = tuple_shape(S8, TOKEN).map_arrays(lambda array: tuple_shape(array, array))
    assert pairs == tuple_shape(tuple_shape(S8, S8), TOKEN)
