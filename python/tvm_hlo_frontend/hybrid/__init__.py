"""Programs of TensorFlow, PyTorch and JAX divided between them and TVM."""

from .bridge.operation import compiled_operation, load_operation
from .jax_offload import offload_jax
from .module.frontend import from_tensorflow
from .module.parts import Part, parts_of
from .offload import Offloaded, offload
from .partition import partition
from .picture import picture
from .plan import Cluster, Plan, Stay, Tensor
from .saving import load
from .torch_backend import torch_backend
from .torch_report import TorchGraph, TorchReport

__all__ = [
    "Cluster",
    "Offloaded",
    "Part",
    "Plan",
    "Stay",
    "Tensor",
    "TorchGraph",
    "TorchReport",
    "compiled_operation",
    "from_tensorflow",
    "load",
    "load_operation",
    "offload",
    "offload_jax",
    "partition",
    "parts_of",
    "picture",
    "torch_backend",
]
