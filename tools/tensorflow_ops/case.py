"""What a case is: one operation in a minimal graph of its own, with arguments."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_seeds = itertools.count()
View = Callable[[list[np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True, eq=False)
class Const:
    """An operand that is part of the graph: XLA must know its value."""

    value: Any


@dataclass(frozen=True, eq=False)
class Var:
    """An operand that is the handle of a variable with this initial value."""

    value: np.ndarray


@dataclass(frozen=True)
class Case:
    """One operation in a graph of its own.

    Attributes
    ----------
    op : str
    function : callable
        Makes the graph; called with one tensor per argument and one tf.Variable per variable.
    arguments : tuple of numpy.ndarray
    variables : tuple of numpy.ndarray
        Initial values.
    view : callable, optional
        What of the results is compared, where they are not unique: a function of a list of arrays to another list.
    random : bool
        Whether only the distribution of the results is compared.
    """

    op: str
    function: Callable[..., Any]
    arguments: tuple[np.ndarray, ...] = ()
    variables: tuple[np.ndarray, ...] = ()
    view: View | None = None
    random: bool = field(default=False)


def op_case(op: str, *operands: Any, view: View | None = None, random: bool = False, **attributes: Any) -> Case:
    """Case of an operation as it stands in its OpDef.

    Parameters
    ----------
    op : str
    *operands : numpy.ndarray, Const, Var, or list of them
        In the order of the OpDef.
    view, random
        As in `Case`.
    **attributes
        Of the operation; types of operands need not be given. A function of tensors stands for a function.
    """
    leaves = [leaf for operand in operands for leaf in (operand if isinstance(operand, list) else [operand])]
    arguments = tuple(leaf for leaf in leaves if isinstance(leaf, np.ndarray))
    variables = tuple(leaf.value for leaf in leaves if isinstance(leaf, Var))

    def function(*values: Any) -> Any:
        tensors, handles = iter(values[: len(arguments)]), iter(values[len(arguments) :])

        def given(leaf: Any) -> Any:
            if isinstance(leaf, Const):
                return leaf.value
            return next(tensors) if isinstance(leaf, np.ndarray) else next(handles).handle

        filled = [[given(leaf) for leaf in o] if isinstance(o, list) else given(o) for o in operands]
        return apply(op, filled, attributes)

    return Case(op, function, arguments, variables, view, random)


def apply(op: str, operands: Sequence[Any], attributes: dict[str, Any]) -> Any:
    """Add an operation to the graph that is being made; its outputs."""
    import tensorflow as tf
    from tensorflow.python.framework import op_def_library, op_def_registry

    definition = op_def_registry.get(op)
    types = {attribute.name: attribute.type for attribute in definition.attr}
    named = {argument.name: value for argument, value in zip(definition.input_arg, operands, strict=True)}
    given = {
        name: traced(value) if types[name] == "func" else value
        for name, value in attributes.items()
        if types[name] != "list(func)"
    }
    given |= {name: list(map(traced, attributes[name])) for name in attributes if types[name] == "list(func)"}
    inferred = {
        getattr(a, kind) for a in definition.input_arg for kind in ("type_attr", "number_attr", "type_list_attr")
    }
    # None asks for the default
    defaults = {
        each.name: None for each in definition.attr if each.HasField("default_value") and each.name not in inferred
    }
    made = op_def_library.apply_op(op, name=op.lstrip("_"), **named, **{**defaults, **given})
    return [] if isinstance(made, tf.Operation) else made


def traced(function: tuple[Any, ...]) -> Any:
    """ConcreteFunction of a pair (function, *specs)."""
    import tensorflow as tf

    body, *specs = function
    return tf.function(body, autograph=False).get_concrete_function(*specs)


def rng() -> np.random.Generator:
    """A generator of its own for every array, so that no two are alike."""
    return np.random.default_rng(next(_seeds))


def f(*shape: int, low: float = -2.0, high: float = 2.0, dtype: Any = np.float32) -> np.ndarray:
    """Uniform floats."""
    return np.asarray(rng().uniform(low, high, shape), dtype)


def i(*shape: int, low: int = 0, high: int = 4, dtype: Any = np.int32) -> np.ndarray:
    """Integers from `low` to `high` - 1."""
    return np.asarray(rng().integers(low, high, shape), dtype)


def b(*shape: int) -> np.ndarray:
    """Predicates."""
    return np.asarray(rng().random(shape) < 0.5)


def c(*shape: int) -> np.ndarray:
    """Complex numbers."""
    return (f(*shape) + 1j * f(*shape)).astype(np.complex64)


def ints(*values: int, dtype: Any = np.int32) -> Const:
    """A constant vector of integers."""
    return Const(np.array(values, dtype))


def scalar(value: Any, dtype: Any = np.int32) -> Const:
    """A constant scalar."""
    return Const(np.asarray(value, dtype))


def array(values: Any, dtype: Any = np.int32) -> np.ndarray:
    """An argument with these values."""
    return np.array(values, dtype)
