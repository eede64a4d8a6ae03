"""Inputs made small while they stay the same fault."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from tools.mutate.judge import Outcome, judged
from tvm_hlo_frontend.hlo.proto.schema import HloModuleProto

SECONDS = 10.0
SLOW = ("hang", "memory")
DEPTH = 6

Holds = Callable[[bytes], bool]


def shrunk(data: bytes, run: Callable[[bytes], Any], fault: Outcome, seconds: float = SECONDS) -> bytes:
    """The least input that was found in so many seconds; `data` where that takes long to judge."""
    end = time.monotonic() + seconds
    if fault.what in SLOW or fault.seconds > 1:
        return data

    def holds(smaller: bytes) -> bool:
        if time.monotonic() > end:
            return False
        outcome = judged(run, smaller)
        return (outcome.what, outcome.where) == (fault.what, fault.where)

    while time.monotonic() < end:
        smaller = _of_proto(data, holds) if _is_module(data) else _of_bytes(data, holds)
        if len(smaller) >= len(data):
            break
        data = smaller
    return data


def _is_module(data: bytes) -> bool:
    try:
        return bool(HloModuleProto.FromString(data).computations)
    except DecodeError:
        return False


def _of_bytes(data: bytes, holds: Holds) -> bytes:
    """Without the parts that are not needed, large ones first."""
    size = len(data) // 2
    while size:
        start = 0
        while start < len(data):
            smaller = data[:start] + data[start + size :]
            if holds(smaller):
                data = smaller
            else:
                start += size
        size //= 2
    return data


def _of_proto(data: bytes, holds: Holds) -> bytes:
    """Without the computations, instructions and fields that are not needed."""
    whole = HloModuleProto.FromString(data)
    _drop_fields(whole, whole, DEPTH, holds)
    smaller: bytes = whole.SerializeToString()
    return smaller


def _drop_fields(whole: Any, message: Any, depth: int, holds: Holds) -> None:
    for field, value in message.ListFields():
        repeated = hasattr(value, "append") or hasattr(value, "add")
        for index in reversed(range(len(value))) if repeated else (None,):
            kept = type(message)()
            kept.CopyFrom(message)
            if index is None:
                message.ClearField(field.name)
            else:
                del getattr(message, field.name)[index]
            if not holds(whole.SerializeToString()):
                message.CopyFrom(kept)
    for field, value in message.ListFields() if depth else ():
        if field.message_type is not None:
            inner = list(value) if hasattr(value, "add") else [value]
            for each in inner:
                _drop_fields(whole, each, depth - 1, holds)
