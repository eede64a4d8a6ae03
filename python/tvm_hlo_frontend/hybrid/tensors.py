"""What the parts of a divided program hand to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .plan import Cluster, Stay, Tensor
from .source import Source


def tensors_between(source: Source, clusters: Sequence[Cluster], stays: Sequence[Stay]) -> tuple[Tensor, ...]:
    """Tensors that leave a part of a program for another one, or are its results; operands before users.

    Parameters
    ----------
    source : Source
    clusters : sequence of Cluster
    stays : sequence of Stay
        What the program takes from around it (variables, tables) and constants are no parts.
    """
    part = {name: cluster.name for cluster in clusters for name in cluster.nodes}
    part |= {name: name for name in (*source.inputs, *(stay.name for stay in stays))}
    places: dict[str, list[int]] = {}
    for place, name in enumerate(source.outputs):
        places.setdefault(name, []).append(place)
    found = []
    for operation in source.graph.get_operations():
        own = part.get(operation.name)
        for tensor in operation.outputs:
            takers = (part.get(each.name) for each in tensor.consumers() if own is not None)
            targets = tuple(dict.fromkeys(each for each in takers if each not in (None, own)))
            results = tuple(places.get(tensor.name, ()))
            if targets or results:
                found.append(Tensor(tensor.name, type_text(tensor), own or operation.name, targets, results))
    return tuple(found)


def type_text(tensor: Any) -> str:
    """Element type and shape: ``float32[64,?]``."""
    shape = tensor.shape
    sizes = "..." if shape.rank is None else ",".join("?" if size is None else str(size) for size in shape)
    return f"{tensor.dtype.base_dtype.name}[{sizes}]"
