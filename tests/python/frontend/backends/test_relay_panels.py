"""Convolutions and dense layers of constants as kernels with channels last: which become some, and their numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import tvm

from tests.support.dialect_marks import DIALECT, skip_file
from tvm_hlo_frontend.deploy.targets import cpu_target
from tvm_hlo_frontend.kernels.spec import KernelSpec

if DIALECT != "relay":
    skip_file("relay", "TVM 0.27 has no Relay")

from tvm import relay
from tvm.contrib import graph_executor

from tvm_hlo_frontend.backends.relay.ops import call_kernel, register_operators
from tvm_hlo_frontend.backends.relay.panels import panels, with_panels

register_operators()


def constant(*shape: int, dtype: str = "float32") -> Any:
    # small integers: sums are exact in any order
    return relay.const(np.random.default_rng(shape).integers(-4, 5, shape).astype(dtype), dtype)


def module(shape: tuple[int, ...], function: Any, dtype: str = "float32") -> Any:
    x = relay.var("x", shape=shape, dtype=dtype)
    return tvm.IRModule.from_expr(relay.Function([x], function(x)))


def operators(mod: Any) -> Counter[str]:
    found: Counter[str] = Counter()

    def visit(node: Any) -> None:
        if isinstance(node, relay.Call) and isinstance(node.op, tvm.ir.Op):
            found[node.op.name] += 1

    relay.analysis.post_order_visit(mod["main"], visit)
    return found


def results(mod: Any) -> list[np.ndarray]:
    with tvm.transform.PassContext(opt_level=3):
        library = relay.build(mod, cpu_target())
    run = graph_executor.GraphModule(library["default"](tvm.cpu()))
    (x,) = mod["main"].params
    types = relay.transform.InferType()(mod)["main"].params[0].checked_type
    run.set_input(x.name_hint, np.random.default_rng(1).integers(-4, 5, types.concrete_shape).astype(types.dtype))
    run.run()
    return [run.get_output(number).numpy() for number in range(run.get_num_outputs())]


def conv2d(x: Any, *kernel: int, **attributes: Any) -> Any:
    outputs, _, height, width = kernel
    return relay.nn.conv2d(x, constant(*kernel), channels=outputs, kernel_size=(height, width), **attributes)


def residual(x: Any) -> Any:
    """Two convolutions, what networks have behind them, and a mean over positions."""
    first = relay.nn.relu(conv2d(x, 8, 4, 3, 3, padding=(1, 1)) + constant(1, 8, 1, 1))
    second = conv2d(first, 8, 8, 1, 1) * constant(1, 8, 1, 1) * constant(1, 8, 1, 1) + first
    return relay.mean(relay.nn.relu(second), axis=[2, 3])


def branches(x: Any) -> Any:
    """A branch whose sides share what is replaced."""
    value = relay.nn.dense(x, constant(8, 4))
    return relay.If(relay.const(True), value + relay.const(1.0), relay.nn.relu(value))


REPLACED: dict[str, tuple[tuple[int, ...], Any]] = {
    "conv1d": ((2, 4, 9), lambda x: relay.nn.conv1d(x, constant(8, 4, 3), padding=(1, 1), channels=8, kernel_size=3)),
    "conv2d": ((1, 3, 9, 8), lambda x: conv2d(x, 16, 3, 3, 2, strides=(2, 1), padding=(1, 0, 2, 1))),
    "conv2d, dilated": ((2, 3, 9, 8), lambda x: conv2d(x, 4, 3, 2, 2, dilation=(2, 3))),
    "conv2d, groups": ((1, 6, 5, 5), lambda x: conv2d(x, 24, 3, 3, 3, groups=2, padding=(1, 1))),
    "depthwise": ((1, 8, 7, 7), lambda x: conv2d(x, 8, 1, 3, 3, groups=8, padding=(1, 1))),
    "conv3d": (
        (1, 2, 4, 5, 6),
        lambda x: relay.nn.conv3d(x, constant(4, 2, 2, 2, 2), padding=(1, 0, 0), channels=4, kernel_size=(2, 2, 2)),
    ),
    "residual": ((1, 4, 6, 6), residual),
    "dense": ((7, 5), lambda x: relay.nn.dense(x, constant(8, 5)) + constant(8)),
    "dense of rows": (
        (2, 6, 5),
        lambda x: relay.reshape(relay.nn.dense(relay.reshape(x, (12, 5)), constant(8, 5)), (2, 6, 8)) + constant(8),
    ),
    "dense of few rows": ((4, 2, 5), lambda x: relay.nn.dense(relay.reshape(x, (8, 5)), constant(8, 5))),
    "dense of rows, as a matrix": ((2, 6, 5), lambda x: relay.nn.dense(relay.reshape(x, (12, 5)), constant(8, 5))),
}  # fmt: skip


@pytest.mark.parametrize("case", REPLACED)
def test_replaced(case):
    before = module(*REPLACED[case])
    after = with_panels(before, cpu_target())
    found = operators(after)
    count = sum(amount for name, amount in operators(before).items() if name.startswith(("nn.conv", "nn.dense")))
    assert found["hlo.contraction"] == count and not any(name.startswith("nn.conv") for name in found), found
    for got, expected in zip(results(after), results(before), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_layouts_reach_what_stands_between_convolutions():
    found = operators(with_panels(module(*REPLACED["residual"]), cpu_target()))
    # one at the entrance; those of biases are computed at build
    assert found["layout_transform"] == 1 + 3, found


def test_rows_are_no_matrix_where_they_need_not_be():
    assert "reshape" not in operators(with_panels(module(*REPLACED["dense of rows"]), cpu_target()))


@pytest.mark.parametrize("rank", [2, 3])
def test_convolutions_beside_those_that_stay(rank, capfd):
    operator = {2: relay.nn.conv2d, 3: relay.nn.conv3d}[rank]

    def mixed(x):
        first = operator(x, constant(3, 4, *[1] * rank), channels=3, kernel_size=(1,) * rank)
        return operator(first, constant(8, 3, *[1] * rank), channels=8, kernel_size=(1,) * rank)

    before = module((1, 4, 4, 5, 6)[: rank + 2], mixed)
    found = operators(with_panels(before, cpu_target()))
    assert found["hlo.contraction"] == 1 and found[f"nn.conv{rank}d"] == 1
    assert "Warning" not in capfd.readouterr().err


def dot_kernel(rhs: str, rows: int = 9, dtype: str = "float32", result: str = "float32") -> Any:
    weight = constant(1, 5, 8, dtype=dtype) if rhs == "KN" else constant(1, 8, 5, dtype=dtype)
    spec = KernelSpec("dot", {"lhs": "MK", "rhs": rhs, "accumulator": "float32"})
    return module((1, rows, 5), lambda x: call_kernel(spec, [x, weight], [((1, rows, 8), result)]), dtype)


@pytest.mark.parametrize(("dtype", "result"), [("float32",) * 2, ("int8", "int32"), ("float16",) * 2])
@pytest.mark.parametrize("rhs", ["KN", "NK"])
def test_products_that_tvm_has_no_tiles_for(rhs, dtype, result):
    before = dot_kernel(rhs, dtype=dtype, result=result)
    after = with_panels(before, cpu_target())
    assert operators(after) == {"hlo.contraction": 1}
    np.testing.assert_array_equal(results(after)[0], results(before)[0])


def test_branches_share_what_is_replaced():
    before = module((6, 4), branches)
    after = with_panels(before, cpu_target())
    assert operators(after)["hlo.contraction"] == 1 and not operators(after)["nn.dense"]
    x = np.arange(24, dtype=np.float32).reshape(6, 4)
    found = [relay.create_executor("vm", mod=mod, target="llvm").evaluate()(x).numpy() for mod in (before, after)]
    np.testing.assert_array_equal(*found)


STAYS: dict[str, Any] = {
    "no constant": lambda: module((8, 8), lambda x: relay.nn.dense(x, x)),
    "columns": lambda: module((8, 8), lambda x: relay.nn.dense(x, constant(6, 8))),
    "few rows": lambda: module((4, 8), lambda x: relay.nn.dense(x, constant(8, 8))),
    "few outputs of a group": lambda: module((1, 4, 5, 5), lambda x: conv2d(x, 4, 2, 3, 3, groups=2)),
    "integers": lambda: module(
        (8, 8), lambda x: relay.nn.dense(x, constant(8, 8, dtype="int8"), out_dtype="int32"), "int8"
    ),
    "unknown sizes": lambda: module((relay.Any(), 8), lambda x: relay.nn.dense(x, constant(8, 8))),
    "few rows of a kernel": lambda: dot_kernel("KN", 4),
}


@pytest.mark.parametrize("case", STAYS)
def test_stays(case):
    before = STAYS[case]()
    assert operators(with_panels(before, cpu_target())) == operators(before)


def test_code_without_vectors_keeps_the_operators():
    before = module(*REPLACED["dense"])
    assert with_panels(before, "c") is before


def test_panels():
    weight = np.arange(2 * 3 * 24).reshape(2, 3, 24)
    made = panels(weight, 12)
    assert made.shape == (6, 2, 3, 4) and made.flags.c_contiguous
    np.testing.assert_array_equal(made[5, 1, 2], weight[1, 2, 20:])
