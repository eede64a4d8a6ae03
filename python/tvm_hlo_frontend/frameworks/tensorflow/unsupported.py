"""What XLA cannot compile: every such operation by node, in one message, with what to do."""

from __future__ import annotations

import re
from typing import Any

from ...errors import LoweringError
from .nodes import VERSION_1_CONTROL_FLOW, FoundNode, all_nodes
from .places import Places, places_of

DEVICE = "XLA_CPU_JIT"
# nodes that stand for arguments and results, or vanish before compilation
STRUCTURAL = frozenset({"Placeholder", "_Arg", "_Retval", "NoOp"})
MAX_NODES = 40

OUTSIDE = "compute it outside of the model and pass the result as an input"
ADVICE = {
    "PyFunc": "it calls Python; express it with TensorFlow operations",
    "PyFuncStateless": "it calls Python; express it with TensorFlow operations",
    "EagerPyFunc": "it calls Python; express it with TensorFlow operations",
    "Print": "take tf.print out of the function",
    "PrintV2": "take tf.print out of the function",
    "StringFormat": "take tf.print out of the function",
    "SegmentSum": "use tf.math.unsorted_segment_sum",
    "SegmentProd": "use tf.math.unsorted_segment_prod",
    "SegmentMax": "use tf.math.unsorted_segment_max",
    "SegmentMin": "use tf.math.unsorted_segment_min",
    "SegmentMean": "use tf.math.unsorted_segment_mean",
    "ResizeBicubic": "use bilinear or nearest neighbour interpolation",
    "ResizeArea": "use average pooling, bilinear or nearest neighbour interpolation",
    "CropAndResize": "gather the corners and interpolate with tf.gather_nd",
    "SparseTensorDenseMatMul": "make the matrix dense (tf.sparse.to_dense outside of the model)",
    "MatrixDeterminant": "multiply the diagonal of tf.linalg.cholesky or tf.linalg.qr",
    "CombinedNonMaxSuppression": "use tf.image.non_max_suppression_padded with pad_to_max_output_size=True",
    "NonMaxSuppressionV5": "use tf.image.non_max_suppression_padded with pad_to_max_output_size=True",
}
FAMILIES = (
    (r"HashTable|LookupTable|InitializeTable", "it is a lookup table; look up outside of the model, or use tf.gather"),
    (r"^(Decode|Encode)|String|AsString|Regex|ParseExample|ParseSingle", OUTSIDE),
    (r"Iterator|Dataset|Queue|Reader|^(Read|Write|Save|Restore)|Summary", OUTSIDE),
    (r"Sparse|Ragged", "make its tensors dense"),
)
GENERAL = OUTSIDE + "; of a GraphDef, a part can be converted: shape= names where it begins, outputs= where it ends"


def kernels() -> dict[str, list[dict[str, frozenset[int]]]]:
    """Dtypes that each XLA kernel admits by attribute, by operation.

    The registry is empty until something was compiled in this process, so this compiles a constant.
    """
    import tensorflow as tf
    from tensorflow.python.framework import kernels as registry

    def registered() -> dict[str, list[dict[str, frozenset[int]]]]:
        found: dict[str, list[dict[str, frozenset[int]]]] = {}
        for kernel in registry.get_all_registered_kernels().kernel:
            if kernel.device_type == DEVICE:
                admitted = {each.name: frozenset(each.allowed_values.list.type) for each in kernel.constraint}
                found.setdefault(kernel.op, []).append(admitted)
        return found

    found = registered()
    if not found:
        tf.function(lambda: tf.constant(0), jit_compile=True).experimental_get_compiler_ir()(stage="hlo")
        found = registered()
    return found


def unsupported_nodes(function: Any) -> list[tuple[FoundNode, str]]:
    """Nodes of a ConcreteFunction without an XLA kernel, in order, and why."""
    known = kernels()
    library = {each.signature.name for each in function.graph.as_graph_def().library.function}
    found = []
    for each in all_nodes(function):
        op = each.node.op
        if op in STRUCTURAL or op in library:
            continue
        if op not in known:
            found.append((each, advice(op)))
        elif not any(admits(kernel, each.node) for kernel in known[op]):
            found.append((each, f"XLA has no kernel for {_types(each.node)}; cast its inputs to float32 or int32"))
    return found


