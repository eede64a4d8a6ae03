"""Attributes of an instruction as HLO text, by the codecs of their dataclass fields."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from ..ir import attributes as attr
from ..ir.codec import Codec, codecs
from ..ir.module import HloInstruction
from ..ir.shape import Shape, array_shape, default_layout

Words = list[str]
# of one field of attributes
Printer = Callable[[Any, HloInstruction], Words]
_PRECISIONS = ("default", "high", "highest")


def attribute_words(instruction: HloInstruction) -> Words:
    """``key=value`` for every attribute and called computation, in XLA's spelling."""
    return _words(instruction.attributes, instruction) + _called(instruction)


def quoted(text: str) -> str:
    """`text` in double quotes, control characters escaped."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + "".join(c if c.isprintable() else f"\\{ord(c):03o}" if ord(c) < 256 else "?" for c in plain) + '"'


_ROLES = {"select-and-scatter": ("select", "scatter"), "while": ("body", "condition"), "fusion": ("calls",)}
_LISTS = {"conditional": "branch_computations", "custom-call": "called_computations"}


def _called(instruction: HloInstruction) -> Words:
    names = [callee.name for callee in instruction.called_computations]
    if not names:
        return []
    if instruction.opcode == "conditional" and len(names) == 2 and instruction.operands[0].shape.kind == "pred":
        return [f"true_computation={names[0]}", f"false_computation={names[1]}"]
    if instruction.opcode in _LISTS:
        return [f"{_LISTS[instruction.opcode]}={_braces(names)}"]
    if instruction.opcode.startswith("async"):
        return [f"calls={name}" for name in names]
    return [f"{role}={name}" for role, name in zip(_ROLES.get(instruction.opcode, ("to_apply",)), names)]


def _words(attributes: Any, instruction: HloInstruction) -> Words:
    kind: Any = type(attributes)
    return [word for printer in _printers(kind) for word in printer(attributes, instruction)]


@functools.cache
def _printers(kind: Any) -> list[Printer]:
    """Printers of the fields of a dataclass, in the order in which they are printed."""
    printed = sorted((item for item in codecs(kind).items() if item[1].key != ""), key=lambda item: item[1].place)
    return [_printer(name, codec) for name, codec in printed]


def _printer(name: str, codec: Codec) -> Printer:
    if codec.text in _OWN:
        return _OWN[codec.text]
    get, key = attrgetter(name), codec.key or codec.path.rpartition(".")[2]
    if codec.kind == "message":
        return lambda attributes, instruction: _words(get(attributes), instruction)
    if codec.text == "flag":
        return lambda attributes, instruction: [f"{key}=true"] if get(attributes) else []
    spell, beside, hide = _SPELLINGS[codec.text], attrgetter(codec.beside or name), codec.hide

    def words(attributes: Any, instruction: HloInstruction) -> Words:
        value = get(attributes)
        shown = beside(attributes) if codec.beside else value != hide
        return [f"{key}={spell(value)}"] if shown else []

    return words


def _plain(value: Any) -> str:
    return "{" + ",".join(map(_plain, value)) + "}" if isinstance(value, tuple) else str(value)


def _braces(values: Iterable[object]) -> str:
    return "{" + ",".join(str(value) for value in values) + "}"


def _layouts(shapes: tuple[Shape, ...]) -> str:
    # XLA wants the layout spelled out here, row-major too
    words = [f"{array_shape(s.element_type, s.dimensions)}{_braces(s.minor_to_major or default_layout(s.rank))}"
             for s in shapes]  # fmt: skip
    return "{" + ", ".join(words) + "}"


# by the codec's `text`: how a value is spelled
_SPELLINGS: dict[str, Callable[[Any], str]] = {
    "plain": _plain,
    "lower": lambda value: str(value).lower(),
    "float": lambda value: f"{value:.9g}",
    "one": lambda value: f"{{{value}}}",
    "quoted": quoted,
    "bytes": lambda value: quoted(value.decode("latin-1")),
    "layouts": _layouts,
}


def _dimensions(attributes: attr.DimensionsAttributes, instruction: HloInstruction) -> Words:
    if instruction.opcode == "iota":
        return [f"iota_dimension={dimension}" for dimension in attributes.dimensions]
    return ["dimensions=" + _braces(attributes.dimensions)]


def _slice(attributes: attr.SliceAttributes, instruction: HloInstruction) -> Words:
    rows = zip(attributes.starts, attributes.limits, attributes.strides)
    ranges = [f"[{start}:{limit}" + (f":{stride}]" if stride != 1 else "]") for start, limit, stride in rows]
    return ["slice={" + ", ".join(ranges) + "}"]


def _padding(attributes: attr.PadAttributes, instruction: HloInstruction) -> Words:
    rows = zip(attributes.low, attributes.high, attributes.interior)
    words = [f"{low}_{high}" + (f"_{interior}" if interior else "") for low, high, interior in rows]
    return ["padding=" + "x".join(words)] if words else []


def _window(attributes: attr.WindowAttributes | attr.ConvolutionAttributes, instruction: HloInstruction) -> Words:
    rows = attributes.window.dimensions
    if not rows:
        return []
    parts = ["size=" + "x".join(str(row.size) for row in rows)]
    if any(row.stride != 1 for row in rows):
        parts.append("stride=" + "x".join(str(row.stride) for row in rows))
    if any(row.padding_low or row.padding_high for row in rows):
        parts.append("pad=" + "x".join(f"{row.padding_low}_{row.padding_high}" for row in rows))
    if any(row.base_dilation != 1 for row in rows):
        parts.append("lhs_dilate=" + "x".join(str(row.base_dilation) for row in rows))
    if any(row.window_dilation != 1 for row in rows):
        parts.append("rhs_dilate=" + "x".join(str(row.window_dilation) for row in rows))
    if any(row.window_reversal for row in rows):
        parts.append("rhs_reversal=" + "x".join(str(int(row.window_reversal)) for row in rows))
    return ["window={" + " ".join(parts) + "}"]


def _precision(attributes: attr.DotAttributes | attr.ConvolutionAttributes, instruction: HloInstruction) -> Words:
    numbers = attributes.operand_precision
    if not any(numbers):
        return []
    return ["operand_precision=" + _braces(_PRECISIONS[n] if 0 <= n < len(_PRECISIONS) else n for n in numbers)]


def _letters(named: dict[int, str], spatial: tuple[int, ...]) -> str:
    """One letter per dimension: what `named` says, else the number of the spatial dimension."""
    places = {**named, **{axis: str(index) for index, axis in enumerate(spatial)}}
    return "".join(places[axis] for axis in sorted(places))


def _labels(attributes: attr.ConvolutionAttributes, instruction: HloInstruction) -> Words:
    numbers = attributes.dimension_numbers
    data = _letters({numbers.input_batch: "b", numbers.input_feature: "f"}, numbers.input_spatial)
    kernel = _letters({numbers.kernel_input_feature: "i", numbers.kernel_output_feature: "o"}, numbers.kernel_spatial)
    output = _letters({numbers.output_batch: "b", numbers.output_feature: "f"}, numbers.output_spatial)
    return [f"dim_labels={data}_{kernel}->{output}"]


def _replica_groups(attributes: attr.CollectiveAttributes, instruction: HloInstruction) -> Words:
    return [] if attributes.source_target_pairs else ["replica_groups=" + _plain(attributes.replica_groups)]


def _channel(attributes: attr.CollectiveAttributes, instruction: HloInstruction) -> Words:
    return [f"channel_id={attributes.channel_id}"] if attributes.channel_id > 0 else []


# by the codec's `text`: what is no ``key=value`` of one field
_OWN: dict[str, Printer] = {
    "dimensions": _dimensions, "slice": _slice, "padding": _padding, "window": _window, "precision": _precision,
    "labels": _labels, "replica_groups": _replica_groups, "channel": _channel,
}  # fmt: skip
