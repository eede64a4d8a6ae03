"""Clusters as nodes of the operation `TvmCluster`."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from ...deploy.executable import Executable
from ..plan import Cluster
from .operation import tvm_libraries


class NativeBridge:
    """Nodes that run exported libraries, without Python.

    Attributes
    ----------
    note : str
        For the plan.
    folder : pathlib.Path
        Where the libraries are, for as long as the bridge lives.
    """

    note = "clusters are run by the operation TvmCluster"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tvm_hlo_frontend_"))
        weakref.finalize(self, shutil.rmtree, str(self.folder), ignore_errors=True)

    def node(self, name: str, cluster: Cluster, executable: Executable, source: Any) -> Any:
        """NodeDef that computes a cluster; its inputs are those of the cluster."""
        import tensorflow as tf

        path = self.folder / f"{name}.so"
        executable.export_library(path)
        tensor = source.graph.get_tensor_by_name
        node = tf.compat.v1.NodeDef(name=name, op="TvmCluster", input=cluster.inputs)
        node.attr["library"].s = str(path).encode()
        node.attr["runtime"].list.s.extend(library.encode() for library in tvm_libraries())
        node.attr["Tin"].list.type.extend(tensor(each).dtype.as_datatype_enum for each in cluster.inputs)
        node.attr["Tout"].list.type.extend(tensor(each).dtype.as_datatype_enum for each in cluster.outputs)
        node.attr["output_shapes"].list.shape.extend(tensor(each).shape.as_proto() for each in cluster.outputs)
        node.attr["cuts"].list.i.extend(number for cut in executable.signature.cuts for number in cut)
        node.attr["label"].s = name.encode()
        return node
