"""Calls of Relay's operators with few calls of TVM, each of which takes microseconds: what operands do not change is
made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import tvm
from tvm import relay

# operators with their attributes that are remembered
MAX_REMEMBERED = 4096

_make_call = tvm.get_global_func("relay.ir.Call")
_alike: dict[Any, tuple[Any, Any]] = {}


@cache
def operator(name: str) -> Any:
    """relay.op.get."""
    return relay.op.get(name)


@cache
def _no_types() -> Any:
    return tvm.runtime.convert([])


def call(op: Any, operands: Sequence[Any], attributes: Any) -> Any:
    """relay.Call."""
    return _make_call(op, list(operands), attributes, _no_types(), None)


def call_alike(make: Callable[..., Any], *operands: Any, **options: Any) -> Any:
    """``make(*operands, **options)``, a call of an operator whose attributes follow from the options."""
    key = (make, len(operands), *options.items())
    known = _alike.get(key)
    if known is None:
        made = make(*operands, **options)
        if len(_alike) >= MAX_REMEMBERED:
            _alike.clear()
        known = _alike[key] = made.op, made.attrs
    # the first call is like those that follow: saved modules tell what is the same object
    return call(known[0], operands, known[1])
