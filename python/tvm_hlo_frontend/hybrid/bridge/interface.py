"""What a bridge is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ...deploy.executable import Executable
from ..plan import Cluster
from ..source import Source


class Bridge(Protocol):
    """What makes nodes that run clusters; it must live as long as they do.

    Attributes
    ----------
    note : str
        For the plan: how clusters are run, and why so.
    can_be_saved : bool
        Whether its nodes mean something in another process.
    """

    note: str
    can_be_saved: bool

    @property
    def captured(self) -> Mapping[str, Any]:
        """Files that its nodes take the paths of, each a tf.saved_model.Asset, by the name of the placeholder."""

    def node(self, name: str, cluster: Cluster, executable: Executable, source: Source) -> Any:
        """NodeDef that computes a cluster from its inputs, in their order."""
