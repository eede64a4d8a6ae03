"""scan (rule 91): an element-wise body in one kernel, any other as a while loop, against XLA:CPU."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import check, compare, run_tvm
from tools.support.oracle import run_xla

import tvm_hlo_frontend
from tests.support.emitted import source_for
from tests.support.rewritten import CARRIED
from tvm_hlo_frontend.analysis.scans import match_elementwise_scan
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import DotAttributes, DotDimensionNumbers, ScanAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import Shape, array_shape
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites.emit import Emitter
from tvm_hlo_frontend.rewrites.expansion import expand
from tvm_hlo_frontend.rewrites.expansions import scan as rewrites


def slice_of(shape: Shape, axis: int) -> Shape:
    return array_shape(shape.element_type, (*shape.sizes[:axis], *shape.sizes[axis + 1 :]))


def scan(inputs, carries, step, axis=0, reverse=False, bare=False, shape=None):
    """A module of one scan; ``step(emit, elements, carries)`` gives (outputs, new carries)."""
    body = ComputationBuilder("step")
    shapes = [*(slice_of(x, axis) for x in inputs), *carries]
    parameters = [body.parameter(number, part) for number, part in enumerate(shapes)]
    outputs, new = step(Emitter(body), parameters[: len(inputs)], parameters[len(inputs) :])
    root = [*outputs, *new]
    computation = body.build(root[0] if bare else body.add("tuple", root))
    main = ComputationBuilder("main")
    operands = [main.parameter(number, part) for number, part in enumerate((*inputs, *carries))]
    attributes = ScanAttributes(axis, len(carries), reverse)
    return module("scan", main.build(main.add("scan", operands, shape, attributes, [computation])))


def f32(*sizes):
    return array_shape("f32", sizes)


def running(opcode):
    def step(emit, elements, carries):
        total = emit(opcode, *elements, *carries)
        return [total], [total]

    return step


def alternate(emit, elements, carries):
    """pred and s32 carries of a f32 input."""
    flag, count = carries
    flipped = emit("xor", flag, emit.compare("GT", elements[0], 0))
    new = emit("add", count, emit.convert(flipped, "s32"))
    return [flag, new], [flipped, new]


def recurrent(emit, elements, carries):
    """A dot in the body, so no kernel: one row of a batch through a matrix that shrinks."""
    numbers = DotAttributes(DotDimensionNumbers((1,), (0,)))
    row = emit("dot", elements[0], carries[0], attributes=numbers)
    return [row, emit("tanh", row)], [emit("multiply", carries[0], 0.5)]


def counted(emit, elements, carries):
    """Slices and carries of different shapes."""
    (count,) = carries
    new = emit("add", count, 1)
    return [count, emit("multiply", elements[0], emit.along(count, elements[0].shape, ()))], [new]


def last(emit, elements, carries):
    numbers = DotAttributes(DotDimensionNumbers((0,), (0,)))
    return [], [emit("add", carries[0], emit("dot", elements[0], elements[0], attributes=numbers))]


# id -> (module, whether it is one kernel)
CASES = {
    "sum": (scan([f32(5)], [f32()], running("add")), True),
    "vectors": (scan([f32(5, 3)], [f32(3)], running("add")), True),
    "second dimension": (scan([f32(4, 5, 3)], [f32(4, 3)], running("multiply"), axis=1), True),
    "last dimension, reverse": (scan([f32(4, 5)], [f32(4)], running("subtract"), axis=1, reverse=True), True),
    "tiles with rest": (scan([f32(3, 1100)], [f32(1100)], running("add")), True),
    "two inputs, no carry": (scan([f32(5, 3)] * 2, [], lambda e, x, c: ([e("add", *x), e("sine", x[1])], [])), True),
    "carry alone": (scan([f32(5, 3)], [f32(3)], lambda e, x, c: ([], [e("maximum", *x, *c)])), True),
    "bare result": (scan([f32(5, 3)], [f32(3)], lambda e, x, c: ([], [e("add", *x, *c)]), bare=True), True),
    "pred and s32": (scan([f32(9)], [array_shape("pred"), array_shape("s32")], alternate), True),
    "constant in the body": (scan([f32(5)], [f32()], lambda e, x, c: ([c[0]], [e("add", *x, 2.0)])), True),
    "s8 wraps": (scan([array_shape("s8", (60,))], [array_shape("s8")], running("add")), True),
    "f16 rounds": (scan([array_shape("f16", (60,))], [array_shape("f16")], running("add")), True),
    "bf16 rounds": (scan([array_shape("bf16", (60,))], [array_shape("bf16")], running("add")), True),
    "f64": (scan([array_shape("f64", (60,))], [array_shape("f64")], running("add")), True),
    "dot in the body": (scan([f32(2, 4, 3)], [f32(3, 3)], recurrent, axis=1), False),
    "dot in the body, reverse": (scan([f32(2, 4, 3)], [f32(3, 3)], recurrent, axis=1, reverse=True), False),
    "different shapes": (scan([f32(5, 3)], [f32()], counted), False),
    "no output": (scan([f32(5, 3)], [f32()], last), False),
    "no input": (
        scan([], [f32(3)], lambda e, x, c: ([c[0]], [e("add", *c, *c)]),
             shape=Shape("tuple", tuple_shapes=(f32(4, 3), f32(3)))),
        False,
    ),
    "complex": (scan([array_shape("c64", (5, 3))], [array_shape("c64", (3,))], running("multiply")), False),
}  # fmt: skip


def arguments(random, hlo):
    def one(shape):
        values = 3 * random.standard_normal(shape.sizes)
        values = values + 1j * random.standard_normal(shape.sizes) if shape.kind == "complex" else values
        return np.asarray(values).astype(shape.numpy_dtype)

    return [one(parameter.shape) for parameter in hlo.entry.parameters]


@pytest.mark.parametrize("name", CASES)
def test_rule_91_scans(name, random):
    hlo, _ = CASES[name]
    check(hlo, arguments(random, verify(hlo)), rtol=1e-5 if name == "complex" else None)


@pytest.mark.parametrize("name", CASES)
def test_which_scans_are_one_kernel(name):
    hlo, is_kernel = CASES[name]
    assert (match_elementwise_scan(hlo.entry.root) is not None) == (is_kernel or name == "complex")
    report = str(tvm_hlo_frontend.report_of(mod_and_params(tvm_hlo_frontend.from_hlo(hlo))[0]))
    assert ("scan  (kernel)" in report) == is_kernel


@pytest.mark.parametrize("name", [name for name in CASES if not CASES[name][1]])
def test_loops_on_xla(name, random):
    """The loop that a scan becomes, run by XLA."""
    hlo, _ = CASES[name]
    loop = expand(expand(hlo, CARRIED, rewrites.EXPANSIONS), CARRIED, rewrites.LOOPS)
    assert not any(instruction.opcode == "scan" for instruction in verify(loop).instructions)
    given = arguments(random, hlo)
    compare(run_xla(loop, given), run_xla(hlo, given), ulps=0)


@pytest.mark.parametrize("step", [running("add"), counted], ids=["kernel", "loop"])
def test_rules_47_and_91_no_step_at_all(step):
    """XLA's own expansion of a scan without steps does not verify; the carries are the initial ones."""
    carry = f32(3) if step is not counted else f32()
    hlo = scan([f32(0, 3)], [carry], step)
    *outputs, last_carry = run_tvm(hlo, [np.zeros((0, 3), "float32"), np.full(carry.sizes, 7, "float32")])
    assert all(output.shape[0] == 0 for output in outputs)
    np.testing.assert_array_equal(last_carry, np.full(carry.sizes, 7, "float32"))


def test_a_million_steps(random):
    hlo = scan([array_shape("s32", (1_000_000,))], [array_shape("s32")], running("add"))
    check(hlo, [random.integers(-9, 9, 1_000_000).astype("int32"), np.int32(1)])


@pytest.mark.parametrize("target", ["c", "llvm -mtriple=aarch64-linux-gnu"])
def test_code_for_other_targets(target):
    for name in ("tiles with rest", "pred and s32"):
        mod, params = mod_and_params(tvm_hlo_frontend.from_hlo(CASES[name][0]))
        assert source_for(mod, params, target)
