"""Runs TensorFlow's functionalisation of control flow and catches what it dumps.

Run: python -m tvm_hlo_frontend.frameworks.tensorflow.functionalize FOLDER FUNCTION PRODUCER

FOLDER holds ``library.pb`` (FunctionDefLibrary); ``rewritten.pb`` is written next to it: the rewritten function first,
then what it calls. The pass runs when a session first sees a graph with an XlaLaunch of the function. The launch hangs
on the dead side of a Switch, so nothing is compiled or computed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from .nodes import called_functions

DUMPS = "functionalize_control_flow_after*.pbtxt"


def main() -> int:
    """Rewrite one function."""
    import tensorflow as tf
    from tensorflow.core.framework import function_pb2

    folder, name, producer = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    library = function_pb2.FunctionDefLibrary.FromString((folder / "library.pb").read_bytes())
    graph_def = launch_graph(library, name, producer)
    graph = tf.compat.v1.Graph()
    with graph.as_default():
        tf.compat.v1.import_graph_def(graph_def, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            session.run(graph.get_operation_by_name("launch"))
    (folder / "rewritten.pb").write_bytes(rewritten(folder).SerializeToString())
    return 0


def launch_graph(library: Any, name: str, producer: int) -> Any:
    """GraphDef that launches a function of `library` with dead arguments."""
    import tensorflow as tf

    signature = next(each.signature for each in library.function if each.signature.name == name)
    graph_def = tf.compat.v1.GraphDef(library=library)
    graph_def.versions.producer = producer
    off = graph_def.node.add(name="off", op="Const")
    off.attr["dtype"].type = tf.bool.as_datatype_enum
    off.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(False))
    launch = graph_def.node.add(name="launch", op="XlaLaunch")
    for number, argument in enumerate(signature.input_arg):
        add_source(graph_def, f"argument_{number}", argument.type)
        switch = graph_def.node.add(name=f"switch_{number}", op="Switch", input=[f"argument_{number}", "off"])
        switch.attr["T"].type = argument.type
        launch.input.append(f"switch_{number}:1")
    launch.attr["function"].func.name = name
    launch.attr["Tconstants"].list.SetInParent()
    launch.attr["Nresources"].i = 0
    launch.attr["Targs"].list.type.extend(argument.type for argument in signature.input_arg)
    launch.attr["Tresults"].list.type.extend(result.type for result in signature.output_arg)
    if not signature.input_arg:
        graph_def.node.add(name="dead", op="Switch", input=["off", "off"]).attr["T"].type = tf.bool.as_datatype_enum
        graph_def.node.add(name="hold", op="Identity", input=["dead:1"]).attr["T"].type = tf.bool.as_datatype_enum
        launch.input.append("^hold")
    for node in graph_def.node:
        node.device = "/device:CPU:0"
    return graph_def


def add_source(graph_def: Any, name: str, dtype: int) -> None:
    """A node of any value of a dtype; nobody reads it."""
    import tensorflow as tf

    resource = dtype == tf.resource.as_datatype_enum
    node = graph_def.node.add(name=name, op="VarHandleOp" if resource else "Const")
    node.attr["dtype"].type = tf.float32.as_datatype_enum if resource else dtype
    if resource:
        node.attr["shape"].shape.SetInParent()
    else:
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(tf.zeros((), dtype).numpy(), dtype))


def rewritten(folder: Path) -> Any:
    """Library with the function that the last dumped launch calls, and what that one calls."""
    import tensorflow as tf
    from google.protobuf import text_format
    from tensorflow.core.framework import function_pb2

    result = function_pb2.FunctionDefLibrary()
    for path in folder.glob(DUMPS):
        text = path.read_text(encoding="utf-8")
        if "XlaLaunch" not in text:
            continue
        graph_def = text_format.Parse(text, tf.compat.v1.GraphDef())
        launch = next(node for node in graph_def.node if node.op == "XlaLaunch")
        known = {each.signature.name: each for each in graph_def.library.function}
        waiting = [launch.attr["function"].func.name]
        for name in waiting:  # grows while it is walked
            result.function.add().CopyFrom(known[name])
            callees = [callee for node in known[name].node_def for callee in called_functions(node)]
            waiting += dict.fromkeys(callee for callee in callees if callee in known and callee not in waiting)
        return result
    raise RuntimeError("TensorFlow dumped no rewritten graph")


if __name__ == "__main__":
    sys.exit(main())
