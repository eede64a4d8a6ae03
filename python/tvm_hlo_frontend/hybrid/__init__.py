"""TensorFlow programs divided between TVM and TensorFlow."""

from .offload import Offloaded, offload
from .partition import partition
from .plan import Cluster, Plan, Stay

__all__ = ["Cluster", "Offloaded", "Plan", "Stay", "offload", "partition"]
