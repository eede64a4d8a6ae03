"""What a program captures, as constants of its graph, and which constants are weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...convert.context import LARGE_CONSTANT_ELEMENTS
from ...errors import LoweringError
from ...frameworks.tensorflow.graph_def import imported
from ...frameworks.tensorflow.lowering import variable_names
from ..partition import constants_of, lower_cluster
from ..plan import Cluster
from ..source import Source, frozen_name, make_constant, resources_of

_NO_NUMBERS = frozenset({"resource", "variant", "string"})


def with_constants(source: Source) -> Source:
    """The program with a constant in the place of each captured tensor of numbers."""
    import tensorflow as tf

    values = {name: each for name, each in source.captured.items() if each.dtype.name not in _NO_NUMBERS}
    if not values:
        return source
    definition = tf.compat.v1.GraphDef()
    definition.CopyFrom(source.definition)
    for node in definition.node:
        if node.name in values:
            make_constant(node, values[node.name])
    captured = {name: each for name, each in source.captured.items() if name not in values}
    return replace(source, definition=definition, graph=imported(definition, resources_of(captured)), captured=captured)


def weights_of(source: Source, cluster: Cluster) -> dict[str, np.ndarray]:
    """Values of the weights among the constants that a cluster takes, by the name of their node: large arrays of
    floats, since integers may decide shapes."""
    import tensorflow as tf

    found = {}
    for name in constants_of(source, cluster):
        operation = source.graph.get_operation_by_name(name)
        tensor = operation.outputs[0]
        if tensor.dtype.is_floating and tensor.shape.num_elements() > LARGE_CONSTANT_ELEMENTS:
            found[name] = tf.make_ndarray(operation.get_attr("value"))
    return found


def lowered_with_weights(source: Source, cluster: Cluster, weights: Mapping[str, np.ndarray]) -> Any:
    """HLO of a cluster whose weights are parameters; its own HLO where XLA must know them."""
    if not weights:
        return cluster.lowered
    try:
        return lower_cluster(source, cluster, weights)
    except LoweringError:
        return cluster.lowered


def weight_names(source: Source) -> dict[str, str]:
    """Names of variables by the name of the node that holds their value."""
    names = variable_names(source.program)
    return {
        frozen_name(placeholder): names[id(tensor)]
        for placeholder, tensor in source.captured.items()
        if id(tensor) in names
    }
