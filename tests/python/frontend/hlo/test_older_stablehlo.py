"""StableHLO text of 2023, whose lists were tensors."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.dialect_marks import relax_only
from tvm_hlo_frontend import HloParseError, build, from_stablehlo
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.text.older_stablehlo import with_lists

REASON = "op attribute 'slice_sizes' failed to satisfy constraint: i64 dense array attribute"

LISTS = {
    "slice_sizes = dense<1> : tensor<1xi64>": "slice_sizes = array<i64: 1>",
    "window_strides = dense<2> : tensor<3xi64>": "window_strides = array<i64: 2, 2, 2>",
    "strides=dense<[1, 2]>: tensor<2xi64>": "strides=array<i64: 1, 2>",
    "broadcast_dimensions = dense<> : tensor<0xi64>": "broadcast_dimensions = array<i64>",
    "window_reversal = dense<[false, true]> : tensor<2xi1>": "window_reversal = array<i1: false, true>",
    "edge_padding_low = dense<[-1, 0]> : tensor<2xi64>": "edge_padding_low = array<i64: -1, 0>",
}
# values, attributes that are tensors today, and what says less or more than its type
OTHERS = [
    "stablehlo.constant dense<1> : tensor<1xi64>",
    "padding = dense<0> : tensor<2x2xi64>",
    "replica_groups = dense<0> : tensor<1x1xi64>",
    "permutation = dense<[1, 0, 2]> : tensor<2xi64>",
    'strides = dense<"0x00"> : tensor<1xi64>',
    "strides = dense<1> : tensor<1000xi64>",
    "my_strides_of = dense<1> : tensor<1xi64>",
]

STATIC = """
module @old {
  func.func public @main(%x: tensor<4x3xf32>) -> tensor<2x3xf32> {
    %0 = stablehlo.constant dense<[[1], [3]]> : tensor<2x1xi64>
    %1 = "stablehlo.gather"(%x, %0) {dimension_numbers = #stablehlo.gather<offset_dims = [1],
      collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>,
      slice_sizes = dense<[1, 3]> : tensor<2xi64>} : (tensor<4x3xf32>, tensor<2x1xi64>) -> tensor<2x3xf32>
    return %1 : tensor<2x3xf32>
  }
}
"""
OPEN = """
module @old {
  func.func public @main(%n: tensor<i64>, %x: tensor<?xf32>) -> tensor<?xf32> {
    %0 = stablehlo.convert %n : (tensor<i64>) -> tensor<i32>
    %1 = stablehlo.reshape %0 : (tensor<i32>) -> tensor<1xi32>
    %2 = stablehlo.constant dense<0> : tensor<1xi64>
    %3 = "stablehlo.gather"(%x, %2) {dimension_numbers = #stablehlo.gather<collapsed_slice_dims = [0],
      start_index_map = [0]>, slice_sizes = dense<1> : tensor<1xi64>} : (tensor<?xf32>, tensor<1xi64>) -> tensor<f32>
    %4 = stablehlo.dynamic_broadcast_in_dim %3, %1, dims = [] {known_expanding_dimensions = dense<> : tensor<0xi64>}
      : (tensor<f32>, tensor<1xi32>) -> tensor<?xf32>
    return %4 : tensor<?xf32>
  }
}
"""


@pytest.mark.parametrize("older", LISTS)
def test_a_list_is_written_as_today(older):
    assert with_lists(f"{{a = 1, {older}}}".encode(), REASON) == f"{{a = 1, {LISTS[older]}}}".encode()


@pytest.mark.parametrize("text", OTHERS)
def test_all_else_stays(text):
    assert with_lists(text.encode(), REASON) is None


def test_what_a_parser_refuses_for_another_reason_stays():
    assert with_lists(next(iter(LISTS)).encode(), "expected ':'") is None
    assert with_lists(b"ML\xefR\xff slice_sizes = dense<1> : tensor<1xi64>", REASON) is None


def test_a_module_of_known_sizes():
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.testing.assert_array_equal(build(*mod_and_params(from_stablehlo(STATIC)))(x), x[[1, 3]])


def test_a_module_of_unknown_sizes_for_each_shape():
    check_filled(from_stablehlo(OPEN, specialize=True))


@relax_only("Relay leaves open the batches of dense networks alone")
def test_a_module_of_unknown_sizes_in_one_build():
    check_filled(build(*mod_and_params(from_stablehlo(OPEN))))


def check_filled(run):
    for count in (1, 3):
        x = np.arange(5, dtype=np.float32) + count
        np.testing.assert_array_equal(run(np.int64(count), x), np.full(count, x[0]))


def test_a_list_that_fits_no_type_is_an_error():
    with pytest.raises(HloParseError, match="does not match type"):
        from_stablehlo(STATIC.replace("dense<[1, 3]> : tensor<2xi64>", "dense<[1, 3, 5]> : tensor<2xi64>"))
