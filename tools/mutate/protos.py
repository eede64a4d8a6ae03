"""Mutations of HLO protos that know what their fields mean."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from tools.mutate.repair import repaired
from tvm_hlo_frontend.hlo.ir.shape import ELEMENT_TYPES
from tvm_hlo_frontend.hlo.opcodes import OPCODES, RETIRED_OPCODES, ROWS, UPGRADED_OPCODES
from tvm_hlo_frontend.hlo.proto.schema import HloModuleProto, ShapeProto

SMALL = (0, 1, 2, 3, 4, 5, 7, 8, 16, -1, -2)
EXTREME = (100, 1000, 65536, 2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**62, 2**63 - 1, -(2**63))
NAMES = (
    "", "x", "main", "p0", "int", "tvmgen_default", "a b", "a.b", "%x", "\x00", "\n", "<b>", "é", "\u202e", "x" * 70,
    "x" * 100_000, "__tvm_main__", "add", "0", "T_add", "cls.__init__", "{", "\\",
)  # fmt: skip
WORDS = (
    *OPCODES, *UPGRADED_OPCODES, *RETIRED_OPCODES, "EQ", "LT", "GT", "SIGNED", "UNSIGNED", "FLOAT", "TOTALORDER",
    "PARTIAL", "TOTAL", "kLoop", "Sharding", "TopK", "lapack_sgetrf_ffi", "cu_threefry2x32",
    "annotate_device_placement", "stablehlo.dynamic_iota", "PadToStatic", "ApproxTopK", "Qr",
    "ProductOfElementaryHouseholderReflectors", "LuDecomposition", "Eigh", "blas_strsm", "mhlo.topk",
    "X64Combine", "hlo.dynamic_reshape",
)  # fmt: skip
BYTES = (
    b"",
    b"{}",
    b"[]",
    b'{"uplo": 85}',
    b"{" * 5000,
    b"[" * 20000,
    b"1" * 5000,
    b"\xff\xfe",
    b"{a = 1 : i64}",
    b"null",
    b'{"a": 1e999}',
)
TYPE_NUMBERS = (*(row.number for row in ELEMENT_TYPES), 0, 99, -1)
_ATTRIBUTES = (
    "window", "convolution_dimension_numbers", "dot_dimension_numbers", "gather_dimension_numbers", "dimensions",
    "scatter_dimension_numbers", "padding_config", "slice_dimensions", "dynamic_slice_sizes", "gather_slice_sizes",
    "fft_length", "fft_type", "tuple_index", "parameter_number", "feature_group_count", "batch_group_count", "k",
    "replica_groups", "collective_device_list", "source_target_pairs", "ragged_dot_dimension_numbers", "delta",
    "num_carries", "exponent_bits", "mantissa_bits", "feature_index", "comparison_direction", "comparison_type",
    "triangular_solve_options", "cholesky_options", "rng_algorithm", "distribution", "custom_call_target",
    "backend_config", "is_stable", "is_reverse", "operand_shapes_with_layout", "precision_config", "epsilon",
    "custom_call_api_version", "iota_collective_device_list",
)  # fmt: skip
_BY_COUNTS: dict[tuple[Any, Any], list[str]] = {}
for _row in ROWS:
    _BY_COUNTS.setdefault((_row.operands, _row.called), []).append(_row.name)
_COUNTS = {_row.name: (_row.operands, _row.called) for _row in ROWS}

# (module, choices, other modules of the corpus)
Mutation = Callable[[Any, random.Random, Sequence[bytes]], None]


def number(rng: random.Random) -> int:
    """A small number mostly, else one at which something ends."""
    return rng.choice(SMALL) if rng.random() < 0.6 else rng.choice(EXTREME)


def scalar_value(field: Any, rng: random.Random) -> Any:
    """A value that a field of a message can hold."""
    if field.type == field.TYPE_STRING:
        return rng.choice(NAMES if rng.random() < 0.3 else WORDS)
    if field.type == field.TYPE_BYTES:
        return rng.choice(BYTES) if rng.random() < 0.6 else rng.randbytes(rng.randrange(20))
    if field.type == field.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        return rng.choice((0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf")))
    found = number(rng)
    if field.type == field.TYPE_INT32 and not -(2**31) <= found < 2**31:
        return rng.choice(SMALL)
    return found


def mutate_values(values: Any, new: Any, rng: random.Random) -> None:
    """Change, drop, double, reorder or add one of a repeated field of numbers, strings or bytes."""
    kind, place = rng.random(), rng.randrange(len(values)) if len(values) else 0
    if not len(values) or kind < 0.15:
        values.append(new)
    elif kind < 0.6:
        values[place] = new
    elif kind < 0.75:
        del values[place]
    elif kind < 0.85:
        values.append(values[place])
    else:
        other = rng.randrange(len(values))
        values[place], values[other] = values[other], values[place]


def mutate_below(message: Any, rng: random.Random) -> None:
    """Change one field somewhere below a message."""
    while True:
        present = [field for field, _ in message.ListFields()]
        use_present = present and rng.random() < 0.8
        field = rng.choice(present if use_present else list(message.DESCRIPTOR.fields))
        value = getattr(message, field.name)
        repeated = hasattr(value, "append") or hasattr(value, "add")
        if field.message_type is None:
            new = scalar_value(field, rng)
            if repeated:
                mutate_values(value, new, rng)
            else:
                setattr(message, field.name, new)
            return
        if rng.random() < 0.1:
            message.ClearField(field.name)
            return
        if repeated and (not len(value) or rng.random() < 0.2):
            value.add()
            if len(value) > 1:
                value[-1].CopyFrom(rng.choice(list(value)[:-1]))
            return
        message = rng.choice(list(value)) if repeated else value


def some_computation(proto: Any, rng: random.Random) -> Any:
    """A computation, with instructions if there is one."""
    return rng.choice([each for each in proto.computations if each.instructions] or list(proto.computations))


def some_instruction(proto: Any, rng: random.Random) -> Any:
    """An instruction of any computation."""
    return rng.choice(list(some_computation(proto, rng).instructions))


def all_instructions(proto: Any) -> list[Any]:
    """All instructions."""
    return [instruction for computation in proto.computations for instruction in computation.instructions]


def array_shapes(message: Any) -> list[Any]:
    """Shapes of arrays in a shape."""
    return [leaf for part in message.tuple_shapes for leaf in array_shapes(part)] or [message]


def one_field(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """Any field below an instruction."""
    mutate_below(some_instruction(proto, rng), rng)


def any_field(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """Any field of the module."""
    mutate_below(proto, rng)


def attribute(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """A field that says what an instruction does, by preference one that it has."""
    instruction = some_instruction(proto, rng)
    present = [field.name for field, _ in instruction.ListFields() if field.name in _ATTRIBUTES]
    name = rng.choice(present if present and rng.random() < 0.9 else _ATTRIBUTES)
    field, value = instruction.DESCRIPTOR.fields_by_name[name], getattr(instruction, name)
    if field.message_type is None:
        if hasattr(value, "append"):
            mutate_values(value, scalar_value(field, rng), rng)
        else:
            setattr(instruction, name, scalar_value(field, rng))
    elif hasattr(value, "add"):
        if not len(value) or rng.random() < 0.1:
            value.add()
        else:
            mutate_below(rng.choice(list(value)), rng)
    else:
        mutate_below(value, rng)


def size_everywhere(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """One size of a dimension becomes another wherever it stands, in attributes as well."""
    leaves = [leaf for each in all_instructions(proto) for leaf in array_shapes(each.shape)]
    sizes = sorted({size for leaf in leaves for size in leaf.dimensions})
    if not sizes:
        return
    old, new = rng.choice(sizes), rng.choice((0, 1, 2, 3, 2**31, 2**40, 2**62, 1000, 65536, 2**31 - 1))
    for leaf in leaves:
        _replace(leaf.dimensions, old, new)
    for each in all_instructions(proto):
        for values in (each.dynamic_slice_sizes, each.gather_slice_sizes, each.fft_length):
            _replace(values, old, new)
        for row in each.window.dimensions:
            row.size = new if row.size == old else row.size
        for row in each.slice_dimensions:
            row.limit = new if row.limit == old else row.limit
        _replace(each.literal.shape.dimensions, old, new)


def _replace(values: Any, old: int, new: int) -> None:
    for place, value in enumerate(values):
        if value == old:
            values[place] = new


def type_everywhere(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """One element type becomes another wherever it stands."""
    every = all_instructions(proto)
    leaves = [leaf for each in every for leaf in array_shapes(each.shape)]
    old, new = rng.choice(leaves).element_type, rng.choice(TYPE_NUMBERS)
    for leaf in leaves:
        leaf.element_type = new if leaf.element_type == old else leaf.element_type
    for each in every:
        if each.literal.shape.element_type == old:
            each.literal.shape.element_type = new


def shape(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """The shape of an instruction: a dimension, its layout, what may vary, or another's in its place."""
    instruction = some_instruction(proto, rng)
    leaf = rng.choice(array_shapes(instruction.shape))
    kind = rng.randrange(8)
    if kind == 0:
        mutate_values(leaf.dimensions, number(rng), rng)
    elif kind == 1:
        mutate_values(leaf.layout.minor_to_major, number(rng), rng)
    elif kind == 2:
        leaf.is_dynamic_dimension[:] = [rng.random() < 0.5 for _ in leaf.dimensions]
    elif kind == 3:
        leaf.element_type = rng.choice(TYPE_NUMBERS)
    elif kind == 4:
        instruction.shape.CopyFrom(some_instruction(proto, rng).shape)
    elif kind == 5:
        for _ in range(rng.choice((1, 2, 30, 60, 200))):
            inner = ShapeProto(element_type=13)
            inner.tuple_shapes.add().CopyFrom(instruction.shape)
            instruction.shape.CopyFrom(inner)
    elif kind == 6:
        leaf.dimensions.extend([rng.choice((1, 0, 2, 1))] * rng.choice((1, 5, 40, 1000)))
    else:
        for place in range(len(leaf.dimensions)):
            if rng.random() < 0.5:
                leaf.is_dynamic_dimension[:] = [at == place for at in range(len(leaf.dimensions))]
                leaf.dimensions[place] = rng.choice((-(2**63), 2**62, 5, 1))


