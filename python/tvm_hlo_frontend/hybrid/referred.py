"""What the Python of a program refers to: where its variables, lookup tables and files are looked for."""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# their objects are expanded only by what they track: their Python leads everywhere
_LIBRARIES = frozenset({"builtins", "jax", "keras", "logging", "numpy", "tensorflow", "threading", "torch", "tvm"})
_ATOMS = frozenset({bool, bytes, complex, float, int, str, types.NoneType})  # vocabularies have many


def referred(programs: Iterable[Any]) -> Iterator[Any]:
    """Trackable objects that programs refer to, the nearest first: in closures, globals, defaults and attributes, in
    containers, and as parts of other trackable objects."""
    from tensorflow.python.trackable.base import Trackable

    waiting = deque(programs)
    seen: dict[int, Any] = {}  # with the objects, whose ids would be given to others else
    while waiting:
        each = waiting.popleft()
        if id(each) in seen or isinstance(each, (types.ModuleType, type)):
            continue
        seen[id(each)] = each
        if isinstance(each, Trackable):
            yield each
        waiting.extend(part for part in _next(each) if type(part) not in _ATOMS)


def _next(each: Any) -> Iterator[Any]:
    """What an object refers to."""
    import tensorflow as tf
    from tensorflow.python.eager.polymorphic_function.tf_method_target import TfMethodTarget
    from tensorflow.python.trackable.base import Trackable

    if isinstance(each, types.MethodType):
        yield from (each.__self__, each.__func__)
    elif isinstance(each, types.FunctionType):
        yield from _of_function(each)
    elif isinstance(each, functools.partial):
        yield from (each.func, *each.args, *each.keywords.values())
    elif isinstance(each, TfMethodTarget):  # stands for the object that a tf.function is a method of
        yield each.target
    elif isinstance(each, Mapping):
        yield from each.values()
    elif isinstance(each, (list, tuple, set, frozenset)):
        yield from each
    if isinstance(each, Trackable):
        yield from tf.train.TrackableView.children(each).values()
    python = (
        getattr(each, "python_function", None) if isinstance(each, tf.types.experimental.PolymorphicFunction) else None
    )
    if python is not None:
        yield python
    elif type(each).__module__.partition(".")[0] not in _LIBRARIES:
        yield from list(getattr(each, "__dict__", {}).values())
        if callable(each):
            yield type(each).__call__


def _of_function(function: types.FunctionType) -> Iterator[Any]:
    """What a function closes over, and the globals that it or functions within it name."""
    if wrapped := getattr(function, "__wrapped__", None):
        yield wrapped
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not set yet
            continue
    yield from (function.__defaults__ or ())
    yield from (function.__kwdefaults__ or {}).values()
    if function.__module__ and function.__module__.partition(".")[0] in _LIBRARIES:
        return
    codes = [function.__code__]
    for code in codes:
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        yield from (function.__globals__[name] for name in code.co_names if name in function.__globals__)
