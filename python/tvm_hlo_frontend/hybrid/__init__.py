"""TensorFlow programs divided between TVM and TensorFlow."""

from .bridge.operation import compiled_operation, load_operation
from .offload import Offloaded, offload
from .partition import partition
from .plan import Cluster, Plan, Stay
from .saving import load

__all__ = [
    "Cluster",
    "Offloaded",
    "Plan",
    "Stay",
    "compiled_operation",
    "load",
    "load_operation",
    "offload",
    "partition",
]
