"""What a newer XLA writes than the installed jaxlib or this package know: put as the older one knows it where that says
the same, else refused by a message that names both versions and the ways out."""

from __future__ import annotations

import re
from importlib import metadata
from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet

from ...errors import HloParseError
from .schema import HloInstructionProto

# fields of HloInstructionProto from here on are of XLA of late 2025 and younger, or say which devices take part
_FIRST_NEW_FIELD = 93
# what these fields of an instruction hold does not change its value
_WITHOUT_MEANING = ("metadata", "sharding", "frontend_attributes", "literal", "shape", "outfeed_shape")
_EMPTY = HloInstructionProto()
# names of the other messages in it, and whether there may be several
_MEANINGFUL = tuple(
    (field.name, not hasattr(getattr(_EMPTY, field.name), "ListFields"))
    for field in HloInstructionProto.DESCRIPTOR.fields
    if field.message_type is not None and field.name not in _WITHOUT_MEANING
)

_ARTIFACT = re.compile(rb"ML\xefR[\x01-\xff]StableHLO_v(\d+)\.(\d+)\.(\d+)\x00")
# (first StableHLO that has it, operation, the older one that reads it): result_tilings, which the newer custom_call has
# behind the older one's properties, is about layouts alone and stays unread
_RENAMED = (((1, 18, 0), b"\x00custom_call_v2\x00", b"\x00custom_call_v1\x00"),)

# a string; the opcode of an instruction; an attribute that a newer XLA prints
_TEXT = re.compile(
    r'"(?:[^"\\]|\\.)*"|(?<![\w.%-])(?P<opcode>[a-z][a-z0-9-]*)\(|'
    r",\s*(?P<name>order|is_stable)=(?P<value>TOTAL|PARTIAL|true|false)\b"
)
# XLA's parser reads `type` as this `order`, in both directions
_ORDERS = {"TOTAL": ", type=TOTALORDER", "PARTIAL": ", type=FLOAT"}
# what parsers say of things that they do not know
_UNKNOWN_TO_PARSER = ("unexpected attribute", "Unknown ", "unexpected token", "Failed to parse using StableHLO")


def older_text(text: str) -> str:
    """HLO text without the attributes of comparisons and topk that jaxlib 0.10 does not know."""
    opcode = ""

    def older(match: re.Match[str]) -> str:
        nonlocal opcode
        opcode = match["opcode"] or opcode
        if match["name"] == "order" and opcode == "compare":
            return _ORDERS.get(match["value"], match[0])
        # a topk that need not be stable may be
        return "" if match["name"] == "is_stable" and opcode == "topk" else match[0]

    return _TEXT.sub(older, text)


def older_artifact(data: bytes) -> bytes:
    """A portable artifact with operations that are younger than the installed jaxlib named as it knows them."""
    version = artifact_version(data)
    if version is None:
        return data
    for since, newer, older in _RENAMED:
        if version >= since and (installed_stablehlo() or since) < since:
            data = data.replace(newer, older)
    return data


def artifact_version(data: bytes) -> tuple[int, ...] | None:
    """The version of StableHLO that a portable artifact is written for; None for anything else."""
    match = _ARTIFACT.match(data)
    return match and tuple(int(number) for number in match.groups())


def installed_stablehlo() -> tuple[int, ...] | None:
    """The newest version of StableHLO that the installed jaxlib reads."""
    try:
        from jaxlib.mlir.dialects import stablehlo
    except ImportError:
        return None
    return tuple(int(number) for number in stablehlo.get_current_version().split("."))


def installed_jaxlib() -> str:
    """The installed jaxlib with its version, for messages."""
    try:
        return f"jaxlib {metadata.version('jaxlib')}"
    except metadata.PackageNotFoundError:
        return "jaxlib"


def text_hint(reason: str) -> str:
    """What to add to a parser's `reason` to refuse HLO text, if a newer XLA may have printed it."""
    if not any(words in reason for words in _UNKNOWN_TO_PARSER):
        return ""
    return (
        f"; if a newer JAX printed the text than the installed {installed_jaxlib()}, hand over the serialized proto of "
        "the same module (as_serialized_hlo_module_proto()), or install a jaxlib as new"
    )


def mlir_hint(data: bytes, reason: str) -> str:
    """What to add to a parser's `reason` to refuse MLIR, if a newer XLA has written it or may have."""
    reads, version = installed_stablehlo(), artifact_version(data)
    # text and bytecode do not say their version, and parsers may know all of an artifact's but its custom dialects
    is_unknown = version is None and any(words in reason for words in _UNKNOWN_TO_PARSER)
    if (reads is None or (version or reads) <= reads) and not is_unknown:
        return ""
    named = f"StableHLO {_dotted(version)}" if version else "a newer StableHLO"
    oldest = _dotted(reads) if reads else "VERSION"
    return (
        f"; the installed {installed_jaxlib()} reads StableHLO up to {oldest}, and this is "
        f"{'a portable artifact of' if version else 'perhaps of'} {named}: write it for the older version "
        f'(jaxlib._jax.mlir.serialize_portable_artifact(exported.mlir_module(), "{oldest}", True)), hand over the '
        'serialized HLO proto (jax.jit(f).lower(x).compiler_ir("hlo").as_serialized_hlo_module_proto()), or install a '
        "jaxlib as new"
    )


def _dotted(version: tuple[int, ...] | None) -> str:
    return ".".join(str(number) for number in version or ())


def check_fields(proto: Any, where: str) -> None:
    """Refuse an HloInstructionProto that says more than this package knows to read.

    Raises
    ------
    HloParseError
        The message names the instruction and the field's number.
    """
    unknown = [field for field in UnknownFieldSet(proto) if field.field_number >= _FIRST_NEW_FIELD]
    for name, repeated in _MEANINGFUL:
        if repeated:
            for message in getattr(proto, name):
                unknown.extend(UnknownFieldSet(message))
        elif proto.HasField(name):
            unknown.extend(UnknownFieldSet(getattr(proto, name)))
    if not unknown:
        return
    # a message without content, or zero, is what older modules mean by saying nothing
    numbers = sorted({field.field_number for field in unknown if field.data})
    if numbers:
        raise HloParseError(
            f"{where}: {proto.opcode} has the fields {', '.join(map(str, numbers))}, which a newer XLA writes and this "
            "version of tvm_hlo_frontend does not read; lower the program with an older JAX or without the feature"
        )
