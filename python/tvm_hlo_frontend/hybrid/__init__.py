"""TensorFlow programs divided between TVM and TensorFlow."""

from .bridge.operation import compiled_operation, load_operation
from .offload import Offloaded, offload
from .partition import partition
from .picture import picture
from .plan import Cluster, Plan, Stay, Tensor
from .saving import load

__all__ = [
    "Cluster",
    "Offloaded",
    "Plan",
    "Stay",
    "Tensor",
    "compiled_operation",
    "load",
    "load_operation",
    "offload",
    "partition",
    "picture",
]
