"""Programs of TensorFlow, PyTorch and JAX divided between them and TVM."""

from .jax_offload import offload_jax
from .offload import Offloaded, offload
from .partition import partition
from .plan import Cluster, Plan, Stay
from .torch_backend import torch_backend
from .torch_report import TorchGraph, TorchReport

__all__ = [
    "Cluster",
    "Offloaded",
    "Plan",
    "Stay",
    "TorchGraph",
    "TorchReport",
    "offload",
    "offload_jax",
    "partition",
    "torch_backend",
]
