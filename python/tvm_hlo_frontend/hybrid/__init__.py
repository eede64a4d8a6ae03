"""TensorFlow programs divided between TVM and TensorFlow."""

from .module.frontend import from_tensorflow
from .module.parts import Part, parts_of
from .offload import Offloaded, offload
from .partition import partition
from .plan import Cluster, Plan, Stay

__all__ = ["Cluster", "Offloaded", "Part", "Plan", "Stay", "from_tensorflow", "offload", "partition", "parts_of"]