def operands(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """Operands: dangling, twice, another's, its own result, more or fewer."""
    computation = some_computation(proto, rng)
    instruction = rng.choice(list(computation.instructions))
    ids = [each.id for each in computation.instructions]
    if rng.random() < 0.15:
        instruction.operand_ids.extend([rng.choice(ids)] * rng.choice((1, 2, 100)))
    else:
        mutate_values(instruction.operand_ids, rng.choice(ids) if rng.random() < 0.9 else number(rng), rng)


def ids(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """Ids of instructions, computations, roots and the entry, and names."""
    computation = some_computation(proto, rng)
    kind, every = rng.randrange(6), [each.id for each in computation.instructions]
    if kind == 0:
        rng.choice(list(computation.instructions)).id = rng.choice([*every, number(rng)])
    elif kind == 1:
        computation.id = rng.choice([*(each.id for each in proto.computations), number(rng)])
    elif kind == 2:
        computation.root_id = rng.choice([*every, *every, number(rng)])
    elif kind == 3:
        proto.entry_computation_id = rng.choice([*(each.id for each in proto.computations), number(rng)])
    elif kind == 4:
        rng.choice(list(computation.instructions)).name = rng.choice(NAMES)
    else:
        computation.name = rng.choice(NAMES)


def callees(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """Called computations: unknown, in circles, of another instruction, more or fewer."""
    calling = [each for each in all_instructions(proto) if each.called_computation_ids]
    instruction = rng.choice(calling) if calling and rng.random() < 0.9 else some_instruction(proto, rng)
    every = [each.id for each in proto.computations]
    new = rng.choice(every) if rng.random() < 0.95 else number(rng)
    mutate_values(instruction.called_computation_ids, new, rng)


def opcode(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """Another opcode, by preference one that takes as many operands."""
    instruction = some_instruction(proto, rng)
    alike = _BY_COUNTS.get(_COUNTS.get(instruction.opcode, ()), [])
    instruction.opcode = rng.choice(alike if alike and rng.random() < 0.8 else WORDS)


def literal(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """A constant: its elements, its shape, or one that another instruction has."""
    constants = [each for each in all_instructions(proto) if each.HasField("literal")]
    if not constants:
        return
    chosen = rng.choice(constants)
    present = [field for field, _ in chosen.literal.ListFields() if field.name != "shape"]
    kind = rng.randrange(5)
    if kind == 0:
        mutate_below(chosen.literal.shape, rng)
    elif kind == 1 and present:
        chosen.literal.ClearField(rng.choice(present).name)
    elif kind == 2:
        chosen.literal.CopyFrom(rng.choice(constants).literal)
    elif kind == 3 and present:
        _mutate_elements(chosen.literal, rng.choice(present), rng)
    else:
        mutate_below(chosen.literal, rng)


def _mutate_elements(literal: Any, field: Any, rng: random.Random) -> None:
    value = getattr(literal, field.name)
    if isinstance(value, bytes):
        setattr(literal, field.name, _cut_or_changed(value, rng))
    elif field.type == field.TYPE_BYTES and len(value):
        value[0] = _cut_or_changed(value[0], rng)


def _cut_or_changed(data: bytes, rng: random.Random) -> bytes:
    if not data or rng.random() < 0.3:
        return data + rng.randbytes(rng.choice((1, 4, 8)))
    if rng.random() < 0.3:
        return data[: rng.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(rng.choice((1, 4, 16))):
        changed[rng.randrange(len(changed))] = rng.choice((0, 1, 127, 128, 255))
    return bytes(changed)


def instructions(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """An instruction more, of this module or another; one fewer; or in another place."""
    computation = some_computation(proto, rng)
    kind = rng.random()
    if kind < 0.2 and len(computation.instructions) > 1:
        del computation.instructions[rng.randrange(len(computation.instructions))]
        return
    if kind < 0.3:
        computation.instructions.reverse()
        return
    donor = proto if rng.random() < 0.5 else HloModuleProto.FromString(rng.choice(others))
    added = computation.instructions.add()
    known = [each.id for each in computation.instructions[:-1]]
    added.CopyFrom(some_instruction(donor, rng))
    added.id, added.name = max(known) + 1 if max(known) < 2**62 else 3, f"added.{len(known)}"
    if added.opcode == "parameter":
        taken = [each.parameter_number for each in computation.instructions[:-1] if each.opcode == "parameter"]
        added.parameter_number = min(max(taken, default=-1) + 1, 2**62)
    added.operand_ids[:] = [rng.choice(known) for _ in added.operand_ids]
    if donor is not proto and added.called_computation_ids:
        _adopt(proto, donor, added)
    if rng.random() < 0.7:
        _put_to_use(computation, added, rng)


def _put_to_use(computation: Any, added: Any, rng: random.Random) -> None:
    """The root is the new instruction, or another one takes it as an operand."""
    using = [each for each in computation.instructions if each.operand_ids and each is not added]
    if using and rng.random() < 0.5:
        user = rng.choice(using)
        user.operand_ids[rng.randrange(len(user.operand_ids))] = added.id
    else:
        computation.root_id = added.id


def _adopt(proto: Any, donor: Any, added: Any) -> None:
    """Take over what an instruction of another module calls, under new ids."""
    found = {each.id: each for each in donor.computations}
    wanted, shift = list(added.called_computation_ids), 1 << 40
    pending, seen = list(wanted), set[int]()
    while pending:
        known = found.get(pending.pop())
        if known is None or known.id in seen:
            continue
        seen.add(known.id)
        copied = proto.computations.add()
        copied.CopyFrom(known)
        copied.id += shift
        for instruction in copied.instructions:
            pending.extend(instruction.called_computation_ids)
            instruction.called_computation_ids[:] = [each + shift for each in instruction.called_computation_ids]
    added.called_computation_ids[:] = [each + shift for each in wanted]


def transplant(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """The attributes of another module's instruction."""
    donor = some_instruction(HloModuleProto.FromString(rng.choice(others)), rng)
    alike = [each for each in all_instructions(proto) if each.opcode == donor.opcode]
    instruction = rng.choice(alike or all_instructions(proto))
    kept = {name: getattr(instruction, name) for name in ("id", "name")}
    ids = list(instruction.operand_ids), list(instruction.called_computation_ids)
    if rng.random() < 0.5:
        donor.shape.CopyFrom(instruction.shape)
    instruction.CopyFrom(donor)
    instruction.id, instruction.name = kept["id"], kept["name"]
    instruction.operand_ids[:], instruction.called_computation_ids[:] = ids


def aliases(proto: Any, rng: random.Random, others: Sequence[bytes]) -> None:
    """Results that take the memory of arguments."""
    for _ in range(rng.choice((1, 2))):
        entry = proto.input_output_alias.entries.add(parameter_number=rng.choice((0, 0, 1, number(rng))), kind=1)
        entry.output_shape_index[:] = [number(rng) for _ in range(rng.choice((0, 0, 1, 2)))]
        entry.parameter_shape_index[:] = [number(rng) for _ in range(rng.choice((0, 0, 0, 1)))]


MUTATIONS: tuple[tuple[float, Mutation], ...] = (
    (3, one_field), (1, any_field), (6, attribute), (4, size_everywhere), (3, type_everywhere), (3, shape),
    (3, operands), (1, ids), (2, callees), (3, opcode), (2, literal), (4, instructions), (2, transplant),
    (0.5, aliases),
)  # fmt: skip
_WEIGHTS, _FUNCTIONS = zip(*MUTATIONS)


def mutated_proto(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """A mutated module of the corpus; of half of them shapes follow again from operands, as far as they can."""
    proto = HloModuleProto.FromString(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        if not any(each.instructions for each in proto.computations):
            break
        rng.choices(_FUNCTIONS, _WEIGHTS)[0](proto, rng, seeds)
    data = proto.SerializeToString()
    return repaired(data) if rng.random() < 0.6 else data
