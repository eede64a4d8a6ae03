"""Specs of a program's inputs: from specs, example arrays, `shape=` or the program itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import SignatureError


@dataclass(frozen=True)
class Input:
    """A flat input of a program: its name, and what TensorFlow knows of its dtype and shape."""

    name: str
    dtype: Any
    shape: Any

    def __str__(self) -> str:
        return f"{self.name} {self.dtype.name}{self.shape}"


def to_spec(value: Any) -> Any:
    """Spec, or structure of specs, of an example value; specs are kept as they are."""
    import tensorflow as tf

    if isinstance(value, tf.TypeSpec):
        return value
    return tf.nest.map_structure(
        lambda leaf: leaf if isinstance(leaf, tf.TypeSpec) else tf.TensorSpec(np.shape(leaf), np.asarray(leaf).dtype),
        value,
    )


def settled_specs(inputs: Sequence[Input], input_specs: Sequence[Any] | None, shape: Any) -> list[Any]:
    """One spec per flat input, with all that is known of its shape.

    Parameters
    ----------
    inputs : sequence of Input
    input_specs : sequence of tf.TensorSpec or array, optional
        One per input, possibly nested; by default what the inputs say themselves.
    shape : mapping of str to dimensions, sequence of dimensions, optional
        Dimensions by input name (with or without ``:0``), or one entry per input; None or a name for an open one.

    Raises
    ------
    SignatureError
        If names, number, dtypes or shapes do not fit.
    """
    specs = _given_specs(inputs, input_specs)
    dimensions = shapes_by_name(shape, [each.name for each in inputs])
    specs = [_with_dimensions(each, spec, dimensions.get(each.name)) for each, spec in zip(inputs, specs)]
    for each, spec in zip(inputs, specs):
        if not (each.dtype == spec.dtype and each.shape.is_compatible_with(spec.shape)):
            raise SignatureError(f"{spec} does not fit the input {each}")
    return specs


def refuse_open(names: Sequence[str], specs: Sequence[Any]) -> None:
    """SignatureError if a dimension of some input is open."""
    inputs = [Input(name, spec.dtype, spec.shape) for name, spec in zip(names, specs)]
    still_open = [str(each) for each in inputs if not each.shape.is_fully_defined()]
    if still_open:
        raise SignatureError(
            f"dimensions are left open, but HLO is static: a static shape is needed for {', '.join(still_open)}; pass "
            "shape={name: dimensions}, a tf.TensorSpec per input, or specialize=True for a build per shape"
        )


def shapes_by_name(shape: Any, names: Sequence[str]) -> dict[str, tuple[int | str | None, ...]]:
    """`shape=` as a mapping from the names of inputs to dimensions; errors as for `settled_specs`."""
    if shape is None:
        return {}
    if not isinstance(shape, Mapping):
        entries = list(shape)
        if len(entries) != len(names):
            raise SignatureError(f"shape= has {len(entries)} entries for the {len(names)} inputs {', '.join(names)}")
        shape = dict(zip(names, entries))
    named = {without_index(name): _dimensions(name, sizes) for name, sizes in shape.items()}
    unknown = sorted(set(named) - set(names))
    if unknown:
        raise SignatureError(f"shape= names {', '.join(unknown)}; the inputs are {', '.join(names) or 'none'}")
    return named


def without_index(name: str) -> str:
    """Name of a node from that of its first output."""
    return name[:-2] if name.endswith(":0") else name


def _dimensions(name: str, sizes: Any) -> tuple[int | str | None, ...]:
    try:
        dimensions = tuple(size if size is None or isinstance(size, str) else int(size) for size in sizes)
    except (TypeError, ValueError) as error:
        raise SignatureError(f"shape= needs whole numbers for the input {name}, not {sizes!r}") from error
    if isinstance(sizes, str) or any(isinstance(size, int) and size < 0 for size in dimensions):
        raise SignatureError(
            f"shape= needs sizes for the input {name}, not {sizes!r}; None or a name stands for an open one"
        )
    return dimensions


def _given_specs(inputs: Sequence[Input], input_specs: Sequence[Any] | None) -> list[Any]:
    import tensorflow as tf

    if input_specs is None:
        return [tf.TensorSpec(each.shape, each.dtype) for each in inputs]
    specs = [to_spec(value) for value in tf.nest.flatten(list(input_specs))]
    if len(specs) != len(inputs):
        raise SignatureError(f"the function takes {len(inputs)} tensors, but there are {len(specs)} specs")
    return specs


def _with_dimensions(each: Input, spec: Any, dimensions: Sequence[int | str | None] | None) -> Any:
    import tensorflow as tf

    if dimensions is None:
        return spec
    said = tf.TensorShape([size if isinstance(size, int) else None for size in dimensions])
    if not spec.shape.is_compatible_with(said):
        raise SignatureError(f"shape= says {dimensions} of the input {each}")
    return tf.TensorSpec(spec.shape.merge_with(said), spec.dtype)
