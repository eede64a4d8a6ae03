"""Collectives and asynchronous pairs in hlo/shape_inference and hlo/verifier.py: what XLA accepts."""

from __future__ import annotations

import pytest

from tests.support.shape_texts import function, shape
from tvm_hlo_frontend.errors import HloVerificationError
from tvm_hlo_frontend.hlo.ir import attributes as attr
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.shape_inference import check_shape, infer_shape
from tvm_hlo_frontend.hlo.verifier import verify

NO, ASYNC = attr.NoAttributes(), attr.AsyncAttributes()
ADD = function("f32[] f32[]", "add")
NEGATE = function("f32[3]", "negate")
WIDE = function("f32[3] f32[3]", "add")


def groups(*members, along=None, pairs=()):
    """Attributes of a collective between groups of devices."""
    return attr.CollectiveAttributes(tuple(members), tuple(pairs), () if along is None else (along,))


ONE, TWO, PAIRS = groups((0,), along=0), groups((0, 1), along=0), groups((0, 1), (2, 3), along=0)
SWAP = groups(pairs=((0, 1), (1, 0)))

# opcode, operands, attributes, called computations, a shape that the instruction may have
GOOD = [
    ("all-gather", "f32[2,3]", groups((0, 1), along=1), (), "f32[2,6]"),
    ("all-gather", "f32[2] s32[3]", TWO, (), "(f32[4],s32[6])"),
    ("all-gather", "f32[2]", ONE, (), "f32[8]"),
    ("all-gather", "f32[0]", TWO, (), "f32[0]"),
    ("all-gather-start", "f32[2]", TWO, (), "(f32[2],f32[4])"),
    ("all-gather-start", "f32[2] f32[3]", TWO, (), "((f32[2],f32[3]),(f32[4],f32[6]))"),
    ("all-gather-done", "(f32[2],f32[4])", NO, (), "f32[4]"),
    ("all-reduce", "f32[2] f32[3]", TWO, (ADD,), "(f32[2],f32[3])"),
    ("all-reduce", "f32[2]", groups((0,), (1, 2)), (ADD,), "f32[2]"),
    ("all-reduce-start", "f32[2]", TWO, (ADD,), "f32[2]"),
    ("all-reduce-done", "(f32[2],f32[3])", NO, (), "(f32[2],f32[3])"),
    ("collective-reduce", "f32[2]", TWO, (ADD,), "f32[2]"),
    ("collective-reduce", "f32[2] s32[]", TWO, (ADD,), "f32[2]"),
    ("reduce-scatter", "f32[4,3]", PAIRS, (ADD,), "f32[2,3]"),
    ("reduce-scatter", "f32[4]", ONE, (ADD,), "f32[1]"),
    ("all-to-all", "f32[4,3]", TWO, (), "f32[4,3]"),
    ("all-to-all", "f32[4] f32[4]", groups((0, 1)), (), "(f32[4],f32[4])"),
    ("all-to-all", "f32[4]", groups((0,)), (), "(f32[4])"),
    ("ragged-all-to-all", "f32[4] f32[8] s32[2] s32[2] s32[2] s32[2]", groups((0, 1)), (), "f32[8]"),
    ("collective-reduce", "f32[2] f32[3] s32[2]", TWO, (ADD,), "(f32[2],f32[3])"),
    ("collective-broadcast", "f32[4]", TWO, (), "f32[4]"),
    ("collective-broadcast", "f32[4] s32[1]", TWO, (), "f32[4]"),
    ("collective-permute", "f32[4]", SWAP, (), "f32[4]"),
    ("collective-permute", "f32[4] f32[2]", SWAP, (), "(f32[4],f32[2])"),
    ("collective-permute", "f32[4] f32[6] (s32[]) (s32[])", SWAP, (), "f32[6]"),
    ("collective-permute-start", "f32[4]", SWAP, (), "(f32[4],f32[4])"),
    ("collective-permute-start", "f32[4]", SWAP, (), "(f32[4],f32[4],u32[],u32[])"),
    ("collective-permute-done", "(f32[4],f32[4],u32[],u32[])", NO, (), "f32[4]"),
    ("async-start", "f32[3]", ASYNC, (NEGATE,), "((f32[3]),f32[3])"),
    ("async-start", "f32[3]", ASYNC, (NEGATE,), "((f32[3]),f32[3],u32[])"),
    ("async-update", "((f32[3]),f32[3])", ASYNC, (), "((f32[3]),f32[3])"),
    ("async-done", "((f32[3]),f32[3],u32[])", ASYNC, (), "f32[3]"),
    ("async-done", "((f32[3]),f32[3])", ASYNC, (NEGATE,), "f32[3]"),
    ("copy-start", "f32[3]", NO, (), "(f32[3],f32[3],u32[])"),
    ("copy-done", "(f32[3],f32[3],u32[])", NO, (), "f32[3]"),
    ("send", "f32[3] token", NO, (), "(f32[3],u32[],token)"),
    ("send-done", "(f32[3],u32[],token)", NO, (), "token"),
    ("recv", "token", NO, (), "(f32[3],u32[],token)"),
    ("recv-done", "(f32[3],u32[],token)", NO, (), "(f32[3],token)"),
    ("infeed", "token", NO, (), "(f32[3],token)"),
    ("outfeed", "f32[3] token", NO, (), "token"),
]

