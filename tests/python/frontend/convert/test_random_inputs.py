"""Inputs that the command line draws, and what it knows of weights."""

from __future__ import annotations

import numpy as np
import pytest

from tvm_hlo_frontend.analysis.weights import products_per_sum
from tvm_hlo_frontend.backends.signature import Parameter
from tvm_hlo_frontend.errors import SignatureError
from tvm_hlo_frontend.hlo.ir.attributes import (
    ConvolutionAttributes,
    ConvolutionDimensionNumbers,
    DimensionsAttributes,
    DotAttributes,
    DotDimensionNumbers,
    Window,
    WindowDimension,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import ELEMENT_TYPES, array_shape
from tvm_hlo_frontend.oracle.inputs import LARGEST_INTEGER, random_array

ARRAYS = [row for row in ELEMENT_TYPES if row.numpy_dtype is not None]


def drawn(element_type, dimensions, products=None):
    return random_array(Parameter("x", element_type, dimensions, element_type), np.random.default_rng(0), products)


@pytest.mark.parametrize("row", ARRAYS, ids=lambda row: row.name)
def test_every_element_type_has_numbers(row):
    for dimensions in ((), (40,), (20, 3), (0, 2)):
        array = drawn(row.name, dimensions)
        assert array.shape == dimensions and array.dtype == row.numpy_dtype
    values = drawn(row.name, (200,)).astype(complex)
    assert len(set(values.tolist())) > 1 or row.bits == 1
    if row.kind in ("signed", "unsigned"):
        assert values.real.min() >= 0 and values.real.max() < LARGEST_INTEGER
    if row.kind == "complex":
        assert (values.imag != 0).all()


def test_what_is_no_array_is_refused():
    with pytest.raises(SignatureError, match="token"):
        drawn("token", ())


def test_scales_are_positive_and_weights_sum_to_about_one():
    assert drawn("f32", (500,)).min() >= 0.5 and drawn("f32", (500,)).max() <= 1.5
    assert np.std(drawn("f32", (50, 400), 1)) == pytest.approx(1, rel=0.05)
    assert np.std(drawn("f32", (50, 400), 100)) == pytest.approx(0.1, rel=0.05)
    assert np.std(drawn("f32", (3, 3, 16, 64))) == pytest.approx(1 / 12, rel=0.05)


def test_weights_are_what_contractions_use_second():
    builder = ComputationBuilder("main")
    shapes = [(2, 8, 8, 6), (3, 3, 3, 4), (4, 10), (10, 10)]
    image, kernel, weights, before = (
        builder.parameter(number, array_shape("f32", shape)) for number, shape in enumerate(shapes)
    )
    numbers = ConvolutionDimensionNumbers(0, 3, (1, 2), 2, 3, (0, 1), 0, 3, (1, 2))
    attributes = ConvolutionAttributes(Window((WindowDimension(3), WindowDimension(3))), numbers, 2)
    features = builder.add("convolution", [image, kernel], array_shape("f32", (2, 6, 6, 4)), attributes)
    flat = builder.add("reshape", [features], array_shape("f32", (72, 4)))
    turned = builder.add("transpose", [weights], attributes=DimensionsAttributes((1, 0)))
    product = builder.add("dot", [flat, turned], attributes=DotAttributes(DotDimensionNumbers((1,), (1,))))
    last = builder.add("dot", [before, product], attributes=DotAttributes(DotDimensionNumbers((1,), (1,))))
    assert products_per_sum(module("weights", builder.build(last))) == {1: 27, 2: 4, 3: 10}


def test_of_two_parameters_the_second_is_the_weight():
    builder = ComputationBuilder("main")
    x, w = builder.parameter(0, array_shape("f32", (2, 5))), builder.parameter(1, array_shape("f32", (5, 3)))
    root = builder.add("dot", [x, w], attributes=DotAttributes(DotDimensionNumbers((1,), (0,))))
    assert products_per_sum(module("dense", builder.build(root))) == {1: 5}
