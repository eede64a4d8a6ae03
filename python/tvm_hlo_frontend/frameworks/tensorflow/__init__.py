"""TensorFlow programs to HLO and to TVM, through TensorFlow's own XLA bridge."""

from .frontend import (
    from_concrete_function,
    from_tensorflow,
    from_tensorflow_graph,
    lower_concrete_function,
    lower_tensorflow,
)

__all__ = [
    "from_concrete_function",
    "from_tensorflow",
    "from_tensorflow_graph",
    "lower_concrete_function",
    "lower_tensorflow",
]