# opcode, operands, attributes, called computations, declared shape, part of the message
BAD = [
    ("all-gather", "f32[2,3]", groups((0, 1), along=1), (), "f32[4,3]", "expected 2 parts"),
    ("all-gather", "f32[2]", TWO, (), "f32[6]", "expected 2 parts, .* found 3"),
    ("all-gather", "f32[2]", ONE, (), "f32[5]", r"expected shape f32\[4\]"),
    ("all-gather", "f32[2]", groups((0, 1)), (), "f32[4]", "expected 1 dimension"),
    ("all-gather", "f32[2]", groups((0, 1), along=1), (), "f32[4]", "below rank 1"),
    ("all-gather", "f32[2]", groups((0, 0), along=0), (), "f32[4]", "each once"),
    ("all-gather", "f32[2]", groups((0,), (1, 2), along=0), (), "f32[4]", "equal size"),
    ("all-gather", "f32[2]", TWO, (), "f32[4,1]", "dimensions of"),
    ("all-gather-start", "f32[2]", TWO, (), "f32[4]", "operands and results"),
    ("all-gather-start", "f32[2]", TWO, (), "(f32[4],f32[4])", r"expected shape \(f32\[2\], f32\[4\]\)"),
    ("all-gather-done", "f32[2]", NO, (), "f32[2]", "at least 2 parts"),
    ("all-gather-done", "(f32[2],f32[4])", NO, (), "f32[2]", r"expected shape f32\[4\]"),
    ("all-reduce", "f32[2]", TWO, (ADD,), "f32[3]", "expected shape"),
    ("all-reduce", "", TWO, (ADD,), "f32[3]", "at least 1 operand"),
    ("all-reduce", "f32[2]", groups((0, 2)), (ADD,), "f32[2]", "each once"),
    ("all-reduce", "f32[2]", groups((0,), ()), (ADD,), "f32[2]", "each once"),
    ("all-reduce", "f32[2]", TWO, (NEGATE,), "f32[2]", "reducer negate_function of two scalars"),
    ("all-reduce-start", "f32[2]", TWO, (ADD,), "(f32[2],f32[2])", r"expected shape f32\[2\]"),
    ("all-reduce-done", "f32[2]", NO, (), "f32[3]", "expected shape"),
    ("collective-reduce", "token", TWO, (ADD,), "token", "expected an array"),
    ("collective-reduce", "f32[2] f32[2]", TWO, (ADD,), "f32[2]", "a last operand of type"),
    ("reduce-scatter", "f32[5]", TWO, (ADD,), "f32[2]", "2 devices divide"),
    ("reduce-scatter", "f32[4]", TWO, (ADD,), "f32[4]", "expected 2 parts"),
    ("reduce-scatter", "f32[4]", TWO, (WIDE,), "f32[2]", "of two scalars"),
    ("all-to-all", "f32[3]", TWO, (), "f32[3]", "cut into 2 parts"),
    ("all-to-all", "f32[4] f32[4]", TWO, (), "(f32[4],f32[4])", "expected 1 operand"),
    ("all-to-all", "f32[4]", groups((0, 1)), (), "f32[4]", "an operand for each of 2 devices"),
    ("all-to-all", "f32[4] f32[3]", groups((0, 1)), (), "(f32[4],f32[3])", "equal shapes"),
    ("ragged-all-to-all", "f32[4] s32[8] s32[2] s32[2] s32[2] s32[2]", TWO, (), "s32[8]", "equal types"),
    ("ragged-all-to-all", "f32[4] f32[8] f32[2] s32[2] s32[2] s32[2]", TWO, (), "f32[8]", "offsets and sizes of type"),
    ("ragged-all-to-all", "f32[4] f32[8] s32[2] s32[3] s32[2] s32[2]", TWO, (), "f32[8]", "equal shapes"),
    ("collective-broadcast", "f32[4]", TWO, (), "f32[2]", "expected shape"),
    ("collective-broadcast", "", TWO, (), "f32[2]", "at least 1 operand"),
    ("collective-permute", "f32[4]", SWAP, (), "f32[2]", "expected shape"),
    ("collective-permute", "f32[4]", groups(pairs=((0, 1), (0, 2))), (), "f32[4]", "every source once"),
    ("collective-permute", "f32[4]", groups(pairs=((0, 1), (2, 1))), (), "f32[4]", "every target once"),
    ("collective-permute", "f32[4]", groups(pairs=((-1, 1),)), (), "f32[4]", "no negative source"),
    ("collective-permute-start", "f32[4]", SWAP, (), "f32[4]", "expected shape"),
    ("collective-permute-start", "f32[4]", SWAP, (), "(f32[4],f32[4],f32[])", "context of type u32 or s32"),
    ("collective-permute-done", "f32[4]", NO, (), "f32[4]", "at least 2 parts"),
    ("async-start", "f32[3]", ASYNC, (NEGATE,), "((f32[3]),f32[4])", "expected shape"),
    ("async-start", "f32[4]", ASYNC, (NEGATE,), "((f32[4]),f32[3])", "wrapped computation negate_function to take"),
    ("async-update", "((f32[3]),f32[3])", ASYNC, (), "f32[3]", "expected shape"),
    ("async-update", "f32[3]", ASYNC, (), "f32[3]", "at least 2 parts"),
    ("async-done", "((f32[3]),f32[3])", ASYNC, (), "((f32[3]),f32[3])", r"expected shape f32\[3\]"),
    ("async-done", "((f32[3]),f32[4])", ASYNC, (NEGATE,), "f32[4]", "wrapped computation .* to return"),
    ("copy-start", "f32[3]", NO, (), "(f32[3],f32[3])", "expected shape"),
    ("copy-done", "(f32[3],f32[4],u32[])", NO, (), "f32[3]", "of equal shapes"),
    ("copy-done", "(f32[3],f32[3],u32[])", NO, (), "(f32[3],f32[3],u32[])", r"expected shape f32\[3\]"),
    ("send", "f32[3] f32[3]", NO, (), "(f32[3],u32[],token)", "a token as operand 1"),
    ("send", "f32[3] token", NO, (), "token", "expected shape"),
    ("send-done", "(f32[3],u32[],token)", NO, (), "f32[3]", "expected shape token"),
    ("recv", "f32[3]", NO, (), "(f32[3],u32[],token)", "a token as operand 0"),
    ("recv", "token", NO, (), "f32[3]", "tuple of data and token"),
    ("recv-done", "(f32[3],u32[],token)", NO, (), "f32[3]", "expected shape"),
    ("recv-done", "token", NO, (), "f32[3]", "at least 1 parts"),
    ("infeed", "f32[3]", NO, (), "(f32[3],token)", "a token as operand 0"),
    ("infeed", "token", NO, (), "f32[3]", "tuple of data and token"),
    ("outfeed", "f32[3] f32[3]", NO, (), "token", "a token as operand 1"),
    ("outfeed", "f32[3] token", NO, (), "f32[3]", "expected shape token"),
]


