"""What a bridge is."""

from __future__ import annotations

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
    """

    note: str

    def node(self, name: str, cluster: Cluster, executable: Executable, source: Source) -> Any:
        """NodeDef that computes a cluster from its inputs, in their order."""
