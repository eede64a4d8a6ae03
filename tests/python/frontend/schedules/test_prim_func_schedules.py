"""CPU schedules of PrimFuncs: the numbers of the unscheduled function, in loops that are worth their names."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import tvm
from tvm import te

from tests.support.dialect_marks import DIALECT, skip_file
from tvm_hlo_frontend.deploy.targets import cpu_target
from tvm_hlo_frontend.kernels.library import definition
from tvm_hlo_frontend.kernels.spec import KernelSpec
from tvm_hlo_frontend.tensor_ir.compat import tir

if DIALECT != "relax":
    skip_file("relax", "TVM 0.17 schedules te stages, not PrimFuncs")

from tvm import s_tir

from tvm_hlo_frontend.schedules import small_loops
from tvm_hlo_frontend.schedules.prim_func import schedule, schedule_module_pass, schedule_prim_func
from tvm_hlo_frontend.schedules.prim_func.convolution import schedule_convolution
from tvm_hlo_frontend.schedules.prim_func.dot import schedule_dot
from tvm_hlo_frontend.schedules.prim_func.reduction import schedule_reductions

TARGET = tvm.target.Target(cpu_target())
SIZES = [1, 7, 13, 17, 33, 64]
DTYPES = ["float32", "float64", "int32", "float16", "bool"]
TOLERANCE = {"float32": 1e-4, "float64": 1e-12, "float16": 2e-2}


def compiled(function: Any, target: Any = TARGET) -> Any:
    return tvm.compile(tvm.IRModule({"main": function.with_attr("global_symbol", "main")}), target)["main"]


# with vectors of 64 bytes, of which a tile has as many as there are registers
WIDE = tvm.target.Target({"kind": "llvm", "mcpu": "skylake-avx512"})


def code_of(function: Any, target: Any = TARGET) -> str:
    """What LLVM gets of a PrimFunc."""
    mod = tvm.IRModule({"main": function.with_attr("global_symbol", "main")})
    return tvm.compile(mod, target).mod.inspect_source("ll")


def run(function: Any, arrays: list[np.ndarray], target: Any = TARGET) -> list[np.ndarray]:
    """Results of a PrimFunc whose last parameters are the results."""
    results = [
        tvm.runtime.tensor(np.zeros([int(size) for size in buffer.shape], str(buffer.dtype)))
        for buffer in list(function.params)[len(arrays) :]
    ]
    compiled(function, target)(*(tvm.runtime.tensor(array) for array in arrays), *results)
    return [result.numpy() for result in results]


def numbers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return np.asarray(rng.normal(size=shape), dtype)
    return rng.integers(0, 2 if dtype == "bool" else 100, size=shape).astype(dtype)


def check(function: Any, arrays: list[np.ndarray], tolerance: float = 0.0) -> Any:
    """The scheduled function, after comparing its results with those of `function`."""
    scheduled = schedule_prim_func(function, TARGET)
    for wanted, found in zip(run(function, arrays), run(scheduled, arrays), strict=True):
        np.testing.assert_allclose(
            found.astype("float64"), wanted.astype("float64"), rtol=tolerance, atol=tolerance, equal_nan=True
        )
    return scheduled


def kernel(name: str, parameters: dict, operands: list[tuple], result: tuple) -> tuple[Any, list[np.ndarray]]:
    """A kernel's function and operands for it, none where a size is unknown."""
    spec = KernelSpec(name, parameters)
    inputs = [te.placeholder(shape, dtype, name=f"x{i}") for i, (shape, dtype) in enumerate(operands)]
    outputs = definition(spec).compute(spec, inputs, [result])
    known = all(isinstance(size, int) for shape, _ in operands for size in shape)
    arrays = [numbers(*operand, i) for i, operand in enumerate(operands)] if known else []
    return te.create_prim_func(inputs + outputs), arrays


def by_family(family: Any, function: Any) -> str:
    """The script of `function` as one family of schedules makes it: an error means that it does not fit."""
    made = s_tir.Schedule(function)
    family(made, TARGET)
    return made.mod.script()


def element_wise(x: Any, step: Any, name: str = "hlo_map") -> Any:
    return te.compute(x.shape, lambda *index: step(x(*index)), name=name)


