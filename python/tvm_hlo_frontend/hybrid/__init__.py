"""TensorFlow programs divided between TVM and TensorFlow."""

from .bridge.operation import compiled_operation, load_operation
from .module.frontend import from_tensorflow
from .module.parts import Part, parts_of
from .offload import Offloaded, offload
from .partition import partition
from .picture import picture
from .plan import Cluster, Plan, Stay, Tensor
from .saving import load

__all__ = [
    "Cluster",
    "Offloaded",
    "Part",
    "Plan",
    "Stay",
    "Tensor",
    "compiled_operation",
    "from_tensorflow",
    "load",
    "load_operation",
    "offload",
    "partition",
    "parts_of",
    "picture",
]
