"""hlo/proto/reader.py: every kind of source, every kind of damage."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from tools.support.oracle import run_xla

from tests.support.hlo_samples import lowered_samples, structure, tensorflow_samples
from tvm_hlo_frontend.errors import HloParseError, HloVerificationError
from tvm_hlo_frontend.hlo.ir import attributes as attr
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, Symbol
from tvm_hlo_frontend.hlo.proto.reader import module_from_proto, parse_module_proto, read
from tvm_hlo_frontend.hlo.proto.schema import HloModuleProto, HloProto, HloSnapshot
from tvm_hlo_frontend.hlo.proto.writer import to_proto
from tvm_hlo_frontend.hlo.text.printer import to_text
from tvm_hlo_frontend.hlo.verifier import verify

TEXT = """HloModule small
ENTRY main {
  x = f32[3] parameter(0), metadata={op_name="input" source_file="model.py" source_line=7}
  ROOT y = f32[3] sine(x)
}"""


def small_proto():
    """HloModuleProto of TEXT."""
    return parse_module_proto(read_bytes(TEXT))


def read_bytes(text: str) -> bytes:
    return to_proto(read(text))


# ---- sources


def _sources(folder):
    from jaxlib import _hlo

    data = read_bytes(TEXT)
    proto = HloModuleProto.FromString(data)
    wrapped = HloProto(hlo_module=proto).SerializeToString()
    binary, text, suffix = folder / "module.pb", folder / "module.txt", folder / "no_suffix"
    binary.write_bytes(wrapped)
    text.write_text(TEXT)
    suffix.write_text(TEXT)
    return {
        "bytes": data,
        "bytearray": bytearray(data),
        "HloProto": wrapped,
        "HloSnapshot": HloSnapshot(hlo=HloProto(hlo_module=proto)).SerializeToString(),
        "message": proto,
        "HloProto message": HloProto(hlo_module=proto),
        "XlaComputation": _hlo.XlaComputation(data),
        "jaxlib HloModule": _hlo.HloModule.from_serialized_hlo_module_proto(data),
        "path": binary,
        "path as str": str(binary),
        "path of text": text,
        "path of text without suffix": str(suffix),
        "text": TEXT,
        "text as bytes": TEXT.encode(),
        "HloModule": read(data),
    }


def test_sources(tmp_path):
    for name, source in _sources(tmp_path).items():
        hlo = verify(read(source))
        assert [i.opcode for i in hlo.instructions] == ["parameter", "sine"], name
        assert hlo.entry.parameters[0].metadata == attr_metadata(), name


def attr_metadata():
    from tvm_hlo_frontend.hlo.ir.module import Metadata

    return Metadata("", "input", "model.py", 7)


NOT_HLO = [
    (b"", "no HLO module"),
    (b"\x00" * 100, "no HLO module"),
    (b"GraphDef?", "no HLO module"),
    (HloModuleProto(name="empty").SerializeToString(), "no HLO module"),
    (b"ML\xefRStableHLO", "cannot parse the MLIR module"),
    ("HloModule broken\nENTRY {", "cannot parse the HLO text"),
    ("HloModule m\nENTRY e { ROOT c = f32[9] constant({...}) }", "elides constants"),
    ("no_such_file.pb", "cannot read 'no_such_file.pb'"),
    (7, "cannot read an HLO module from int"),
    (None, "cannot read an HLO module from NoneType"),
]


@pytest.mark.parametrize(("source", "message"), NOT_HLO)
def test_what_is_no_module_is_refused(source, message):
    with pytest.raises(HloParseError, match=message):
        read(source)


def test_text_without_a_parser_says_so(monkeypatch):
    import importlib

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(HloParseError, match="needs jaxlib"):
        read(TEXT)


def test_stack_frames_give_source_places():
    hlo = read(lowered_samples()["matmul"][0])
    places = {i.metadata.source_file.rpartition("/")[2] for i in hlo.instructions}
    assert "hlo_samples.py" in places


def test_tensorflow_modules():
    unoptimised, optimised, without_constants = tensorflow_samples()
    hlo = verify(read(unoptimised))
    rng = np.random.RandomState(0)
    arguments = [rng.randn(3, 4).astype(np.float32), rng.randn(4, 5).astype(np.float32)]
    for got, want in zip(run_xla(to_proto(hlo), arguments), run_xla(unoptimised, arguments)):
        np.testing.assert_array_equal(got, want)
    hlo = verify(read(optimised))  # fusions, layouts, library calls
    assert structure(read(to_proto(hlo))) == structure(hlo)
    with pytest.raises(HloParseError, match="dropped the constants"):
        read(without_constants)  # an HloProto


# ---- attributes: what proto3 leaves out


def _instruction_proto(opcode, operands=("f32",), **fields):
    """Module of one instruction on scalar parameters of the given element types."""
    module = HloModuleProto(name="m", entry_computation_id=1)
    computation = module.computations.add(name="main", id=1, root_id=100)
    for number, element_type in enumerate(operands):
        parameter = computation.instructions.add(name=f"p{number}", opcode="parameter", id=number + 1)
        parameter.parameter_number = number
        parameter.shape.element_type = BY_NAME[element_type].number
    instruction = computation.instructions.add(name="it", opcode=opcode, id=100, **fields)
    instruction.operand_ids.extend(range(1, len(operands) + 1))
    instruction.shape.element_type = BY_NAME["f32"].number
    return module


def test_absent_fields_get_their_defaults():
    proto = _instruction_proto("convolution", ("f32", "f32"))
    proto.computations[0].instructions[-1].window.dimensions.add(size=3)
    attributes = module_from_proto(proto).entry.root.attributes
    assert attributes.feature_group_count == attributes.batch_group_count == 1
    assert attributes.window.dimensions == (attr.WindowDimension(3, 1, 0, 0, 1, 1, False),)
    proto = _instruction_proto("slice")
    proto.computations[0].instructions[-1].slice_dimensions.add(limit=3)
    assert module_from_proto(proto).entry.root.attributes == attr.SliceAttributes((0,), (3,), (1,))


COMPARISON_DEFAULTS = [
    ("f32", "FLOAT"), ("c64", "FLOAT"), ("s8", "SIGNED"), ("u8", "UNSIGNED"), ("pred", "UNSIGNED"), ("s4", "SIGNED"),
]  # fmt: skip


@pytest.mark.parametrize(("element_type", "want"), COMPARISON_DEFAULTS)
def test_rule_17_absent_comparison_type(element_type, want):
    proto = _instruction_proto("compare", (element_type, element_type), comparison_direction="LT")
    assert module_from_proto(proto).entry.root.attributes == attr.CompareAttributes("LT", want)


def test_replica_groups_of_every_encoding():
    want = ((0, 2), (1, 3))
    old = _instruction_proto("all-gather")
    listed = _instruction_proto("all-gather")
    iota = _instruction_proto("all-gather")
    for group in want:
        old.computations[0].instructions[-1].replica_groups.add().replica_ids.extend(group)
        listed.computations[0].instructions[-1].collective_device_list.replica_groups.add().replica_ids.extend(group)
    compact = iota.computations[0].instructions[-1].collective_device_list.iota_replica_group_list
    compact.num_replica_groups, compact.num_devices_per_group = 2, 2
    compact.iota_reshape_dims.extend([2, 2])
    compact.iota_transpose_perm.extend([1, 0])
    for proto in (old, listed, iota):
        assert module_from_proto(proto).entry.root.attributes.replica_groups == want
    compact.num_devices_per_group = 2**40
    with pytest.raises(HloVerificationError, match="it: inconsistent iota replica groups"):
        module_from_proto(iota)


def test_unknown_enum_numbers():
    with pytest.raises(HloVerificationError, match="it: unknown FFT type number 9"):
        module_from_proto(_instruction_proto("fft", fft_type=9))
    custom = _instruction_proto("custom-call", custom_call_target="f", custom_call_api_version=9)
    hlo = module_from_proto(custom)
    assert hlo.entry.root.attributes.api_version == "API_VERSION_9"
    assert read(to_proto(hlo)).entry.root.attributes.api_version == "API_VERSION_9"


def test_dynamic_dimensions():
    proto = small_proto()
    shape = proto.computations[0].instructions[0].shape
    shape.dimensions[:] = [3, -(2**63), 5]
    shape.layout.minor_to_major[:] = [2, 1, 0]
    shape.is_dynamic_dimension[:] = [True, True, False]
    bounded, unbounded, static = module_from_proto(proto).entry.parameters[0].shape.dimensions
    assert isinstance(bounded, Symbol) and bounded.bound == 3
    assert isinstance(unbounded, Symbol) and unbounded.bound is None
    assert static == 5


# ---- damage


def _set(path, value):
    def change(proto):
        *steps, last = path.split(".")
        target = proto
        for step in steps:
            target = target[int(step)] if step.lstrip("-").isdigit() else getattr(target, step)
        if last.isdigit():
            target[int(last)] = value
        elif isinstance(value, list):
            getattr(target, last)[:] = value
        else:
            setattr(target, last, value)

    return change


def _clear(name):
    return lambda proto: proto.computations[0].instructions[-1].ClearField(name)


LAST = "computations.0.instructions.1."
CONTRADICTIONS = [
    (_set(LAST + "operand_ids", [77]), "y: operand id 77 is not in computation main"),
    (_set(LAST + "operand_ids", [1 << 32 | 2]), "y: depends on its own result"),
    (_set(LAST + "id", 1 << 32 | 1), "y: has the same id 4294967297 as x"),
    (_set(LAST + "opcode", "frobnicate"), "y: unknown opcode 'frobnicate'"),
    (_set(LAST + "opcode", "cross-replica-sum"), "y: unknown opcode 'cross-replica-sum': a sum over devices"),
    (_set(LAST + "opcode", ""), "y: unknown opcode ''"),
    (_set(LAST + "called_computation_ids", [9]), "y: calls the unknown computation 9"),
    (_set(LAST + "called_computation_ids", [1]), "computation main calls itself"),
    (_set("computations.0.root_id", 5), "computation main: no instruction has the root's id 5"),
    (_set("entry_computation_id", 5), "main"),
    (_set("computations.0.instructions.0.parameter_number", 3), "x: computation main has a parameter 3 but no"),
    (_set("computations.0.instructions.0.parameter_number", -1), "x: computation main has a parameter -1"),
    (_set(LAST + "shape.element_type", 99), "y: .*unknown element type number 99"),
    (_set(LAST + "shape.dimensions", [-3]), "y: dimension 0 .* negative size -3"),
    (_set(LAST + "shape.layout.minor_to_major", [1]), "y: layout .* no permutation"),
    (_set(LAST + "shape.is_dynamic_dimension", [True, True]), "y: 1 dimensions but 2 is_dynamic_dimension"),
    (_set(LAST + "shape.dimensions", [4]), r"y: expected shape f32\[3\], found f32\[4\]"),
    (_clear("shape"), "y: sine without a shape"),
    (_clear("operand_ids"), "y: expected 1 operands, found 0"),
]


@pytest.mark.parametrize(("change", "message"), CONTRADICTIONS)
def test_contradictions_name_the_instruction(change, message):
    proto = small_proto()
    change(proto)
    if message == "main":  # the entry is then found by its name
        assert module_from_proto(proto).entry.name == "main"
        return
    with pytest.raises((HloVerificationError, HloParseError), match=message):
        verify(module_from_proto(proto))


def test_duplicate_computations_and_parameters():
    proto = small_proto()
    proto.computations.add().CopyFrom(proto.computations[0])
    with pytest.raises(HloVerificationError, match="computation main: id 1 is not unique"):
        module_from_proto(proto)
    proto = small_proto()
    again = proto.computations[0].instructions.add()
    again.CopyFrom(proto.computations[0].instructions[0])
    again.id, again.name = 77, "z"
    with pytest.raises(HloVerificationError, match="z: parameter 0 of computation main is also x"):
        module_from_proto(proto)


def test_mutual_recursion_of_computations():
    proto = small_proto()
    other = proto.computations.add()
    other.CopyFrom(proto.computations[0])
    other.id, other.name = 2, "other"
    for computation, callee in ((proto.computations[0], 2), (other, 1)):
        computation.instructions[1].opcode = "call"
        computation.instructions[1].called_computation_ids.append(callee)
    with pytest.raises(HloVerificationError, match="calls itself"):
        module_from_proto(proto)


def test_names_become_unique():
    proto = small_proto()
    proto.computations[0].instructions[0].name = "y"
    assert [i.name for i in verify(module_from_proto(proto)).instructions] == ["y", "y.1"]
    proto.computations[0].instructions[0].name = ""
    assert [i.name for i in verify(module_from_proto(proto)).instructions] == ["parameter", "y"]


def _chain(length):
    proto = small_proto()
    computation = proto.computations[0]
    template = computation.instructions[1]
    for index in range(length):
        link = computation.instructions.add()
        link.CopyFrom(template)
        link.id, link.name = 1000 + index, f"link.{index}"
        link.operand_ids[:] = [999 + index if index else template.id]
    computation.root_id = 999 + length
    return proto


@pytest.mark.parametrize("reverse", [False, True])
def test_chain_of_20000_instructions_in_any_order(reverse):
    proto = _chain(20_000)
    if reverse:
        instructions = list(proto.computations[0].instructions)[::-1]
        shuffled = [HloModuleProto.FromString(proto.SerializeToString()), instructions][1]
        copies = [type(i).FromString(i.SerializeToString()) for i in shuffled]
        del proto.computations[0].instructions[:]
        proto.computations[0].instructions.extend(copies)
    start = time.perf_counter()
    hlo = verify(module_from_proto(proto))
    assert len(hlo.entry.instructions) == 20_002
    assert hlo.entry.instructions[0].opcode == "parameter"
    assert time.perf_counter() - start < 10


def test_chain_of_2000_computations():
    proto = small_proto()
    for index in range(2000):
        caller = proto.computations.add()
        caller.CopyFrom(proto.computations[0])
        caller.id, caller.name = 1000 - index, f"caller.{index}"  # callers before callees in part
        call = caller.instructions[1]
        call.opcode = "call"
        call.called_computation_ids.append(1 if index == 0 else 1001 - index)
        if caller.id in (0, 1):
            caller.id += 5000
        if index and 1001 - index in (0, 1):
            call.called_computation_ids[:] = [1001 - index + 5000]
    hlo = verify(module_from_proto(proto))
    assert len(hlo.computations) == 2001


# ---- fuzz


def _mutate_bytes(data, rng):
    damaged = bytearray(data)
    place = rng.randrange(len(damaged))
    kind = rng.randrange(4)
    if kind == 0:
        for _ in range(rng.choice([1, 1, 2, 5])):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del damaged[place:]
    elif kind == 2:
        del damaged[place : place + rng.randrange(1, 20)]
    else:
        damaged[place:place] = rng.randbytes(rng.randrange(1, 12))
    return bytes(damaged)


NUMBERS = [0, 1, 2, 3, -1, 5, 7, 100, 2**31 - 1, -(2**31), 2**40, 2**62, -(2**63)]
STRINGS = ["", "x", "add", "tuple", "while", "constant", "reduce", "sort", "conditional", "LT", "SIGNED"]


def _random_value(field, rng):
    if field.type == field.TYPE_STRING:
        return rng.choice(STRINGS)
    if field.type == field.TYPE_BYTES:
        return rng.randbytes(rng.randrange(20))
    if field.type == field.TYPE_BOOL:
        return rng.random() < 0.5
    numbers = NUMBERS if field.type == field.TYPE_INT64 else NUMBERS[:10]
    return rng.choice(numbers)


def _mutate_repeated(values, value, rng):
    kind = rng.random()
    if len(values) and kind < 0.5:
        values[rng.randrange(len(values))] = value
    elif len(values) and kind < 0.7:
        del values[rng.randrange(len(values))]
    else:
        values.append(value)


def _mutate_message(message, rng):
    """Change one field somewhere below `message`."""
    while True:
        present = [field for field, _ in message.ListFields()]
        use_present = present and rng.random() < 0.8
        field = rng.choice(present if use_present else list(message.DESCRIPTOR.fields))
        value = getattr(message, field.name)
        repeated = hasattr(value, "append")
        if field.message_type is None:
            new = _random_value(field, rng)
            if repeated:
                _mutate_repeated(value, new, rng)
            else:
                setattr(message, field.name, new)
            return
        if rng.random() < 0.15:
            message.ClearField(field.name)
            return
        if repeated and (not len(value) or rng.random() < 0.2):
            value.add()
            return
        message = rng.choice(list(value)) if repeated else value


def _mutate_fields(data, rng):
    proto = HloModuleProto.FromString(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        _mutate_message(rng.choice(list(rng.choice(list(proto.computations)).instructions)), rng)
    return proto.SerializeToString()


@pytest.mark.parametrize("mutate", [_mutate_bytes, _mutate_fields])
@pytest.mark.parametrize("seed", range(3))
def test_damaged_modules_are_read_or_refused(mutate, seed):
    rng = random.Random(seed)
    originals = [data for data, _ in lowered_samples().values()]
    outcomes = {"read": 0, "refused": 0}
    for _ in range(600):
        data = mutate(rng.choice(originals), rng)
        start = time.perf_counter()
        try:
            hlo = verify(read(data))
            verify(read(to_proto(hlo)))  # what is accepted must be usable
            to_text(hlo)
            outcomes["read"] += 1
        except (HloParseError, HloVerificationError):
            outcomes["refused"] += 1
        assert time.perf_counter() - start < 5
    assert min(outcomes.values()) > 20  # the mutants are neither all harmless nor all nonsense


def test_text_that_ends_jaxlib_is_one_error_and_not_the_end_of_the_process():
    text = "HloModule a\nENTRY e { p = f32[4] parameter(0) ROOT x = f32[5] reshape(p) }"
    with pytest.raises(HloParseError, match="jaxlib cannot parse"):
        read(text)
