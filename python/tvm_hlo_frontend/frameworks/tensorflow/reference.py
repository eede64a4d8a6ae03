"""TensorFlow's own run of a program that is converted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...oracle.check import Reference
from ..lowered import LoweredModule
from .program import Program
from .results import assigned_parameters


def tensorflow_reference(
    own: Program, lowered_program: Program, lowered: LoweredModule, input_specs: Sequence[Any]
) -> Reference:
    """TensorFlow's run of a program.

    Parameters
    ----------
    own : Program
        As TensorFlow runs it without XLA, its constants in place.
    lowered_program, lowered : Program, LoweredModule
        What was lowered.
    input_specs : sequence
        Example inputs among the specs that the user gave.
    """
    import tensorflow as tf

    given = tf.nest.flatten(list(input_specs))
    inputs = [_numbers(each) for each in given] if len(given) == len(own.specs) else [None] * len(own.specs)

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        tensors = [tf.constant(array, spec.dtype) for array, spec in zip(arrays, own.specs)]
        with _kept(lowered_program, lowered) as handles:
            returned = own.function._call_flat(tensors, own.captured)
            results = [each for each in tf.nest.flatten(returned, expand_composites=True) if each is not None]
            parameters = assigned_parameters(lowered.hlo, len(lowered_program.result_names))
            new = [_read(handles[number], lowered.parameter_values[number].dtype) for number in parameters]
            return [np.array(each) for each in [*results, *new]]

    return Reference("TensorFlow", inputs, run, converts="TensorFlow's XLA bridge", own_random_numbers=True)


def _numbers(value: Any) -> np.ndarray | None:
    """Elements of an array or tensor; None of a spec."""
    import tensorflow as tf

    return None if isinstance(value, tf.TypeSpec) else np.asarray(value)


@contextmanager
def _kept(program: Program, lowered: LoweredModule) -> Iterator[Mapping[int, Any]]:
    """Handles of variables by parameter number; their values are afterwards what they were."""
    import tensorflow as tf

    first = len(program.specs)
    handles = {first + n: each for n, each in enumerate(program.captured) if each.dtype == tf.resource}
    values = {number: _read(handle, lowered.parameter_values[number].dtype) for number, handle in handles.items()}
    try:
        yield handles
    finally:
        for number, handle in handles.items():
            tf.raw_ops.AssignVariableOp(resource=handle, value=values[number])


def _read(handle: Any, dtype: np.dtype) -> Any:
    import tensorflow as tf

    return tf.identity(tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.as_dtype(dtype)))