@pytest.mark.parametrize(("opcode", "operands", "attributes", "called", "declared"), GOOD)
def test_accepted(opcode, operands, attributes, called, declared):
    operands = [shape(text) for text in operands.split()]
    check_shape(opcode, operands, attributes, called, shape(declared))


@pytest.mark.parametrize(("opcode", "operands", "attributes", "called", "declared", "message"), BAD)
def test_refused(opcode, operands, attributes, called, declared, message):
    with pytest.raises(HloVerificationError, match=message):
        check_shape(opcode, [shape(text) for text in operands.split()], attributes, called, shape(declared))


@pytest.mark.parametrize(
    ("opcode", "operand", "called", "wanted"),
    [
        ("all-gather", "f32[2]", (), "f32[4]"),
        ("all-gather-start", "f32[2]", (), "(f32[2],f32[4])"),
        ("reduce-scatter", "f32[4]", (ADD,), "f32[2]"),
        ("all-to-all", "f32[4]", (), "f32[4]"),
    ],
)
def test_inferred_from_the_groups(opcode, operand, called, wanted):
    assert infer_shape(opcode, [shape(operand)], TWO, called) == shape(wanted)


# ---- asynchronous pairs


def computation(*rows):
    """Instructions (opcode, operands by index, shape, attributes, called); index 0 is a parameter f32[3]."""
    builder = ComputationBuilder("main")
    made = [builder.parameter(0, shape("f32[3]"))]
    for opcode, operands, declared, attributes, called in rows:
        made.append(builder.add(opcode, [made[index] for index in operands], shape(declared), attributes, called))
    return module("m", builder.build(made[-1]))


