"""How a field of attributes stands in hlo.proto and in HLO text: declared once with the field, as plain data.

``hlo/proto/attributes.py`` reads and writes protos by it, ``hlo/text/attributes.py`` prints by it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Codec:
    """One field of attributes outside this package.

    Attributes
    ----------
    path : str
        Field of HloInstructionProto, or of the message that the dataclass stands for; dots lead into messages. After a
        last dot, or if empty, follows the name of the dataclass's field.
    kind : str
        How the proto holds it: as a ``value``; a ``list``; the only element (``one``) of a repeated field; a
        ``column`` of a repeated message's rows; a ``message`` or repeated ``messages`` of a dataclass; an ``enum``.
        Any other kind has functions of its own.
    message : type, optional
        Dataclass of a message.
    names, what : tuple of str, str
        An enum's names by number, and what to call it in messages.
    absent : Any, optional
        What zero, as which proto3 reads an absent field, stands for.
    empty : tuple of int
        What is written for an empty list.
    key : str, optional
        Name in text, by default the proto's; "" if another field prints it, or nothing does.
    text : str
        How text holds the value: ``plain``, or as the function of that name does.
    hide : Any, optional
        Value that is not printed.
    beside : str, optional
        Field that must not be empty for this one to be printed.
    place : int
        Fields of lower places are printed first.
    """

    path: str
    kind: str = "value"
    message: type | None = None
    names: tuple[str, ...] = ()
    what: str = ""
    absent: Any = None
    empty: tuple[int, ...] = ()
    key: str | None = None
    text: str = "plain"
    hide: Any = ...
    beside: str = ""
    place: int = 0


def proto(path: str = "", kind: str = "value", **declared: Any) -> dict[str, Codec]:
    """Metadata of a dataclass field with a `Codec`."""
    return {"codec": Codec(path, kind, **declared)}


def codecs(kind: type) -> dict[str, Codec]:
    """Codecs of a dataclass by field, in the order of its constructor."""
    found = {}
    for field in dataclasses.fields(kind):
        codec: Codec = field.metadata["codec"]
        whole = codec.path and not codec.path.endswith(".")
        found[field.name] = codec if whole else dataclasses.replace(codec, path=codec.path + field.name)
    return found
