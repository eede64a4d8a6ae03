"""Cases that follow from OpDef and kernel constraints alone: every operand is a small array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .case import Case, b, c, f, i, op_case

SHAPE = (3, 4)
PREFERRED = ("float32", "int32", "int64", "complex64", "bool")

# (low, high) of each operand where the operation is not defined, or not interesting, on [-2, 2]
DOMAINS: dict[str, Sequence[tuple[float, float]]] = {
    "Acosh": [(1, 4)],
    "Acos": [(-1, 1)],
    "Asin": [(-1, 1)],
    "Atanh": [(-0.9, 0.9)],
    "Betainc": [(0.5, 3), (0.5, 3), (0.1, 0.9)],
    "ClipByValue": [(-2, 2), (-1, 0), (0, 1)],
    "Erfinv": [(-0.9, 0.9)],
    "HSVToRGB": [(0, 1)],
    "Igamma": [(0.5, 3), (0.5, 3)],
    "IgammaGradA": [(0.5, 3), (0.5, 3)],
    "Igammac": [(0.5, 3), (0.5, 3)],
    "LeftShift": [(-9, 9), (0, 8)],
    "Log": [(0.1, 3)],
    "Log1p": [(-0.9, 3)],
    "Ndtri": [(0.05, 0.95)],
    "Polygamma": [(1, 4), (0.5, 3)],
    "Pow": [(0.1, 2), (-2, 2)],
    "RGBToHSV": [(0, 1)],
    "RandomGammaGrad": [(0.5, 3), (0.5, 3)],
    "RightShift": [(-9, 9), (0, 8)],
    "Rsqrt": [(0.1, 3)],
    "Sqrt": [(0, 3)],
    "Xlog1py": [(-2, 2), (0.1, 3)],
    "Xlogy": [(-2, 2), (0.1, 3)],
    "Zeta": [(1.5, 4), (0.5, 3)],
}
WHOLE = frozenset({"Polygamma"})  # the first operand is a whole number
SHAPES: dict[str, tuple[int, ...]] = {"HSVToRGB": (2, 3), "RGBToHSV": (2, 3), "Cross": (2, 3)}


def generic_case(op: str, kernel: Mapping[str, frozenset[int]]) -> Case:
    """Case of an operation whose operands may all be arrays of one shape.

    Parameters
    ----------
    op : str
    kernel : mapping of str to frozenset of int
        Types that XLA's kernel admits, by attribute.
    """
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(op)
    types = {each.name: choose_type(each, kernel) for each in definition.attr if each.type == "type"}
    operands: list[Any] = []
    for number, argument in enumerate(definition.input_arg):
        dtype = types[argument.type_attr] if argument.type_attr else type_name(argument.type or 1)
        many = argument.number_attr or argument.type_list_attr
        operands.append([values(op, number, dtype), values(op, number, dtype)] if many else values(op, number, dtype))
    used = {argument.type_attr for argument in definition.input_arg}
    left = {each.name for each in definition.attr if not each.HasField("default_value")} - used
    return op_case(op, *operands, **{name: np.dtype(types[name]).type for name in left if name in types})


def choose_type(attribute: Any, kernel: Mapping[str, frozenset[int]]) -> str:
    """The most usual type that both the operation and XLA's kernel admit."""
    allowed = {type_name(each) for each in attribute.allowed_values.list.type} or set(PREFERRED)
    admitted = {type_name(each) for each in kernel.get(attribute.name) or ()} or set(PREFERRED)
    return next((name for name in PREFERRED if name in allowed and name in admitted), "int8")


def type_name(number: int) -> str:
    """Name of a TensorFlow dtype."""
    import tensorflow as tf

    return tf.dtypes.as_dtype(number).name


def values(op: str, number: int, dtype: str) -> np.ndarray:
    """Operand `number` of an operation."""
    shape = SHAPES.get(op, SHAPE)
    domain = DOMAINS.get(op, ())
    low, high = domain[number] if number < len(domain) else (-2.0, 2.0)
    if dtype == "bool":
        return b(*shape)
    if dtype == "complex64":
        return c(*shape)
    if dtype.startswith("float"):
        drawn = f(*shape, low=low, high=high)
        return np.round(drawn) if op in WHOLE and number == 0 else drawn
    first, last = (int(low), int(high)) if domain else (1, 5)
    return i(*shape, low=first, high=last, dtype=np.dtype(dtype))
