"""What a newer JAX than the installed one has written: read with its own numbers, or refused by a message that names
both versions. `tools/newer_artifacts/` makes the artifacts."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from tools.support.compare import DIALECT, compare, describe
from tools.support.oracle import run_xla

import tvm_hlo_frontend
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import HloParseError, HloVerificationError
from tvm_hlo_frontend.frameworks.jax import from_jax, lower_jax
from tvm_hlo_frontend.frameworks.stablehlo import from_stablehlo, lower_stablehlo
from tvm_hlo_frontend.hlo.proto import newer_xla
from tvm_hlo_frontend.hlo.proto.reader import parse_module_proto, read

jax = pytest.importorskip("jax")

MADE = json.loads(Path(__file__).with_name("newer_jax.json").read_text(encoding="utf-8"))
ARTIFACTS = {f"{row['name']}-{row['kind']}": row for row in MADE["artifacts"]}
TEXT = """HloModule m

ENTRY e {
  a = f32[4] parameter(0)
  ROOT c = f32[4] %s
}
"""


def data_of(name: str) -> bytes:
    return zlib.decompress(base64.b64decode(ARTIFACTS[name]["data"]))


def arrays_of(name: str, what: str) -> list[np.ndarray]:
    return [
        np.frombuffer(base64.b64decode(row["data"]), row["dtype"]).reshape(row["shape"])
        for row in ARTIFACTS[name][what]
    ]


def read_artifact(name: str):
    """HloModule of an artifact, its batch given by the arguments."""
    kind, data = ARTIFACTS[name]["kind"], data_of(name)
    if kind in ("export", "open"):
        return read(lower_jax(data, *arrays_of(name, "arguments")).hlo)
    return read(data.decode() if kind == "text" else data)


@pytest.mark.parametrize("name", ARTIFACTS)
def test_artifact_means_what_the_newer_jax_computed(name):
    module, arguments, wanted = read_artifact(name), arrays_of(name, "arguments"), arrays_of(name, "results")
    mod, params = mod_and_params(tvm_hlo_frontend.from_hlo(module))
    got = tvm_hlo_frontend.build(mod, params)(*arguments)
    got = list(got) if isinstance(got, (tuple, list)) else [got]

    def tell(*at):
        return describe(module, arguments, *at)

    compare(got, run_xla(module, arguments), rtol=1e-5, describe=tell)
    compare(got, wanted, rtol=1e-5, describe=tell)


def test_open_batch_of_a_newer_artifact():
    mod, params = mod_and_params(from_stablehlo(data_of("dense-open")))
    (rows,), (wanted,) = arrays_of("dense-open", "arguments"), arrays_of("dense-open", "results")
    run = tvm_hlo_frontend.build(mod, params)
    np.testing.assert_allclose(run(rows), wanted, rtol=1e-5, err_msg=DIALECT)
    np.testing.assert_allclose(run(rows[:1]), wanted[:1], rtol=1e-5, err_msg=DIALECT)


def test_artifact_without_its_export():
    exported = jax.export.deserialize(bytearray(data_of("cholesky-export")))
    lowered = lower_stablehlo(exported.mlir_module_serialized)
    assert any("potrf" in str(instruction.attributes) for instruction in read(lowered.hlo).instructions)


def test_rule_17_order_without_a_type():
    """The order of a comparison of floats is its type; integers have one order, and a contradiction is refused."""
    proto = parse_module_proto(data_of("total_order-proto"))
    instructions = [instruction for computation in proto.computations for instruction in computation.instructions]
    compared = next(i for i in instructions if i.opcode == "compare" and i.comparison_order == "TOTAL")
    assert compared.comparison_type == ""
    for order, kind, want in (
        ("TOTAL", "", "TOTALORDER"),
        ("TOTAL", "TOTALORDER", "TOTALORDER"),
        ("PARTIAL", "", "FLOAT"),
        ("", "", "FLOAT"),
    ):
        compared.comparison_order, compared.comparison_type = order, kind
        module = read(proto.SerializeToString())
        assert {i.name: i for i in module.instructions}[compared.name].attributes.type == want
    for order, kind in (("TOTAL", "FLOAT"), ("PARTIAL", "TOTALORDER"), ("SIDEWAYS", "")):
        compared.comparison_order, compared.comparison_type = order, kind
        with pytest.raises(HloVerificationError, match=r"contradicts|unknown comparison order"):
            read(proto.SerializeToString())


@pytest.mark.parametrize("nested", [False, True])
def test_field_of_an_unknown_xla_is_refused(nested):
    proto = parse_module_proto(data_of("sort-proto"))
    instruction = proto.computations[0].instructions[0]
    # field 500 of wire type 0 and 2: a number, and an empty message, which says nothing
    target = instruction.window if nested else instruction
    target.MergeFromString(b"\xa2\x1f\x00")
    read(proto.SerializeToString())
    target.MergeFromString(b"\xa0\x1f\x01")
    with pytest.raises(HloParseError, match=rf"{instruction.name}.*fields 500.*newer XLA"):
        read(proto.SerializeToString())


@pytest.mark.parametrize("line", ["negate(a), frob=true", "frobnicate(a)", "negate(a), sharding={frob!}"])
def test_text_of_a_newer_xla_is_refused_with_the_ways_out(line):
    with pytest.raises(HloParseError, match=r"newer JAX .* jaxlib \d.*serialized proto .* install a jaxlib"):
        read(TEXT % line)


def test_faulty_text_is_not_taken_for_newer():
    with pytest.raises(HloParseError) as caught:
        read(TEXT % "negate(b)")
    assert "newer" not in str(caught.value)


def test_newer_attributes_are_put_as_the_older_xla_knows_them():
    """In the instructions that have them; strings, other opcodes and unknown values stay."""
    text = 'a = compare(b, c), direction=LT, order=TOTAL, metadata={op_name="compare(x), order=TOTAL"}\n'
    text += "b = f32[2] topk(x), k=3,\n is_stable=true\nc = f32[2] sort(x), is_stable=true\nd = rng(x), order=TOTAL\n"
    want = 'a = compare(b, c), direction=LT, type=TOTALORDER, metadata={op_name="compare(x), order=TOTAL"}\n'
    want += "b = f32[2] topk(x), k=3\nc = f32[2] sort(x), is_stable=true\nd = rng(x), order=TOTAL\n"
    assert newer_xla.older_text(text) == want


@pytest.mark.parametrize("road", [from_stablehlo, from_jax])
def test_artifact_of_an_unknown_stablehlo_is_refused_with_both_versions(road):
    data = data_of("cholesky-export")
    future = data.replace(b"StableHLO_v1.18.0", b"StableHLO_v9.18.0").replace(b"custom_call_v2", b"custom_call_v9")
    assert future != data
    with pytest.raises(HloParseError, match=r"jaxlib \d.*reads StableHLO up to 1\.\d+.*StableHLO 9\.18\.0.*proto"):
        road(future)


def test_bytecode_of_an_unknown_stablehlo_is_refused_with_both_versions():
    data = jax.export.deserialize(bytearray(data_of("cholesky-export"))).mlir_module_serialized
    future = data.replace(b"StableHLO_v1.18.0", b"StableHLO_v9.18.0").replace(b"custom_call_v2", b"custom_call_v9")
    with pytest.raises(HloParseError, match=r"reads StableHLO up to 1\.\d+.*artifact of StableHLO 9\.18\.0"):
        lower_stablehlo(future)


def test_mlir_text_of_a_newer_stablehlo_is_refused_with_the_ways_out():
    text = "module { func.func public @main(%a: tensor<3xf32>) -> tensor<3xf32> {\n"
    text += '%0 = "stablehlo.newer"(%a) : (tensor<3xf32>) -> tensor<3xf32>\nreturn %0 : tensor<3xf32> } }'
    with pytest.raises(HloParseError, match=r"reads StableHLO up to [\d.]+, and this is perhaps of a newer"):
        lower_stablehlo(text)
