"""Clusters as calls of Python: where there is no compiler, or the library is Relay's."""

from __future__ import annotations

import functools
from typing import Any

from ...deploy.executable import Executable
from ..plan import Cluster

GRADIENT = "TvmClusterInPython"


@functools.cache
def register_gradient() -> None:
    """What TensorFlow calls for the gradient of such a node; without it the gradient would silently be None."""
    import tensorflow as tf

    @tf.RegisterGradient(GRADIENT)
    def refuse(operation: Any, *gradients: Any) -> Any:
        raise LookupError(
            f"{operation.name} was compiled by TVM for inference and has no gradient; take the gradient of the "
            "function that it was made from"
        )


class PythonBridge:
    """Nodes that call executables through Python, one call at a time for the interpreter lock.

    Attributes
    ----------
    note : str
        For the plan.
    captured : dict
        Empty.
    """

    can_be_saved = False

    def __init__(self, why: str = "") -> None:
        self.note = "clusters are called through Python" + (f": {why}" if why else "")
        self.captured: dict[str, Any] = {}
        self._kept: list[Any] = []

    def node(self, name: str, cluster: Cluster, executable: Executable, source: Any) -> Any:
        """NodeDef that computes a cluster; its inputs are those of the cluster."""
        import tensorflow as tf
        from tensorflow.python.ops import script_ops

        register_gradient()
        tensor = source.graph.get_tensor_by_name
        types = [tensor(each).dtype for each in cluster.outputs]

        def call(*arrays: Any) -> Any:
            results = executable(*arrays)
            return list(results) if isinstance(results, tuple) else [results]

        # tf.numpy_function makes a node in a graph at once, and no NodeDef
        token = script_ops._py_funcs.insert(call)
        self._kept.append(call)  # TensorFlow itself keeps a weak reference
        node = tf.compat.v1.NodeDef(name=name, op="PyFuncStateless", input=cluster.inputs)
        node.attr["token"].s = token.encode()
        node.attr["Tin"].list.type.extend(tensor(each).dtype.as_datatype_enum for each in cluster.inputs)
        node.attr["Tout"].list.type.extend(each.as_datatype_enum for each in types)
        node.attr["_gradient_op_type"].s = GRADIENT.encode()
        return node
