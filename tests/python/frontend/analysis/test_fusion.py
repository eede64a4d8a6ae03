"""What must be stored so that TVM does not inline it into itself."""

from typing import Any

import numpy as np
import pytest
from tools.support.compare import check
from tvm import te

from tvm_hlo_frontend.analysis.fusion import bindings
from tvm_hlo_frontend.analysis.scalar_expression import ScalarExpression, ScalarNode
from tvm_hlo_frontend.hlo.ir.module import HloInstruction
from tvm_hlo_frontend.hlo.ir.shape import array_shape
from tvm_hlo_frontend.hlo.opcodes import ELEMENTWISE_BINARY, ELEMENTWISE_UNARY
from tvm_hlo_frontend.kernels.dtypes import TVM_DTYPES
from tvm_hlo_frontend.kernels.elementwise.scalar.evaluate import evaluate, supports
from tvm_hlo_frontend.tensor_ir.compat import tir
from tvm_hlo_frontend.tensor_ir.trees import walk

TAKE = "offset_dims={}, collapsed_slice_dims={0}, start_index_map={0}, index_vector_dim=1, slice_sizes={1}"
FIRST = "s = s32[1] slice(a), slice={[0:1]} t = s32[] reshape(s)"
PROGRAMS = {
    "gather by itself": f"a = s32[6] negate(x) ROOT r = s32[6] gather(a, a), {TAKE}",
    "gather by what is made of it": f"a = s32[6] negate(x) b = s32[6] abs(a) ROOT r = s32[6] gather(a, b), {TAKE}",
    "gather from what is made of it": f"a = s32[6] negate(x) b = s32[6] abs(a) ROOT r = s32[6] gather(b, a), {TAKE}",
    "dynamic-slice": f"a = s32[6] negate(x) {FIRST} ROOT r = s32[3] dynamic-slice(a, t), dynamic_slice_sizes={{3}}",
    "dynamic-update-slice": f"a = s32[6] negate(x) {FIRST} ROOT r = s32[6] dynamic-update-slice(a, s, t)",
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_an_array_that_tells_where_it_is_read(what):
    from jaxlib import _hlo

    text = f"HloModule indexed\nENTRY main {{ x = s32[6] parameter(0) {PROGRAMS[what]} }}"
    hlo = _hlo.hlo_module_from_text(text).as_serialized_hlo_module_proto()
    check(hlo, [np.array([-3, -1, 0, -5, 2, -4], np.int32)])


def bindings_of(opcode, element_type, result_type, count, attributes=()):
    """Variables that the kernel of one operation binds."""
    parameters = [ScalarNode("parameter", element_type, (), (number,)) for number in range(count)]
    node = ScalarNode(opcode, result_type, tuple(range(count)), attributes)
    operands = [te.placeholder((6,), TVM_DTYPES[element_type])(tir.Var("i", "int32")) for _ in range(count)]
    value = evaluate(ScalarExpression((*parameters, node), (count,)), operands)[0]
    found: list[Any] = []
    walk(tir.Evaluate(value), (tir.Let, found.append))
    return len(found)


OPERANDS = dict.fromkeys(ELEMENTWISE_UNARY, 1) | dict.fromkeys(ELEMENTWISE_BINARY, 2) | {"clamp": 3}
# what TVM's own operators compute, and numbers that only rewrites make
NOT_BOUND = ("s64 multiply", "u64 multiply")


@pytest.mark.parametrize("element_type", ["f32", "f64", "f16", "s8", "s32", "u32", "s64", "u64"])
def test_all_that_kernels_bind_is_counted(element_type):
    """Too few, and kernels with bindings inside of bindings are made that TVM 0.17 never compiles."""
    found = {}
    for opcode, count in OPERANDS.items():
        if not supports(opcode, element_type):
            continue
        attributes = {"compare": ("LT", "FLOAT"), "reduce-precision": (5, 10)}.get(opcode, ())
        result_type = {"compare": "pred", "is-finite": "pred", "convert": "s32"}.get(opcode, element_type)
        operands = (HloInstruction("x", "parameter", array_shape(element_type, ())),) * count
        counted = bindings(HloInstruction("y", opcode, array_shape(result_type, ()), operands))
        found[f"{element_type} {opcode}"] = (bindings_of(opcode, element_type, result_type, count, attributes), counted)
    assert len(found) > 20
    assert {name: each for name, each in found.items() if each[0] > each[1] + 2 and name not in NOT_BOUND} == {}


TURNS = {
    "popcnt": "a{j} = s32[6] popcnt(a{i})",
    "count-leading-zeros": "a{j} = s32[6] count-leading-zeros(a{i})",
    "clamp": "a{j} = s32[6] clamp(x, a{i}, y)",
    "gather": f"a{{j}} = s32[6] gather(x, a{{i}}), {TAKE}",
}


@pytest.mark.parametrize("what", TURNS)
def test_long_chains_of_integers_are_compiled(what):
    """Twelve of them in one kernel took TVM 0.17 minutes, and more of them hours."""
    from jaxlib import _hlo

    chain = " ".join(TURNS[what].replace("{i}", str(i)).replace("{j}", str(i + 1)) for i in range(12))
    start = "x = s32[6] parameter(0) y = s32[6] parameter(1) a0 = s32[6] negate(x)"
    text = f"HloModule chain\nENTRY main {{ {start} {chain} ROOT r = s32[6] negate(a12) }}"
    hlo = _hlo.hlo_module_from_text(text).as_serialized_hlo_module_proto()
    check(hlo, [np.array([-3, -1, 0, -5, 2, -4], np.int32), np.array([3, 1, 9, 5, 2, 4], np.int32)])
