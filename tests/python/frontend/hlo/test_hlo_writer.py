"""hlo/ir/builder.py, hlo/proto/writer.py, hlo/text/printer.py: what they make is what XLA reads and runs."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.oracle import run_xla

from tests.support.hlo_samples import comparable_attributes, jax_samples, lowered_samples, structure
from tvm_hlo_frontend.errors import HloParseError, HloVerificationError
from tvm_hlo_frontend.hlo.ir.attributes import CallAttributes, DimensionsAttributes, NoAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module, transform
from tvm_hlo_frontend.hlo.ir.module import Alias
from tvm_hlo_frontend.hlo.ir.shape import array_shape
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.proto.writer import to_proto
from tvm_hlo_frontend.hlo.text.printer import to_text
from tvm_hlo_frontend.hlo.verifier import verify

SAMPLES = sorted(jax_samples())


def _assert_equal(got, want):
    assert len(got) == len(want)
    for a, b in zip(got, want):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_array_equal(a.astype(complex) if a.dtype.kind == "V" else a, b)


@pytest.mark.parametrize("name", SAMPLES)
def test_round_trip(name):
    hlo = verify(read(lowered_samples()[name][0]))
    assert structure(read(to_proto(hlo))) == structure(hlo)


@pytest.mark.parametrize("name", SAMPLES)
def test_xla_computes_the_same_from_what_is_written(name):
    data, arguments = lowered_samples()[name]
    rewritten = verify(transform(read(data), lambda builder, instruction, operands: None))
    _assert_equal(run_xla(rewritten, arguments), run_xla(data, arguments))


def _without_order(hlo):
    return sorted((i.opcode, str(i.shape), str(comparable_attributes(i.attributes))) for i in hlo.instructions)


@pytest.mark.parametrize("name", SAMPLES)
def test_text_reads_back(name):
    hlo = read(lowered_samples()[name][0])
    again = verify(read(to_text(hlo, large_constants=True)))
    assert _without_order(again) == _without_order(hlo)


DONATED = """HloModule donated, input_output_alias={ {1}: (0, {}, may-alias), {0}: (1, {0}, must-alias) }
ENTRY main {
  x = f32[4]{0} parameter(0)
  y = (f32[2]{0}, s32[]) parameter(1)
  z = f32[2]{0} get-tuple-element(y), index=0
  ROOT pair = (f32[2]{0}, f32[4]{0}) tuple(z, x)
}"""


def test_aliases_are_read_and_written():
    hlo = verify(read(DONATED))
    assert set(hlo.aliases) == {Alias((1,), 0), Alias((0,), 1, (0,))}
    rewritten = transform(hlo, lambda builder, instruction, operands: None)
    for other in (rewritten, read(to_proto(hlo)), read(to_text(hlo))):
        assert set(other.aliases) == set(hlo.aliases)


def test_text_elides_large_constants_and_is_refused_then():
    text = to_text(read(lowered_samples()["constants"][0]))
    assert "constant({...})" in text
    with pytest.raises(HloParseError, match="elides constants"):
        read(text)


def _sum_module():
    scalar = array_shape("f32")
    body = ComputationBuilder("sum")
    add = body.add("add", [body.parameter(0, scalar), body.parameter(1, scalar)])
    main = ComputationBuilder("main")
    x = main.parameter(0, array_shape("f32", (2, 3)), name="x")
    zero = main.constant(0.0, "f32")
    total = main.add("reduce", [x, zero], attributes=DimensionsAttributes((1,)), called_computations=[body.build(add)])
    return module("sums", main.build(total))


def test_builder_infers_shapes_and_makes_a_module():
    hlo = verify(_sum_module())
    assert hlo.entry.root.shape == array_shape("f32", (2,))
    assert [c.name for c in hlo.computations] == ["sum", "main"]
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    _assert_equal(run_xla(hlo, [x]), [x.sum(1)])


def test_builder_makes_names_unique_over_the_module():
    hlo = _sum_module()
    other = ComputationBuilder("sum")  # the name of the reducer
    x = other.parameter(0, array_shape("f32", (2, 3)), name="add")
    call = other.add("call", [x], attributes=CallAttributes(), called_computations=[hlo.entry])
    twice = verify(module("calls", other.build(other.add("add", [call, call]))))
    names = [i.name for i in twice.instructions]
    assert len(set(names)) == len(names)
    assert [c.name for c in twice.computations] == ["sum", "main", "sum.1"]


def test_builder_refuses_what_it_cannot_know():
    builder, stranger = ComputationBuilder("main"), ComputationBuilder("other")
    x = builder.parameter(0, array_shape("f32", (2,)))
    with pytest.raises(ValueError, match="shape of reshape"):
        builder.add("reshape", [x])
    with pytest.raises(ValueError, match="not an instruction of computation main"):
        builder.add("negate", [stranger.parameter(0, x.shape)])
    with pytest.raises(ValueError, match="not an instruction of computation other"):
        stranger.build(x)
    with pytest.raises(HloVerificationError, match="expected 2 operands, found 1"):
        builder.add("add", [x])


def _negate_twice(builder, instruction, operands):
    if instruction.opcode != "sine":
        return None
    negated = builder.add("sine", [builder.add("negate", operands)], name=instruction.name)
    return builder.add("negate", [negated], metadata=instruction.metadata)


def test_transform_replaces_instructions_in_called_computations_too():
    data, arguments = lowered_samples()["call"]
    hlo = read(data)
    rewritten = verify(transform(hlo, _negate_twice))
    assert sum(i.opcode == "negate" for i in rewritten.instructions) == 2 * sum(
        i.opcode == "sine" for i in hlo.instructions
    )
    np.testing.assert_allclose(run_xla(rewritten, arguments)[0], run_xla(data, arguments)[0], rtol=1e-6)


def _inline(builder, instruction, operands):
    if instruction.opcode != "call":
        return None
    return builder.inline(instruction.called_computations[0], operands)


def test_transform_drops_what_is_not_needed_any_more():
    data, arguments = lowered_samples()["call"]
    rewritten = verify(transform(read(data), _inline))
    assert len(rewritten.computations) == 1
    _assert_equal(run_xla(rewritten, arguments), run_xla(data, arguments))


def test_transform_keeps_names_parameters_and_side_effects():
    text = """HloModule m
ENTRY e {
  unused = f32[2] parameter(1)
  x = f32[2] parameter(0)
  dead = f32[2] negate(x)
  effect = f32[2] custom-call(x), custom_call_target="print", custom_call_has_side_effect=true
  ROOT y = f32[2] add(x, x)
}"""
    rewritten = transform(read(text), lambda builder, instruction, operands: None)
    assert sorted(i.name for i in rewritten.instructions) == ["effect", "unused", "x", "y"]


def test_transform_of_shared_computations_is_done_once():
    """A chain of computations that call the next one twice: 2**60 calls, 60 computations."""
    builder = ComputationBuilder("f0")
    computation = builder.build(builder.add("negate", [builder.parameter(0, array_shape("f32"))]))
    for level in range(1, 61):
        builder = ComputationBuilder(f"f{level}")
        value = builder.parameter(0, array_shape("f32"))
        for _ in range(2):
            value = builder.add("call", [value], attributes=CallAttributes(), called_computations=[computation])
        computation = builder.build(value)
    seen = []
    result = transform(verify(module("deep", computation)), lambda b, i, o: seen.append(i))
    assert len(result.computations) == 61 and len(seen) == 2 + 60 * 3
    assert isinstance(result.entry.root.attributes, CallAttributes | NoAttributes)
