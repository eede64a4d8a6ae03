"""TensorFlow programs divided between TVM and TensorFlow."""

from .offload import Offloaded, offload
from .partition import partition
from .picture import picture
from .plan import Cluster, Plan, Stay, Tensor

__all__ = ["Cluster", "Offloaded", "Plan", "Stay", "Tensor", "offload", "partition", "picture"]