# element-wise functions


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("last", SIZES)
@pytest.mark.parametrize("outer", [(), (5,), (3, 7)], ids=str)
def test_element_wise_chain_is_bit_equal(outer, last, dtype):
    shape = (*outer, last)
    x, y = (te.placeholder(shape, dtype, name=name) for name in "xy")
    equal = te.compute(shape, lambda *i: x(*i) == y(*i) if dtype != "bool" else tir.Or(x(*i), y(*i)), name="equal")
    chosen = te.compute(shape, lambda *i: tir.Select(equal(*i), x(*i), y(*i)), name="chosen")
    function = te.create_prim_func(
        [x, y, element_wise(chosen, lambda v: tir.Select(v, v, v) if dtype == "bool" else -v)]
    )
    text = check(function, [numbers(shape, dtype), numbers(shape, dtype, 1)]).script()
    assert text.count("sblock(") == 2, "the root and one block"  # the others are inlined
    assert ("T.vectorized" in text) == (last == 64)


def test_scalar():
    x = te.placeholder((), "float32", name="x")
    check(te.create_prim_func([x, element_wise(x, lambda v: v * v)]), [numbers((), "float32")])


@pytest.mark.parametrize("shape", [(0,), (0, 16), (3, 0)], ids=str)
def test_nothing_to_do(shape):
    x = te.placeholder(shape, "float32", name="x")
    check(te.create_prim_func([x, element_wise(x, lambda v: v * v)]), [numbers(shape, "float32")])


@pytest.mark.parametrize(("size", "expected"), [(64, False), (1 << 20, True)])
def test_only_large_loops_are_parallel(size, expected):
    x = te.placeholder((size,), "float32", name="x")
    text = schedule_prim_func(te.create_prim_func([x, element_wise(x, lambda v: v + v)]), TARGET).script()
    assert ("T.parallel" in text) == expected
    assert "T.vectorized" in text


@pytest.mark.parametrize("rows", [0, 1, 3, 5000])
def test_sizes_say_whether_threads_are_worth_it(rows):
    x = te.placeholder((tir.Var("n", "int64"), 64), "float32", name="x")
    spec = KernelSpec("reduce", {"kind": "sum", "dimensions": [1]})
    (total,) = definition(spec).compute(spec, [element_wise(x, lambda v: v * v)], [((x.shape[0],), "float32")])
    result = te.compute(x.shape, lambda i, j: x[i, j] - total[i], name="result")
    function = schedule_prim_func(te.create_prim_func([x, result]), TARGET)
    text = function.script()
    assert text.count("T.parallel(") == text.count("    else:") > 0
    array = numbers((rows, 64), "float32")
    out = tvm.runtime.tensor(np.zeros_like(array))
    compiled(function)(tvm.runtime.tensor(array), out)
    np.testing.assert_allclose(out.numpy(), array - (array * array).sum(1, keepdims=True), rtol=1e-5, atol=1e-4)


def test_prime_length_is_parallel_too():
    shape = (1_000_003,)
    x = te.placeholder(shape, "float32", name="x")
    assert (
        "T.parallel"
        in check(te.create_prim_func([x, element_wise(x, lambda v: -v)]), [numbers(shape, "float32")]).script()
    )


def test_repeated_use_does_not_grow_exponentially():
    x = value = te.placeholder((33, 64), "float32", name="x")
    for _ in range(40):
        value = element_wise(value, lambda v: tir.exp(-v) * v)
    scheduled = check(te.create_prim_func([x, value]), [numbers((33, 64), "float32")], 1e-4)
    assert scheduled.script().count("T.exp") == 40


def with_let(value: Any) -> Any:
    variable = tir.Var("v", "float32")
    return tir.Let(variable, value * 0.5, variable * variable - variable)


@pytest.mark.parametrize("shape", [(33, 64), (5, 7), (1, 1)], ids=str)
def test_lets_are_not_nested_but_stay_in_the_same_loops(shape):
    x = value = te.placeholder(shape, "float32", name="x")
    for _ in range(12):
        value = element_wise(value, with_let)
    scheduled = check(te.create_prim_func([x, value]), [numbers(shape, "float32")], 1e-5)
    assert scheduled.script().count("T.Let(") == 12
    assert scheduled.script().count("alloc_buffer(") == 11
    assert "AllocWorkspace" not in code_of(scheduled)  # a row of them lies on the stack


