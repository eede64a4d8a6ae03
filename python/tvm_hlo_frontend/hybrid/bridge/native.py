"""Clusters as nodes of the operation `TvmCluster`."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from ...deploy.executable import Executable
from ..plan import Cluster


class NativeBridge:
    """Nodes that run exported libraries, without Python.

    Attributes
    ----------
    note : str
        For the plan.
    folder : pathlib.Path
        Where the libraries are, for as long as the bridge lives.
    captured : dict of str to tf.saved_model.Asset
        Libraries, by the placeholder that gives a node the path of its own.
    """

    can_be_saved = True
    note = "clusters are run by the operation TvmCluster"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tvm_hlo_frontend_"))
        weakref.finalize(self, remove_own, self.folder, os.getpid())
        self.captured: dict[str, Any] = {}

    def node(self, name: str, cluster: Cluster, executable: Executable, source: Any) -> Any:
        """NodeDef that computes a cluster; its inputs are those of the cluster."""
        import tensorflow as tf

        library = f"{name}/library"
        self.captured[library] = tf.saved_model.Asset(str(self._exported(name, executable)))
        tensor = source.graph.get_tensor_by_name
        node = tf.compat.v1.NodeDef(name=name, op="TvmCluster", input=[library, *cluster.inputs])
        node.attr["Tin"].list.type.extend(tensor(each).dtype.as_datatype_enum for each in cluster.inputs)
        node.attr["Tout"].list.type.extend(tensor(each).dtype.as_datatype_enum for each in cluster.outputs)
        node.attr["output_shapes"].list.shape.extend(tensor(each).shape.as_proto() for each in cluster.outputs)
        node.attr["cuts"].list.i.extend(number for cut in executable.signature.cuts for number in cut)
        node.attr["label"].s = name.encode()
        return node

    def _exported(self, name: str, executable: Executable) -> Path:
        """The library of a cluster, whose contents are part of its name: the system's loader takes a path that it knows
        for what it has loaded from there, also where a saved model has been replaced by another."""
        path = self.folder / f"{name}.so"
        executable.export_library(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return path.rename(self.folder / f"{name}-{digest[:16]}.so")


def remove_own(folder: Path, process: int) -> None:
    """Remove a folder in the process that has made it; at its end one that was forked from it must not."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
