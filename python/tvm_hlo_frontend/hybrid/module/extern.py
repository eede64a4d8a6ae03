"""Parts of a program that TensorFlow computes, as packed functions of this process."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...convert.report import TENSORFLOW_PREFIX
from ...errors import HostFunctionError
from ...hlo.ir.shape import Shape
from ...hlo.ir.storage import STORAGE, from_storage, to_storage
from ..source import Source
from .units import Unit

_numbers = itertools.count()


def part_function(source: Source, unit: Unit) -> Any:
    """ConcreteFunction of the nodes of a unit: flat tensors to flat tensors. What has an effect runs in its order."""
    import tensorflow as tf

    part = tf.compat.v1.GraphDef(library=source.definition.library, versions=source.definition.versions)
    inside = set(unit.nodes)
    operations = [source.graph.get_operation_by_name(name) for name in unit.nodes]
    captured = {tensor.op.name for each in operations for tensor in each.inputs} & source.captured.keys()
    constants = {tensor.op.name for each in operations for tensor in each.inputs if tensor.op.type == "Const"} - inside
    for node in source.definition.node:
        if node.name in inside or node.name in constants:
            copy = part.node.add()
            copy.CopyFrom(node)
            copy.input[:] = [name for name in node.input if not name.startswith("^") or name[1:] in inside]

    def flat(*tensors: Any) -> Any:
        graph = tf.compat.v1.get_default_graph()
        feeds = dict(zip(unit.inputs, tensors))
        feeds |= {f"{name}:0": graph.capture(source.captured[name]) for name in captured}
        return tf.graph_util.import_graph_def(part, input_map=feeds, return_elements=list(unit.outputs), name="")

    tensor = source.graph.get_tensor_by_name
    specs = [tf.TensorSpec(tensor(name).shape, tensor(name).dtype) for name in unit.inputs]
    return tf.function(flat, autograph=False).get_concrete_function(*specs)


def registered(source: Source, unit: Unit, operands: Sequence[Shape], results: Sequence[Shape]) -> str:
    """Name of a packed function that computes a unit in TensorFlow; it lives as long as the process.

    Parameters
    ----------
    source : Source
    unit : Unit
    operands, results : sequence of Shape
        HLO's own; what TVM hands over is stored as `hlo.ir.storage` says.
    """
    import tvm

    name = f"{TENSORFLOW_PREFIX}{next(_numbers)}.{unit.name}"
    tvm.register_global_func(name, _packed(source, unit, operands, results))
    return name


def _packed(source: Source, unit: Unit, operands: Sequence[Shape], results: Sequence[Shape]) -> Callable[..., Any]:
    import tensorflow as tf
    import tvm

    function, owner = part_function(source, unit), source.program

    def call(*arrays: Any) -> Any:
        given = [tf.constant(from_storage(each.numpy(), own.element_type)) for each, own in zip(arrays, operands)]
        made = function(*given)
        values = [np.asarray(each) for each in (made if isinstance(made, (list, tuple)) else [made] if results else [])]
        stored = [_checked(unit, value, shape) for value, shape in zip(values, results)]
        if not stored:
            return tvm.runtime.tensor(np.zeros((), "int32"))
        return tvm.runtime.tensor(stored[0]) if len(stored) == 1 else [tvm.runtime.tensor(each) for each in stored]

    call.owner = owner  # type: ignore[attr-defined]  # else its variables might go
    return call


def _checked(unit: Unit, value: np.ndarray, shape: Shape) -> np.ndarray:
    if value.shape != shape.dimensions or value.dtype != shape.numpy_dtype:
        raise HostFunctionError(
            f"TensorFlow computes {value.dtype}{list(value.shape)} in {unit.name}, and the module was made for {shape}"
        )
    stored = STORAGE.get(shape.element_type, shape.element_type)
    return np.array(to_storage(value, shape.element_type, stored), order="C")
