"""Which nodes of a TensorFlow graph may be in a cluster, and why the others stay."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..frameworks.tensorflow.nodes import VERSION_1_CONTROL_FLOW, called_functions
from ..frameworks.tensorflow.unsupported import admits, kernels

# what a cluster may begin and end with, but not hold
_EDGES = frozenset({"Placeholder", "_Arg", "_Retval", "NoOp", "PlaceholderWithDefault"})
# no arithmetic
MOVES = frozenset(
    "BroadcastTo Cast ConcatV2 Const ExpandDims Fill Gather GatherNd GatherV2 Identity IdentityN MirrorPad NoOp Pack "
    "Pad PadV2 Placeholder ReadVariableOp Reshape ReverseV2 Shape Size Slice Split SplitV Squeeze StridedSlice Tile "
    "Transpose Unpack".split()
)
# of which TVM would have to carry more than numbers
_NO_NUMBERS = frozenset({"string", "resource", "variant"})
# XLA draws other numbers than TensorFlow's own kernels
_DRAWS = ("StatelessRandom", "StatelessTruncated", "StatelessParameterized", "StatelessMultinomial", "StatelessShuffle")
# of indices out of range and of NaN
_OTHERWISE = frozenset({"InTopK", "InTopKV2"})
EDGE = "it is an input or only orders others"
CONSTANT = "it is a constant, copied into the clusters that use it"


class Eligibility:
    """What XLA and this package take, asked of each node once.

    Parameters
    ----------
    graph : tf.Graph
    outputs : collection of str
        Tensors that the program returns.
    """

    def __init__(self, graph: Any, outputs: Collection[str] = ()) -> None:
        self._outputs = frozenset(outputs)
        self._kernels = kernels()
        definition = graph.as_graph_def()
        self._library = {each.signature.name: each.node_def for each in definition.library.function}
        self._bodies: dict[str, str | None] = {}

    def obstacle(self, operation: Any) -> str | None:
        """Why an operation stays in TensorFlow; None if it may be in a cluster."""
        node = operation.node_def
        if node.op in _EDGES:
            return EDGE
        if node.op == "Const":
            return "it is a constant that waits for others" if operation.control_inputs else CONSTANT
        for tensor in [*operation.inputs, *operation.outputs]:
            if tensor.dtype.base_dtype.name in _NO_NUMBERS:
                return f"it handles a {tensor.dtype.base_dtype.name}"
        reason = self._obstacle_of_node(node)
        if reason is not None:
            return reason
        if not operation.outputs:
            return "it returns nothing"
        # a batch normalisation has outputs without a shape for its gradient
        read = [each for each in operation.outputs if each.consumers() or each.name in self._outputs]
        for tensor in [*operation.inputs, *read]:
            if not tensor.shape.is_fully_defined():
                return f"the shape of {tensor.name} is known only at run time: {tensor.shape}"
        return None

    def _obstacle_of_node(self, node: Any) -> str | None:
        from tensorflow.python.framework import op_def_registry

        if node.op in VERSION_1_CONTROL_FLOW:
            return "it is control flow of version 1"
        if node.op.startswith(_DRAWS):
            return "XLA draws other random numbers than TensorFlow"
        if node.op in _OTHERWISE:
            return "XLA computes something else than TensorFlow"
        definition = op_def_registry.get(node.op)
        callees = [name for name in called_functions(node) if name in self._library]
        if definition is not None and definition.is_stateful and not callees:
            return "it has a state, or an effect"
        if definition is not None and node.op not in self._kernels:
            return "XLA has no kernel for it"
        if definition is not None and not any(admits(kernel, node) for kernel in self._kernels[node.op]):
            return "XLA has no kernel for its types"
        for name in callees:
            reason = self._obstacle_of_body(name)
            if reason is not None:
                return f"in {name}: {reason}"
        return None

    def _obstacle_of_body(self, name: str) -> str | None:
        """The same of a function that a node calls."""
        if name not in self._bodies:
            self._bodies[name] = None  # of a function that calls itself
            reasons = (self._reason_in_body(node) for node in self._library[name])
            self._bodies[name] = next((reason for reason in reasons if reason is not None), None)
        return self._bodies[name]

    def _reason_in_body(self, node: Any) -> str | None:
        if node.op in _EDGES or node.op == "Const":
            return None
        reason = self._obstacle_of_node(node)
        return None if reason is None else f"{node.name} ({node.op}): {reason}"


def estimated_flops(graph: Any, operation: Any) -> int:
    """Floating point operations of a node, by TensorFlow's statistics; else one for each float that it makes."""
    from tensorflow.python.framework import ops

    try:
        told = ops.get_stats_for_node_def(graph, operation.node_def, "flops").value
    except ValueError:  # a dimension is not known
        told = None
    if told:
        return int(told)
    if operation.type in MOVES:
        return 0
    counts = [tensor.shape.num_elements() or 0 for tensor in operation.outputs if tensor.dtype.is_floating]
    return sum(counts)