STARTED = "((f32[3]),f32[3])"
COPIED = "(f32[3],f32[3],u32[])"
START = ("async-start", (0,), STARTED, ASYNC, (NEGATE,))


def test_a_pair_is_accepted():
    verify(computation(START, ("async-update", (1,), STARTED, ASYNC, ()), ("async-done", (2,), "f32[3]", ASYNC, ())))
    verify(computation(("copy-start", (0,), COPIED, NO, ()), ("copy-done", (1,), "f32[3]", NO, ())))


UNPAIRED = {
    "done of a copy": (
        (("copy-start", (0,), COPIED, NO, ()), ("async-done", (1,), "f32[3]", ASYNC, ())),
        "async-done: expected an operand that is async-start or async-update, found copy-start",
    ),
    "done of a tuple": (
        (("tuple", (0, 0), "(f32[3],f32[3])", NO, ()), ("all-gather-done", (1,), "f32[3]", NO, ())),
        "expected an operand that is all-gather-start, found tuple",
    ),
    "done twice": (
        (START, ("async-done", (1,), "f32[3]", ASYNC, ()), ("async-done", (1,), "f32[3]", ASYNC, ()),
         ("add", (2, 3), "f32[3]", NO, ())),
        "async-start: expected one user of async-start, found 2",
    ),
    "never done": ((START,), "async-start: expected one user of async-start, found 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNPAIRED)
def test_pairs_that_do_not_fit(name):
    rows, message = UNPAIRED[name]
    with pytest.raises(HloVerificationError, match=message):
        verify(computation(*rows))