def admits(kernel: dict[str, frozenset[int]], node: Any) -> bool:
    """Whether a kernel's constraints admit the types of a node; what the node leaves out has its default."""
    for name, allowed in kernel.items():
        value = node.attr.get(name)
        if value is None:
            continue
        types = list(value.list.type) if value.WhichOneof("value") == "list" else [value.type]
        if allowed and any(each not in allowed for each in types if each):
            return False
    return True


def _types(node: Any) -> str:
    import tensorflow as tf

    types = [f"{name}={tf.dtypes.as_dtype(value.type).name}" for name, value in sorted(node.attr.items()) if value.type]
    return ", ".join(types)


def advice(op: str) -> str:
    """What to do about an operation that XLA has no kernel for."""
    if op in VERSION_1_CONTROL_FLOW:
        return "use tf.cond and tf.while_loop of TensorFlow 2"
    if op in ADVICE:
        return ADVICE[op]
    return next((text for pattern, text in FAMILIES if re.search(pattern, op)), GENERAL)


def explain(function: Any, message: str) -> str:
    """Message of a LoweringError: every operation without a kernel, else what XLA says and what to do about it."""
    found = unsupported_nodes(function)
    # control flow of version 1 was rewritten before XLA saw it; what stays of it is named if nothing else is amiss
    nodes = [row for row in found if row[0].node.op not in VERSION_1_CONTROL_FLOW] or found
    if nodes:
        places = places_of(function)
        lines = [f"  {each} ({each.node.op}): {why}{_from(places, each)}" for each, why in nodes[:MAX_NODES]]
        if len(nodes) > MAX_NODES:
            lines.append(f"  and {len(nodes) - MAX_NODES} more")
        return f"XLA has no kernel for {len(nodes)} operations of this TensorFlow program:\n" + "\n".join(lines)
    text = concise(message)
    if "compile-time constant" in text:
        text += "\nA shape, axis or size is computed from the inputs' values; make it a Python number."
    text += "".join(_from(places_of(function), each) for each in _nodes_of(function, text))
    return f"XLA cannot compile this TensorFlow program: {text}"


def _from(places: Places, each: FoundNode) -> str:
    """Where the user's Python makes a node, for the end of a line."""
    line = places.of_node(each.function, each.node.name)
    return f" (from {line[0]}:{line[1]})" if line else ""


def _nodes_of(function: Any, message: str) -> list[FoundNode]:
    """Nodes that a message of XLA's speaks of."""
    names = set(re.findall(r"node `([^`]+)`|{{node ([^}]+)}}", message))
    wanted = {name for pair in names for name in pair if name}
    return [each for each in all_nodes(function) if each.node.name in wanted]


def concise(message: str) -> str:
    """XLA's message without the stack of Python calls that made each operation."""
    lines = message.removeprefix("Failed getting HLO text: ").strip("'").splitlines()
    noise = re.compile(r'\s*File "|The op is created at|dummy_file_name|.*Run with TF_DUMP_GRAPH_PREFIX')
    return "\n".join(line for line in lines if not noise.match(line))


def refuse_growing_arrays(function: Any) -> None:
    """LoweringError if a TensorArray grows: XLA keeps its first size and silently drops what is written beyond it."""
    growing = [
        each
        for each in all_nodes(function)
        if each.node.op == "TensorListSetItem"
        and "resize_if_index_out_of_bounds" in each.node.attr
        and each.node.attr["resize_if_index_out_of_bounds"].b
    ]
    if growing:
        raise LoweringError(
            "XLA silently drops what is written beyond the first size of a TensorArray with dynamic_size=True; give it "
            f"its size and dynamic_size=False ({', '.join(map(str, growing[:8]))})"
        )
