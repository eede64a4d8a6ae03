"""Register tiles of products and convolutions with channels last: the numbers of the unscheduled function, in tiles
that fit the registers of a target, with what follows in the tile."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import tvm
from tvm import te

from tests.support.dialect_marks import DIALECT, relax_only, relay_only
from tvm_hlo_frontend.deploy.targets import cpu_target
from tvm_hlo_frontend.kernels import plans
from tvm_hlo_frontend.kernels.library import definition
from tvm_hlo_frontend.kernels.spec import KernelSpec
from tvm_hlo_frontend.schedules.channel_tiles import CACHE_BYTES, ChannelTile, channel_tile, plan_of
from tvm_hlo_frontend.schedules.registers import AVX, AVX512, OTHER, OTHER_X86, Registers, registers_of
from tvm_hlo_frontend.tensor_ir.compat import tir

OWN = tvm.target.Target(cpu_target())
# no feature that this machine may lack
TARGETS = {"own": OWN, "baseline": tvm.target.Target("llvm")}
ALL = [AVX512, AVX, OTHER_X86, OTHER, dataclasses.replace(AVX512, most_sums=16), dataclasses.replace(AVX, most_sums=8)]

CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "3x3": dict(data=(1, 9, 14, 16), window=(3, 3), outputs=32, low=(1, 1), sizes=(9, 14)),
    "prime width": dict(data=(2, 3, 17, 3), window=(1, 1), outputs=16, low=(0, 0), sizes=(3, 17)),
    "one row": dict(data=(3, 1, 12, 8), window=(1, 3), outputs=16, low=(0, 1), sizes=(1, 12)),
    "rows and columns": dict(data=(1, 8, 2, 5), window=(2, 2), outputs=8, low=(0, 1), sizes=(7, 3)),
    "stride, holes": dict(
        data=(1, 7, 7, 4), window=(3, 2), outputs=4, low=(2, -1), sizes=(6, 2), stride=[2, 3], base=[2, 1], gaps=[1, 2]
    ),
    "groups": dict(data=(1, 5, 5, 6), window=(3, 3), outputs=24, low=(1, 1), sizes=(5, 5), groups=2),
    "depthwise": dict(data=(1, 5, 19, 20), window=(3, 3), outputs=20, low=(1, 1), sizes=(5, 19), groups=20),
    "one dimension": dict(data=(3, 40, 8), window=(5,), outputs=8, low=(2,), sizes=(20,), stride=[2]),
    "three dimensions": dict(data=(1, 3, 4, 5, 2), window=(2, 2, 2), outputs=4, low=(1, 0, 0), sizes=(3, 3, 4)),
}  # fmt: skip


def convolution(data, window, outputs, low, sizes, groups=1, dtype="float32", **factors):
    rank = len(window)
    parameters = {
        "stride": factors.get("stride", [1] * rank), "low": list(low),
        "window_dilation": factors.get("gaps", [1] * rank), "base_dilation": factors.get("base", [1] * rank),
        "groups": groups, "accumulator": "int32" if dtype == "int8" else dtype,
    }  # fmt: skip
    channels = data[-1] // groups
    x = te.placeholder(data, dtype, name="x")
    if groups == data[-1]:
        weight = te.placeholder((*window, 1, outputs), dtype, name="weight")
        name = "depthwise_channels_last"
    else:
        lanes = next(lanes for lanes in (16, 8, 4) if outputs // groups % lanes == 0)
        weight = te.placeholder((outputs // lanes, *window, channels, lanes), parameters["accumulator"], name="weight")
        name = "convolution_channels_last"
    result = ((data[0], *sizes, outputs), parameters["accumulator"])
    (out,) = definition(KernelSpec(name)).compute(KernelSpec(name, parameters), [x, weight], [result])
    return [x, weight], out


def dot(rows, depth, columns, dtype="float32"):
    x = te.placeholder((*rows, depth), dtype, name="x")
    panels = te.placeholder((columns // 4, depth, 4) if columns % 16 else (columns // 16, depth, 16), dtype, name="p")
    spec = KernelSpec("dot_of_panels")
    (out,) = definition(spec).compute(spec, [x, panels], [((*rows, columns), dtype)])
    return [x, panels], out


def arrays_of(tensors):
    rng = np.random.default_rng(0)
    return [
        rng.integers(-9, 9, [int(size) for size in tensor.shape]).astype(str(tensor.dtype))
        for tensor in tensors  # small integers: sums are exact in any order
    ]


def built(inputs, out, target, scheduled) -> tuple[Any, str]:
    """What is compiled for `target`, of a scheduled function or one as it is, and its text."""
    tensors = [*inputs, out]
    if DIALECT == "relay":
        from tvm_hlo_frontend.schedules.te.channels_last import schedule_channels_last

        schedule = schedule_channels_last([out], target) if scheduled else te.create_schedule(out.op)
        return tvm.build(schedule, tensors, target), tvm.lower(schedule, tensors)["main"].script(show_meta=False)
    from tvm_hlo_frontend.schedules.prim_func import schedule_prim_func

    function = te.create_prim_func(tensors)
    function = schedule_prim_func(function, target) if scheduled else function
    made = tvm.compile(tvm.IRModule({"main": function.with_attr("global_symbol", "main")}), target)
    return made["main"], function.script()


def run(function, arrays, out):
    """Its result; what it does not write is 77."""
    tensor = tvm.nd.array if DIALECT == "relay" else tvm.runtime.tensor
    result = tensor(np.full([int(size) for size in out.shape], 77).astype(str(out.dtype)))
    function(*map(tensor, arrays), result)
    return result.numpy()


def check(inputs, out, target, arrays=None, rtol=0) -> str:
    """The text of the scheduled function, after comparing its results with those of the unscheduled one."""
    arrays = arrays_of(inputs) if arrays is None else arrays
    plain, _ = built(inputs, out, OWN, scheduled=False)
    function, text = built(inputs, out, target, scheduled=True)
    np.testing.assert_allclose(run(function, arrays, out), run(plain, arrays, out), rtol=rtol)
    return text


@pytest.mark.parametrize(
    ("dtype", "target"), [("float32", "own"), ("float32", "baseline"), ("float64", "own"), ("int8", "baseline")]
)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution(case, dtype, target):
    text = check(*convolution(**CONVOLUTIONS[case], dtype=dtype), TARGETS[target])
    assert 'scope="local"' in text or '"local"' in text
    assert ("T.unroll" in text and "T.vectorized" in text) if DIALECT == "relax" else "T.Broadcast(" in text


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("rows", [(5,), (17,), (3, 6), (2, 13), (64,)], ids=str)
@pytest.mark.parametrize("columns", [12, 48])
def test_dot(rows, columns, target):
    text = check(*dot(rows, 9, columns), TARGETS[target])
    assert ("dot_rows" in text or "convolution_padded" in text) == (plans.filled_width(rows[-1]) != rows[-1])


def follow(out, bias, residual, kind):
    """What networks have behind a convolution or a product."""
    shape = out.shape
    shifted = te.compute(shape, lambda *i: out(*i) + bias(i[-1]), name="shifted")
    if kind == "cheap":
        return te.compute(shape, lambda *i: tir.max(shifted(*i) + residual(*i), tir.const(0, "float32")), name="relu")
    positive = te.compute(shape, lambda *i: shifted(*i) > residual(*i), name="positive")
    if kind == "truth values":
        doubled = te.compute(shape, lambda *i: tir.Select(positive(*i), shifted(*i), residual(*i)), name="doubled")
        return te.compute(shape, lambda *i: tir.Select(positive(*i), doubled(*i), -doubled(*i)), name="last")

    def long(*index):
        value = shifted(*index)
        for step in range(60 if kind == "very expensive" else 20):
            value = value * residual(*index) + step % 3
        return value

    return te.compute(shape, long, name="long")


@pytest.mark.parametrize("kind", ["cheap", "truth values", "expensive", "very expensive"])
@pytest.mark.parametrize("make", ["3x3", "prime width", "dot"])
def test_what_follows_is_computed_in_the_tile_unless_it_is_long(make, kind):
    inputs, out = dot((17,), 9, 48) if make == "dot" else convolution(**CONVOLUTIONS[make])
    bias = te.placeholder(out.shape[-1:], "float32", name="bias")
    residual = te.placeholder(out.shape, "float32", name="residual")
    tensors = [*inputs, bias, residual]
    arrays = [np.clip(array, -1, 1) for array in arrays_of(tensors)]
    text = check(tensors, follow(out, bias, residual, kind), OWN, arrays, rtol=1e-6)
    # one nest for the sums and all that follows, and maybe one for what is padded
    outermost = [line for line in text.splitlines() if line.startswith("    for ")]
    padded = "dot_rows" in text or "convolution_padded" in text
    assert len(outermost) == 1 + padded + (kind == "very expensive"), outermost


@relay_only("FuseOps of Relax puts what has more elements nowhere")
def test_more_elements_have_loops_of_their_own():
    inputs, out = dot((1, 17), 9, 48)
    more = te.placeholder((2, 17, 48), "float32", name="more")
    check([*inputs, more], te.compute(more.shape, lambda i, j, k: out(0, j, k) + more(i, j, k), name="sum"), OWN)


def beyond(out, kind):
    """What has other elements than a convolution, or reads them elsewhere."""
    *outer, width, channels = (int(size) for size in out.shape)
    positive = te.compute(out.shape, lambda *i: tir.max(out(*i), tir.const(0, "float32")), name="positive")
    if kind == "padded":

        def padded(*index):
            *others, w, c = index
            inside = tir.all(w >= 1, w < width + 1)
            return tir.if_then_else(inside, positive(*others, w - 1, c), tir.const(7, "float32"))

        return te.compute((*outer, width + 3, channels), padded, name="padded")
    if kind == "reversed":
        return te.compute(
            out.shape, lambda *i: positive(*i[:-2], width - 1 - i[-2], i[-1]) + positive(*i), name="turned"
        )
    return te.compute((*outer, width - 1, channels), lambda *i: positive(*i[:-2], i[-2] + 1, i[-1]), name="cut")


@relax_only("FuseOps of Relay puts nothing but element-wise operators behind contractions")
@pytest.mark.parametrize("kind", ["padded", "reversed", "cut"])
@pytest.mark.parametrize("make", ["3x3", "prime width", "dot"])
def test_other_elements_are_computed_behind_all_tiles(make, kind):
    inputs, out = dot((17,), 9, 48) if make == "dot" else convolution(**CONVOLUTIONS[make])
    check(inputs, beyond(out, kind), OWN)


@pytest.mark.parametrize("registers", ALL, ids=lambda each: f"{each.count}x{each.bits}, {each.most_sums} sums")
@pytest.mark.parametrize("outer", [[56, 56], [7, 7], [1], [5, 1], [3, 13], [128, 2]], ids=str)
@pytest.mark.parametrize("outputs", [4, 48, 64])
def test_tiles_fit_the_registers(registers, outer, outputs):
    tile = channel_tile(registers, outputs, min(outputs, 4), outer)
    positions = tile.rows * tile.columns
    assert tile.vectors * positions + tile.vectors + (positions > 1) <= registers.count
    assert tile.vectors * positions <= (registers.most_sums or registers.count)
    assert outer[-1] % tile.columns == 0 and outputs % (tile.vectors * tile.lanes) == 0
    assert tile.rows == 1 or outer[-2] % tile.rows == 0


@pytest.mark.parametrize(
    ("registers", "vectors", "positions"), [(AVX512, 2, 14), (AVX, 2, 4), (OTHER, 2, 14)], ids=["512", "256", "128"]
)
def test_tile_of_many_outputs_and_positions(registers, vectors, positions):
    tile = channel_tile(registers, 64, registers.lanes("float32"), [56, 56])
    assert registers.cycles(tile.vectors, tile.rows * tile.columns) <= registers.cycles(vectors, positions)


def test_registers_of_targets():
    def target(mcpu: str) -> Any:
        return tvm.target.Target({"kind": "llvm", "mcpu": mcpu})

    def found(mcpu: str) -> Registers:
        return dataclasses.replace(registers_of(target(mcpu)), most_sums=None)

    assert found("skylake-avx512") == AVX512
    assert found("core-avx2") == AVX
    assert found("x86-64") == OTHER_X86
    assert registers_of(tvm.target.Target("c")) == OTHER
    # LLVM 10 moves sums about where more than half of the registers hold some
    assert registers_of(target("core-avx2")).most_sums == (8 if tvm.target.codegen.llvm_version_major() == 10 else None)
    assert [Registers(256, 16).lanes(dtype) for dtype in ("float32", "float64", "int8")] == [8, 4, 8]


def test_filled_width_wastes_little():
    for width in range(1, 300):
        filled = plans.filled_width(width)
        assert width <= filled <= width * 1.1 + 1
        assert filled <= plans.MOST_POSITIONS or any(filled % size == 0 for size in range(6, plans.MOST_POSITIONS + 1))


def test_the_smaller_operand_stays_in_the_cache():
    tile = ChannelTile(16, 2, 1, 8)
    small, large = CACHE_BYTES // 4, CACHE_BYTES * 4
    assert plan_of(tile, [1, 512], 512, small, large).outputs_first
    many = plan_of(tile, [1, 512], 512, large, small)
    assert not many.outputs_first and many.pieces >= 8