@pytest.mark.parametrize("dimension", [0, 1])
@pytest.mark.parametrize("shape", [(33, 64), (5, 7), (40, 170)], ids=str)
def test_lets_are_computed_in_the_loops_of_a_reduction(shape, dimension):
    x = te.placeholder(shape, "float32", name="x")
    first = element_wise(x, with_let)
    second = element_wise(element_wise(first, with_let), with_let)
    spec = KernelSpec("reduce", {"kind": "sum", "dimensions": [dimension]})
    outputs = definition(spec).compute(spec, [second], [((shape[1 - dimension],), "float32")])
    text = check(te.create_prim_func([x, *outputs]), [numbers(shape, "float32")], 1e-4).script()
    assert sum(line.startswith("    for ") for line in text.splitlines()) == 1


def test_result_that_another_result_reads():
    x = te.placeholder((33, 64), "float32", name="x")
    first = element_wise(x, lambda v: tir.exp(-v), "first")
    second = te.compute((33, 64), lambda i, j: first(i, j) * first(i, 63 - j), name="second")
    function = te.create_prim_func([x, first, element_wise(first, lambda v: v * v, "third"), second])
    assert check(function, [numbers((33, 64), "float32")], 1e-6).script().count("T.vectorized") == 3


def test_expensive_operand_of_a_broadcast_is_computed_once_per_element():
    x, y = te.placeholder((64,), "float32", name="x"), te.placeholder((33, 64), "float32", name="y")
    row = element_wise(x, tir.exp)
    function = te.create_prim_func([x, y, te.compute((33, 64), lambda i, j: row(j) + y(i, j), name="sum")])
    scheduled = check(function, [numbers((64,), "float32"), numbers((33, 64), "float32")], 1e-6)
    assert "T.exp(x[v_i0])" in scheduled.script()


@pytest.mark.parametrize("shape", [(64, 48), (13, 17), (7, 33), (1, 64), (96, 1), (37, 40)], ids=str)
@pytest.mark.parametrize("step", [lambda v: v, lambda v: v * 3], ids=["move", "compute"])
def test_transpose(shape, step):
    x = te.placeholder(shape, "int32", name="x")
    function = te.create_prim_func([x, te.compute(shape[::-1], lambda i, j: step(x(j, i)), name="transposed")])
    text = check(function, [numbers(shape, "int32")]).script()
    if shape == (64, 48):
        assert "range(16)" in text or "T.vectorized(16)" in text or "16, 16" in text, text


def test_rows_that_are_gathered_stay_vectors():
    x, rows = te.placeholder((40, 64), "float32", name="x"), te.placeholder((32,), "int32", name="rows")
    function = te.create_prim_func([x, rows, te.compute((32, 64), lambda i, j: x(rows(i), j), name="taken")])
    arrays = [numbers((40, 64), "float32"), numbers((32,), "int32") % 40]
    assert "T.vectorized(16)" in check(function, arrays).script()


# reductions


