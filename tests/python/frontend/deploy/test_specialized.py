"""One program for arrays of many shapes: a variant per shape, threads, weights, donation, files."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from tests.support.open_modules import BATCH, N, doubled, mixed, mixed_arrays, mixed_in_numpy, repeated
from tvm_hlo_frontend import HloParseError, SignatureError, UnsupportedHloError
from tvm_hlo_frontend.deploy.donation import aligned_copy
from tvm_hlo_frontend.deploy.specialized import SpecializedExecutable, load_specialized, specialize
from tvm_hlo_frontend.deploy.variants import Variants
from tvm_hlo_frontend.hlo.ir.attributes import CustomCallAttributes, DotAttributes, DotDimensionNumbers, SliceAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.module import Alias
from tvm_hlo_frontend.hlo.ir.open_module import OpenModule, SizeCheck
from tvm_hlo_frontend.hlo.ir.shape import ELEMENT_TYPES, Symbol, array_shape, tuple_shape


def ones(*shape):
    return np.ones(shape, "float32")


def sizes_of(run):
    return [dict(variant.sizes) for variant in run.variants]


@pytest.fixture(scope="module")
def run():
    return specialize(mixed())


@pytest.mark.parametrize(("batch", "n"), [(2, 3), (1, 1), (3, 0)])
def test_each_shape_gets_its_variant(run, batch, n):
    arrays = mixed_arrays(batch, n)
    for _ in range(2):
        np.testing.assert_array_equal(run(*arrays), mixed_in_numpy(*arrays))
    assert sizes_of(run)[-1] == {"batch": batch, "n": n}
    assert len({tuple(each.values()) for each in sizes_of(run)}) == len(run.variants)
    assert all(variant.seconds > 0 for variant in run.variants)


def test_the_signature_has_sizes_as_texts(run):
    assert [(each.name, each.dimensions) for each in run.inputs] == [("x", ("batch", "2*n")), ("w", ("2*n", "n + 3"))]
    assert run.signature.result == ["f32", ["batch + n", "n + 3"]] and run.sizes == ("batch", "n")
    run.prepare({"batch": 2, "n": 3})
    (variant,) = [each for each in run.variants if each.sizes == {"batch": 2, "n": 3}]
    own = variant.executable.signature.parameters
    assert [(each.name, each.carrier, each.variable) for each in own] == [
        (each.name, each.carrier, each.variable) for each in run.signature.parameters
    ]


def test_wrong_shapes_are_refused_and_compile_nothing(run):
    before = sizes_of(run)
    x, w = mixed_arrays(2, 3)
    for arrays in [(x,), (x, w[:, :-1]), (x[:, :-1], w), (x[:0], w), (x.astype("int32"), w), (x[0], w)]:
        with pytest.raises(SignatureError):
            run(*arrays)
    assert sizes_of(run) == before


def test_a_thousand_calls_with_random_shapes_compile_only_what_fits(run):
    run.prepare({"batch": 1, "n": 1}, {"batch": 2, "n": 1})
    before, random, refused = sorted(map(str, sizes_of(run))), np.random.default_rng(0), 0
    while refused < 1000:
        x, w = (tuple(random.integers(0, 6, rank)) for rank in random.choice([2, 2, 2, 1, 3], 2))
        if len(x) == len(w) == 2 and x[0] and x[1] % 2 == 0 and w == (x[1], x[1] // 2 + 3):
            continue  # fits
        with pytest.raises(SignatureError):
            run(ones(*x), ones(*w))
        refused += 1
    assert sorted(map(str, sizes_of(run))) == before


def test_a_value_is_a_size():
    run = specialize(repeated())
    for count in (2, 3, 0, 2):
        got = run(np.arange(3, dtype="float32"), np.int32(count))
        np.testing.assert_array_equal(got, np.tile(np.arange(3) * count, (count, 1)))
    assert sizes_of(run) == [{"batch": 3, "n": 3}, {"batch": 3, "n": 0}, {"batch": 3, "n": 2}]
    with pytest.raises(SignatureError, match="the value of `count` is -1"):
        run(np.arange(3, dtype="float32"), np.int32(-1))
    with pytest.raises(SignatureError, match=r"`count` is int32\[3\]"):
        run(np.arange(3, dtype="float32"), np.zeros(3, "int32"))


def test_lists_and_zero_sizes_are_arrays_too():
    run = specialize(doubled(BATCH, 2))
    assert run(np.zeros((0, 2), "float32")).shape == (0, 2)
    with pytest.raises(SignatureError, match="float64"):
        run([[1.0, 2.0]])


def test_prepare_compiles_ahead():
    run = specialize(doubled(BATCH, checks=[SizeCheck(BATCH, ">=", 1, "the export")]), limit=2)
    run.prepare({"batch": 2}, {"batch": 3})
    run.prepare({"batch": 2})
    assert sizes_of(run) == [{"batch": 3}, {"batch": 2}]
    for wrong, message in [
        ({}, "the unknown sizes are batch, not none"),
        ({"batch": 2, "rows": 1}, "the unknown sizes are batch, not batch, rows"),
        ({"batch": 0}, r"the program needs batch >= 1 \(the export\); batch is 0"),
        ({"batch": -1}, "sizes are at least 0; batch is -1"),
    ]:
        with pytest.raises(SignatureError, match=message):
            run.prepare(wrong)
    with pytest.raises(ValueError, match="3 variants are more than the limit of 2"):
        run.prepare({"batch": 4}, {"batch": 5}, {"batch": 6})
    assert sizes_of(run) == [{"batch": 3}, {"batch": 2}]


def test_the_variant_used_least_recently_goes_first():
    run = specialize(doubled(BATCH), limit=2)
    for batch in (1, 2, 1, 3):
        run(ones(batch))
    assert sizes_of(run) == [{"batch": 1}, {"batch": 3}]
    np.testing.assert_array_equal(run(ones(2)), [2, 2])


def test_a_limit_is_at_least_one():
    with pytest.raises(ValueError, match="limit must be at least 1, not 0"):
        specialize(doubled(BATCH), limit=0)


def test_sizes_for_which_the_program_contradicts_itself():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (N,)), "x")
    root = builder.add("slice", [x], array_shape("f32", (N - 2,)), SliceAttributes((1,), (N - 1,), (1,)))
    run = specialize(OpenModule(module("cut", builder.build(root))))
    np.testing.assert_array_equal(run(ones(3)), [1])
    with pytest.raises(
        SignatureError, match=r"needs n - 2 >= 0 \(a dimension of slice\); n is 1 by dimension 0 of `x`"
    ):
        run(ones(1))
    builder = ComputationBuilder("main")
    x, y = (
        builder.parameter(k, array_shape("f32", (size,)), name)
        for k, (size, name) in enumerate([(N, "x"), (BATCH, "y")])
    )
    root = builder.add("add", [x, y], x.shape)
    run = specialize(OpenModule(module("sum", builder.build(root))))
    np.testing.assert_array_equal(run(ones(3), ones(3)), [2, 2, 2])
    with pytest.raises(SignatureError, match="with n = 3, batch = 2 the program contradicts itself"):
        run(ones(3), ones(2))


def test_a_size_that_nothing_tells_is_named_at_once():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (2,)), "x")
    root = builder.add("slice", [x], array_shape("f32", (N,)), SliceAttributes((0,), (N,), (1,)))
    with pytest.raises(SignatureError, match="no dimension and no value of an input tells the unknown size n"):
        specialize(OpenModule(module("cut", builder.build(root))))
    with pytest.raises(SignatureError, match="of which nothing is known"):
        specialize(doubled(Symbol("rows", 8)))


def product() -> OpenModule:
    """x f32[batch, n] times w f32[n, n + 1]."""
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (BATCH, N)), "x")
    w = builder.parameter(1, array_shape("f32", (N, N + 1)), "w")
    numbers = DotDimensionNumbers(lhs_contracting=(1,), rhs_contracting=(0,))
    return OpenModule(
        module(
            "product",
            builder.build(builder.add("dot", [x, w], array_shape("f32", (BATCH, N + 1)), DotAttributes(numbers))),
        )
    )


def test_weights_tell_sizes_once_and_for_all():
    w = np.arange(12, dtype="float32").reshape(3, 4)
    run = specialize(product(), parameter_values={1: w}, input_names=["rows", "kernel"])
    assert run.sizes == ("batch",) and [each.name for each in run.inputs] == ["rows"]
    assert [each.dimensions for each in run.signature.parameters] == [("batch", 3), (3, 4)]
    for batch in (1, 4):
        np.testing.assert_array_equal(run(ones(batch, 3)), ones(batch, 3) @ w)
    with pytest.raises(SignatureError, match="dimension 1 of `rows` is 4; the program needs 3"):
        run(ones(2, 4))
    with pytest.raises(SignatureError, match="dimension 1 of `w` is 3; the program needs 4"):
        specialize(product(), parameter_values={1: w[:, :3]})
    with pytest.raises(SignatureError, match=r"parameter_values names parameters \[7\]"):
        specialize(product(), parameter_values={7: w})


def test_a_weight_that_fits_some_calls_is_a_check():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (BATCH, N)), "x")
    w = builder.parameter(1, array_shape("f32", (BATCH * N,)), "w")
    root = builder.add("multiply", [x, builder.add("reshape", [w], x.shape)], x.shape)
    run = specialize(OpenModule(module("scaled", builder.build(root))), parameter_values={1: ones(6)})
    assert run(ones(2, 3)).shape == (2, 3) and run(ones(6, 1)).shape == (6, 1)
    with pytest.raises(SignatureError, match=r"needs batch\*n == 6 \(dimension 0 of `w`\)"):
        run(ones(2, 2))


def test_instructions_that_are_not_supported_are_refused_each_time():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (BATCH,)), "x")
    call = builder.add("custom-call", [x], x.shape, CustomCallAttributes("nobody_knows"))
    run = specialize(OpenModule(module("strange", builder.build(call))))
    for _ in range(2):
        with pytest.raises(UnsupportedHloError, match="nobody_knows"):
            run(ones(2))
    assert run.variants == ()


def cache() -> OpenModule:
    """A cache f32[n, 3], given away, with one of its rows replaced."""
    builder = ComputationBuilder("main")
    rows = builder.parameter(0, array_shape("f32", (N, 3)), "cache")
    row = builder.parameter(1, array_shape("f32", (1, 3)), "row")
    starts = [builder.parameter(2, array_shape("s32"), "position"), builder.constant(0, "s32")]
    root = builder.add("dynamic-update-slice", [rows, row, *starts], rows.shape)
    return OpenModule(module("cache", builder.build(root), [Alias((), 0)]))


def test_donated_arrays_are_overwritten():
    run = specialize(cache())
    assert run.signature.aliases == ((0, 0),)
    for size in (4, 6):
        rows = aligned_copy(np.zeros((size, 3), "float32"))
        kept = run(rows, ones(1, 3), np.int32(1))
        assert rows.sum() == 0 and kept.sum() == 3
        given = run(rows, ones(1, 3), np.int32(2), donate="cache")
        assert given.ctypes.data == rows.ctypes.data
        np.testing.assert_array_equal(rows, np.eye(size)[2][:, None] * ones(1, 3))
    with pytest.raises(SignatureError, match="donate names"):
        run(rows, ones(1, 3), np.int32(1), donate="y")


def test_the_signature_has_the_carriers_of_the_variants():
    """For arrays of every type, and for weights."""
    types = [row.name for row in ELEMENT_TYPES if row.numpy_dtype is not None and row.bits > 1]
    builder = ComputationBuilder("main")
    parts = [builder.parameter(k, array_shape(each, (N, 2)), f"x_{each}") for k, each in enumerate(types)]
    root = builder.add("tuple", parts, tuple_shape(*[part.shape for part in parts]))
    run = specialize(
        OpenModule(module("all", builder.build(root))),
        parameter_values={0: np.zeros((3, 2), array_shape(types[0]).numpy_dtype)},
    )
    assert run.sizes == () and run.signature.parameters[0].bound
    arrays = [np.ones((3, 2), array_shape(each).numpy_dtype) for each in types]
    open_run = specialize(OpenModule(module("all", builder.build(root))))
    for got, array in zip(open_run(*arrays), arrays, strict=True):
        np.testing.assert_array_equal(got, array, strict=True)
    own, wanted = open_run.variants[0].executable.signature, open_run.signature
    assert [replace(each, dimensions=("n", 2)) for each in own.parameters] == list(wanted.parameters)


def test_two_threads_that_want_the_same_variant_compile_it_once():
    run, made, start = specialize(doubled(BATCH)), [], threading.Barrier(4)
    make = run._make

    def counted(numbers):
        made.append(numbers)
        return make(numbers)

    run._make = counted

    def call(number):
        start.wait()
        return run(ones(5))

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(call, range(4)))
    assert made == [{"batch": 5}]
    for result in results:
        np.testing.assert_array_equal(result, np.full(5, 2))


def test_a_build_does_not_hold_up_calls_that_need_none():
    run = specialize(doubled(BATCH))
    run.prepare({"batch": 2})
    make, go, begun = run._make, threading.Event(), threading.Event()

    def slow(numbers):
        begun.set()
        assert go.wait(60)
        return make(numbers)

    run._make = slow
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(run, ones(3))
        assert begun.wait(60)
        np.testing.assert_array_equal(run(ones(2)), [2, 2])
        assert not waiting.done()
        go.set()
        np.testing.assert_array_equal(waiting.result(60), [2, 2, 2])


def test_variants_go_while_other_threads_use_them():
    run, random = specialize(doubled(BATCH), limit=2), np.random.default_rng(0)
    wanted = [random.integers(1, 5, 12) for _ in range(4)]

    def call(batches):
        for batch in batches:
            np.testing.assert_array_equal(run(ones(batch)), np.full(batch, 2))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, wanted))
    assert len(run.variants) == 2


def in_two_threads(variants, make, begun):
    """What two threads get that want key 1; `make` is called by the first."""
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(variants.found_or_made, 1, make)
        assert begun.wait(60)
        second = pool.submit(variants.found_or_made, 1, make)
        return first, second


@pytest.mark.parametrize(("error", "calls"), [(ValueError("no"), 1), (KeyboardInterrupt(), 2)])
def test_all_who_wait_get_the_error_unless_the_thread_was_interrupted(error, calls):
    variants, made, begun, waits = Variants(2), [], threading.Event(), threading.Event()

    def make():
        made.append(1)
        begun.set()
        if len(made) == 1:
            waits.wait(0.3)
            raise error
        return "made"

    first, second = in_two_threads(variants, make, begun)
    assert first.exception() is error and len(made) == calls
    if calls == 1:
        assert second.exception() is error
        assert variants.found_or_made(1, make) == "made" and variants.found(1) == "made"
    else:
        assert second.result() == "made"


def test_saved_variants_are_loaded_without_the_program(run, tmp_path):
    run.prepare({"batch": 2, "n": 3}, {"batch": 1, "n": 1})
    run.save(tmp_path / "model")
    again = load_specialized(tmp_path / "model")
    assert isinstance(again, SpecializedExecutable) and again.signature == run.signature
    assert sorted(map(str, sizes_of(again))) == sorted(map(str, sizes_of(run)))
    arrays = mixed_arrays(2, 3)
    np.testing.assert_array_equal(again(*arrays), mixed_in_numpy(*arrays))
    with pytest.raises(
        SignatureError, match=r"no variant for batch = 9, n = 9, only for .*; where the program is, prepare"
    ):
        again(*mixed_arrays(9, 9))
    with pytest.raises(SignatureError, match=r"needs batch >= 1 \(the export\)"):
        again(*mixed_arrays(0, 3))
    with pytest.raises(ValueError, match="copy their folder"):
        again.save(tmp_path / "other")


def test_a_value_is_a_size_in_files_too(tmp_path):
    run = specialize(repeated())
    run.prepare({"batch": 2, "n": 3})
    run.save(tmp_path)
    again = load_specialized(tmp_path)
    np.testing.assert_array_equal(again(ones(2), np.int32(3)), np.full((3, 2), 3))
    with pytest.raises(SignatureError, match="no variant for batch = 2, n = 4"):
        again(ones(2), np.int32(4))


def test_nothing_to_save_and_nothing_to_load(tmp_path):
    with pytest.raises(ValueError, match="no variant to save"):
        specialize(doubled(BATCH)).save(tmp_path)
    with pytest.raises(HloParseError, match="holds no specialized executable"):
        load_specialized(tmp_path)
    run = specialize(doubled(BATCH))
    run(ones(2))
    run.save(tmp_path)
    index = tmp_path / "specialized.json"
    unchecked = {**json.loads(index.read_text())["signature"], "checks": [["?", ">=", 0, ""]]}
    for changes in ({"sizes": ["rows"]}, {"signature": unchecked}, {"variants": [{}]}, {"signature": 3}):
        before = index.read_text()
        index.write_text(json.dumps({**json.loads(before), **changes}))
        with pytest.raises(HloParseError, match="holds no specialized executable"):
            load_specialized(tmp_path)
        index.write_text(before)
    (tmp_path / "variant_0.so").unlink()
    with pytest.raises(HloParseError, match="cannot be loaded"):
        load_specialized(tmp_path)
