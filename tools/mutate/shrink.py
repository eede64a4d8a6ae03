"""Inputs made small while they stay the same fault."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import DecodeError

from tools.mutate.judge import Outcome, judged
from tvm_hlo_frontend.hlo.proto.schema import HloModuleProto

SECONDS = 20.0
SLOW = ("hang", "memory")


def shrunk(data: bytes, run: Callable[[bytes], Any], fault: Outcome, seconds: float = SECONDS) -> bytes:
    """The least input that was found in so many seconds; `data` where that takes long to judge."""
    end = time.monotonic() + seconds
    if fault.what in SLOW or fault.seconds > 1:
        return data
    found = True
    while found and time.monotonic() < end:
        found = False
        for smaller in _smaller(data):
            if time.monotonic() > end:
                break
            outcome = judged(run, smaller)
            if (outcome.what, outcome.where) == (fault.what, fault.where):
                data, found = smaller, True
                break
    return data


def _smaller(data: bytes) -> Iterator[bytes]:
    """Inputs with something left out: of protos computations, instructions, fields; of others parts of the bytes."""
    try:
        proto = HloModuleProto.FromString(data)
    except DecodeError:
        proto = None
    if proto is not None and proto.computations and proto.SerializeToString():
        yield from _without_fields(proto, proto, 5)
        return
    size = len(data) // 2
    while size:
        for start in range(0, len(data), size):
            yield data[:start] + data[start + size :]
        size //= 2


def _without_fields(whole: Any, message: Any, depth: int) -> Iterator[bytes]:
    for field, value in message.ListFields():
        repeated = hasattr(value, "append") or hasattr(value, "add")
        kept = type(message)()
        kept.CopyFrom(message)
        if repeated:
            for index in reversed(range(len(value))):
                del value[index]
                yield whole.SerializeToString()
                message.CopyFrom(kept)
                value = getattr(message, field.name)
        else:
            message.ClearField(field.name)
            yield whole.SerializeToString()
            message.CopyFrom(kept)
        if field.message_type is not None and depth:
            inner = getattr(message, field.name)
            for each in list(inner) if repeated else [inner]:
                yield from _without_fields(whole, each, depth - 1)