@pytest.mark.parametrize("kind", ["sum", "max", "min", "product"])
@pytest.mark.parametrize(
    ("shape", "dimensions"),
    [
        ((13, 170), [1]), ((33, 64), [1]), ((7, 1000), [0]), ((7, 5, 33), [0, 2]), ((7, 5, 33), [1]), ((3, 4), [1]),
        ((17, 13, 7), [1, 2]), ((2, 2049), [0]), ((1, 5), [1]), ((2, 3, 8, 56), [2, 3]), ((1, 1), [0]),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_reduction(kind, shape, dimensions, dtype):
    kept = tuple(size for axis, size in enumerate(shape) if axis not in dimensions)
    parameters = {"kind": kind, "dimensions": dimensions}
    function, (operand,) = kernel("reduce", parameters, [(shape, dtype)], (kept, dtype))
    if kind == "product":
        operand = (1 + operand / 1000).astype(dtype)
    elif kind != "sum" and dtype != "int32":
        operand.flat[operand.size // 2] = np.nan
    scheduled = check(function, [operand], TOLERANCE.get(dtype, 0))
    by_family(schedule_reductions, function)
    assert "_init" in scheduled.script()


def test_rows_are_parallel_and_lanes_are_vectors():
    function, _ = kernel(
        "reduce", {"kind": "max", "dimensions": [1]}, [((1024, 1000), "float32")], ((1024,), "float32")
    )
    text = schedule_prim_func(function, TARGET).script()
    assert text.count("T.parallel") == 1
    assert "T.vectorized(32)" in text


@pytest.mark.parametrize("shape", [(13, 170), (7, 1000), (33, 7)], ids=str)
@pytest.mark.parametrize("kind", ["sum", "max"])
def test_producer_that_two_stages_read_is_computed_once_per_row(kind, shape):
    x = te.placeholder(shape, "float32", name="x")
    spec = KernelSpec("reduce", {"kind": kind, "dimensions": [1]})
    outputs = definition(spec).compute(spec, [element_wise(x, tir.exp)], [(shape[:1], "float32")])
    scheduled = check(te.create_prim_func([x, *outputs]), [numbers(shape, "float32")], 1e-4)
    has_rest = shape[1] == 170 or shape[1] == 1000
    assert scheduled.script().count("T.exp") == 1 + has_rest


# matrix products


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "float16"])
@pytest.mark.parametrize(("lhs", "rhs"), [("MK", "KN"), ("KM", "NK")])
@pytest.mark.parametrize(
    ("batch", "m", "n", "k"),
    [
        (1, 43, 37, 70), (3, 1, 64, 300), (1, 2, 37, 300), (1, 1, 1, 1), (2, 7, 13, 17), (1, 33, 1, 5), (1, 4, 97, 13),
        (1, 64, 128, 33), (2, 5, 200, 3),
        (2, 49, 49, 5), (3, 8, 33, 1), (1, 6, 31, 17),
    ],
    ids=str,
)  # fmt: skip
def test_dot(batch, m, n, k, lhs, rhs, dtype):
    left = (batch, m, k) if lhs == "MK" else (batch, k, m)
    right = (batch, k, n) if rhs == "KN" else (batch, n, k)
    parameters = {"lhs": lhs, "rhs": rhs, "accumulator": dtype}
    function, operands = kernel("dot", parameters, [(left, dtype), (right, dtype)], ((batch, m, n), dtype))
    check(function, operands, TOLERANCE.get(dtype, 0))
    assert "T.parallel" in by_family(schedule_dot, function)


def test_columns_that_are_cut_are_a_loop_of_llvms():
    """Which stores by masks: TVM's vectors would be stores one by one. Sums are vectors all the same."""
    parameters = {"lhs": "MK", "rhs": "KN", "accumulator": "float32"}
    operands = [((1, 49, 32), "float32"), ((1, 32, 49), "float32")]
    function, _ = kernel("dot", parameters, operands, ((1, 49, 49), "float32"))
    script = by_family(schedule_dot, function)
    stored, out = script.split('T.sblock("dot_product_local")')
    assert "T.vectorized" in stored and "T.vectorized" not in out


def test_sums_of_a_tile_stay_in_registers():
    parameters = {"lhs": "MK", "rhs": "KN", "accumulator": "float32"}
    shape = ((1, 512, 512), "float32")
    scheduled = schedule_prim_func(kernel("dot", parameters, [shape, shape], shape)[0], WIDE)
    text = scheduled.script()
    assert "T.parallel" in text and "T.vectorized(16)" in text
    assert text.count("T.unroll") == 4  # rows and vectors, of the initial values and of the sums
    code = code_of(scheduled, WIDE)
    products = r"(%\d+) = .*@llvm\.fmuladd\.v16f32\(<16 x float> \S+, <16 x float> \S+, <16 x float> ([^)]+)\)"
    found = re.findall(products, code)
    assert len(found) == 8 * 2  # of one tile: rows, vectors
    # no sum comes from memory
    assert {total for _, total in found} <= set(re.findall(r"(%\S+) = phi <16 x float>", code))


# convolutions


def convolution(
    batch, channels, outputs, size, window, stride=1, groups=1, low=1, dilation=1, base=1, dtype="float32"
) -> tuple[Any, list[np.ndarray]]:
    reach = [(extent - 1) * dilation for extent in window]
    sizes = [((extent - 1) * base + 2 * low - beyond) // stride + 1 for extent, beyond in zip(size, reach, strict=True)]
    rank = len(size)
    parameters = {
        "stride": [stride] * rank, "low": [low] * rank, "window_dilation": [dilation] * rank,
        "base_dilation": [base] * rank, "groups": groups, "accumulator": dtype,
    }  # fmt: skip
    operands = [((batch, channels, *size), dtype), ((outputs, channels // groups, *window), dtype)]
    return kernel("convolution", parameters, operands, ((batch, outputs, *sizes), dtype))


CONVOLUTIONS = {
    "tiles": {"batch": 1, "channels": 3, "outputs": 32, "size": (9, 14), "window": (3, 3)},
    "strided": {"batch": 2, "channels": 4, "outputs": 8, "size": (7, 13), "window": (3, 3), "stride": 2},
    "one-by-one": {"batch": 1, "channels": 16, "outputs": 64, "size": (17, 17), "window": (1, 1), "low": 0},
    "prime-width": {"batch": 2, "channels": 3, "outputs": 16, "size": (29, 37), "window": (3, 3)},
    "odd-outputs": {"batch": 1, "channels": 5, "outputs": 7, "size": (9, 11), "window": (3, 3)},
    "depthwise": {"batch": 1, "channels": 6, "outputs": 6, "size": (13, 33), "window": (3, 3), "groups": 6},
    "depthwise-rows": {"batch": 1, "channels": 6, "outputs": 6, "size": (5, 64), "window": (3, 3), "groups": 6},
    "depthwise-times-four": {"batch": 1, "channels": 4, "outputs": 16, "size": (8, 8), "window": (3, 3), "groups": 4},
    "groups": {"batch": 2, "channels": 8, "outputs": 32, "size": (5, 7), "window": (3, 3), "groups": 2},
    "groups-of-few": {"batch": 1, "channels": 8, "outputs": 6, "size": (5, 16), "window": (3, 3), "groups": 2},
    "one-dimension": {"batch": 3, "channels": 4, "outputs": 16, "size": (33,), "window": (5,), "stride": 2},
    "three-dimensions": {"batch": 1, "channels": 4, "outputs": 16, "size": (5, 6, 7), "window": (3, 3, 3)},
    "no-dimensions": {"batch": 2, "channels": 6, "outputs": 16, "size": (), "window": ()},
    "cropped": {"batch": 1, "channels": 4, "outputs": 16, "size": (9, 9), "window": (3, 3), "low": -1},
    "holes": {"batch": 1, "channels": 4, "outputs": 16, "size": (9, 9), "window": (3, 3), "dilation": 2},
    "transposed": {"batch": 1, "channels": 4, "outputs": 16, "size": (5, 5), "window": (3, 3), "base": 2},
    "one": {"batch": 1, "channels": 1, "outputs": 1, "size": (1, 1), "window": (1, 1), "low": 0},
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "float16"])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution(case, dtype):
    function, operands = convolution(**CONVOLUTIONS[case], dtype=dtype)
    check(function, operands, TOLERANCE.get(dtype, 0))
    assert "T.parallel" in by_family(schedule_convolution, function)


@pytest.mark.parametrize("family", [schedule_convolution, schedule.schedule_plainly], ids=["own", "plain"])
@pytest.mark.parametrize("outputs", [4, 7, 48])
def test_convolution_of_unknown_channels(outputs, family):
    """One build for every number of channels; of none, the sums are zeros."""
    case = {"batch": 1, "outputs": outputs, "size": (9, 7), "window": (3, 3)}
    made = s_tir.Schedule(convolution(channels=tir.Var("channels", "int32"), **case)[0])
    family(made, TARGET)
    compiled_for_all = compiled(schedule.finished(made))
    for channels in (0, 1, 5):
        arrays = [numbers((1, channels, 9, 7), "float32"), numbers((outputs, channels, 3, 3), "float32", 1)]
        found = tvm.runtime.tensor(np.full((1, outputs, 9, 7), np.nan, "float32"))
        compiled_for_all(*(tvm.runtime.tensor(array) for array in arrays), found)
        wanted = np.zeros((1, outputs, 9, 7), "float32")
        if channels:
            (wanted,) = run(convolution(channels=channels, **case)[0], arrays)
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-4)


def test_convolution_without_padding_reads_its_operand():
    function, _ = convolution(1, 16, 64, (14, 14), (1, 1), low=0)
    assert "convolution_padded" not in schedule_prim_func(function, TARGET).script()


# what is left alone, and what happens when a schedule does not fit


def test_scheduled_once():
    function, _ = convolution(**CONVOLUTIONS["tiles"])
    scheduled = schedule_prim_func(function, TARGET)
    assert schedule_prim_func(scheduled, TARGET) is scheduled


def test_other_devices_are_left_alone():
    function, _ = convolution(**CONVOLUTIONS["tiles"])
    assert schedule_prim_func(function, tvm.target.Target("cuda")) is function


def test_c_has_no_vectors():
    target = tvm.target.Target("c")
    for function, _ in (
        convolution(**CONVOLUTIONS["tiles"]),
        kernel("reduce", {"kind": "sum", "dimensions": [1]}, [((64, 64), "float32")], ((64,), "float32")),
        kernel(
            "dot", {"lhs": "MK", "rhs": "KN", "accumulator": "float32"}, [((1, 64, 64), "float32")] * 2,
            ((1, 64, 64), "float32"),
        ),
    ):  # fmt: skip
        text = schedule_prim_func(function, target).script()
        assert "T.vectorized" not in text and "is_scheduled" in text


@pytest.mark.parametrize("size", [16, 1 << 20])
def test_statements_of_extern_kernels_keep_their_loops(size):
    def body(ins, outs):
        i = tir.Var("i", "int32")
        store = tir.BufferStore(outs[0], tir.BufferLoad(ins[0], [i]) + 1, [i])
        return tir.For(i, 0, size, tir.ForKind.PARALLEL, store)

    x = te.placeholder((size,), "int32", name="x")
    function = te.create_prim_func([x, te.extern([(size,)], [x], body, name="own", dtype="int32")])
    assert ("T.parallel" in check(function, [numbers((size,), "int32")]).script()) == (size > 16)


def test_plain_schedule_where_the_family_fails(monkeypatch):
    def failing(made, target):
        made.reorder(*made.get_loops("dot_product")[:2] * 2)

    parameters = {"lhs": "MK", "rhs": "KN", "accumulator": "float32"}
    operand = ((2, 33, 33), "float32")
    function, operands = kernel("dot", parameters, [operand, operand], operand)
    with pytest.raises(s_tir.ScheduleError):
        by_family(failing, function)
    monkeypatch.setattr(schedule, "family_of", lambda function: failing)
    monkeypatch.setattr(small_loops, "MIN_PARALLEL_INSTRUCTIONS", 0)
    text = check(function, operands, 1e-4).script()
    assert "T.parallel" in text and "is_scheduled" in text


def test_module_pass_with_sizes_known_at_run_time():
    n = tir.Var("n", "int64")
    x = te.placeholder((n, 33), "float32", name="x")
    doubled = element_wise(x, lambda v: v + v)
    k = te.reduce_axis((0, 33), name="k")
    total = te.compute((n,), lambda i: te.sum(doubled(i, k), axis=k), name="total")
    functions = {
        "map": te.create_prim_func([x, element_wise(x, lambda v: v * 2)]),
        "sum": te.create_prim_func([x, total]),
    }
    mod = schedule_module_pass(TARGET)(tvm.IRModule(functions))
    for name, function in functions.items():
        scheduled = mod[name]
        assert scheduled.attrs["tirx.is_scheduled"] and "T.parallel" in scheduled.script()
        for rows in (1, 64):
            arrays = [tvm.runtime.tensor(numbers((rows, 33), "float32"))]
            shape = (rows, 33) if name == "map" else (rows,)
            first, second = (tvm.runtime.tensor(np.zeros(shape, "float32")) for _ in range(2))
            compiled(function)(*arrays, first)
            compiled(scheduled)(*arrays, second)
            np.testing.assert_allclose(second.numpy(), first.numpy(), rtol=1e-6)
