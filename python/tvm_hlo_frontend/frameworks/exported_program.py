"""What torch.export's ExportedProgram says: its inputs, weights, results, and where operators come from."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import ml_dtypes
import numpy as np

from ..errors import LoweringError
from ..hlo.ir.shape import Shape, array_shape, element_type_of

# kinds of graph inputs that belong to the module
STATE = frozenset({"PARAMETER", "BUFFER", "CONSTANT_TENSOR"})


def placeholders(program: Any) -> list[tuple[Any, Any]]:
    """(node, InputSpec) of everything that the graph takes."""
    nodes = [node for node in program.graph.nodes if node.op == "placeholder"]
    return list(zip(nodes, program.graph_signature.input_specs))


def input_nodes(program: Any) -> list[Any]:
    """One node per leaf of the arguments of ``forward``."""
    return [node for node, spec in placeholders(program) if spec.kind.name == "USER_INPUT"]


def result_positions(program: Any) -> list[int]:
    """Positions in the graph's output of the tensors returned, then of the new values of what is assigned."""
    (output,) = (node for node in program.graph.nodes if node.op == "output")
    specs = program.graph_signature.output_specs
    tensors = [
        position
        for position, value in enumerate(output.args[0])
        if hasattr(value, "meta") and specs[position].kind.name != "TOKEN" and is_tensor(value)
    ]
    returned = [position for position in tensors if specs[position].kind.name == "USER_OUTPUT"]
    return returned + [position for position in tensors if position not in returned]


def is_tensor(node: Any) -> bool:
    """Whether the value of a node is one tensor."""
    import torch

    return isinstance(node.meta.get("val"), torch.Tensor)


def tensors_of(value: Any) -> list[Any]:
    """Tensors in the value of a node."""
    import torch
    from torch.utils import _pytree as pytree

    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def is_static(tensor: Any) -> bool:
    """Whether all its dimensions are numbers."""
    return all(isinstance(size, int) for size in tensor.shape)


def place_of(node: Any) -> str:
    """The innermost line of the module that made the node."""
    frames = _frames(node)
    return f"%{node.name} from {frames[-1][0]}: {frames[-1][1]}" if frames else f"%{node.name}"


def _frames(node: Any) -> list[tuple[str, str]]:
    """(place, code) of the calls that made the node: in the program, else in torch's own layers."""
    import torch

    lines = [line.strip() for line in (node.meta.get("stack_trace") or "").splitlines()]
    found = [pair for pair in pairwise(lines) if pair[0].startswith('File "') and 'File "<' not in pair[0]]
    return [pair for pair in found if f'File "{torch.__path__[0]}' not in pair[0]] or found


def with_places(hlo: bytes, program: Any) -> bytes:
    """`hlo` whose instructions name the operators of torch and the lines of the module that made them.

    Parameters
    ----------
    hlo : bytes
        Serialized HloModuleProto, whose names hold those of the nodes: ``jit(forward)/add/add``.
    program : torch.export.ExportedProgram
    """
    from ..hlo.proto.reader import parse_module_proto

    nodes = {node.name: node for node in program.graph.nodes if node.op == "call_function"}
    lines = {name: _line_of(node) for name, node in nodes.items()}
    proto = parse_module_proto(hlo)
    for computation in proto.computations:
        for instruction in computation.instructions:
            metadata = instruction.metadata
            name = next((part for part in metadata.op_name.split("/") if part in nodes), None)
            metadata.stack_frame_id = 0
            metadata.source_file, metadata.source_line = lines.get(name, ("", 0))
            if name is not None:
                metadata.op_type = str(nodes[name].target)
    return proto.SerializeToString()


def _line_of(node: Any) -> tuple[str, int]:
    """File and line of the innermost line of the module that made the node."""
    frames = _frames(node)
    found = re.match(r'File "([^"]+)", line (\d+)', frames[-1][0]) if frames else None
    return (found[1], int(found[2])) if found else ("", 0)


def weight_of(program: Any, name: str) -> np.ndarray:
    """Value of a parameter, buffer or constant."""
    tensor = program.state_dict[name] if name in program.state_dict else program.constants[name]
    return to_numpy(tensor, name)


def shape_of(tensor: Any) -> Shape:
    """HLO's shape of a tensor."""
    import torch

    dtype = to_numpy(torch.zeros((), dtype=tensor.dtype), "").dtype
    return array_shape(element_type_of(dtype), tuple(tensor.shape))


def to_numpy(tensor: Any, name: str) -> np.ndarray:
    """The elements of a torch tensor, also of element types that numpy itself lacks.

    Raises
    ------
    LoweringError
        If the tensor is sparse or quantized.
    """
    import torch

    narrow = _narrow_types()
    if tensor.layout is not torch.strided or tensor.is_quantized:
        raise LoweringError(f"{name} is a sparse or quantized tensor; make it dense")
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    if tensor.dtype in narrow:
        integers = torch.int16 if tensor.dtype.itemsize == 2 else torch.uint8
        return tensor.view(integers).numpy().view(narrow[tensor.dtype])
    return tensor.numpy()


def to_torch(array: np.ndarray) -> Any:
    """A torch tensor of the elements of an array, which `to_numpy` gives back; it has memory of its own."""
    import torch

    found = next((dtype for dtype, other in _narrow_types().items() if array.dtype == other), None)
    if found is None:
        return torch.from_numpy(np.array(array))
    integers = np.int16 if array.dtype.itemsize == 2 else np.uint8
    return torch.from_numpy(np.array(array).view(integers)).view(found)


def _narrow_types() -> dict[Any, Any]:
    """Types of ml_dtypes by the dtypes of torch that numpy itself lacks."""
    import torch

    return {
        torch.bfloat16: ml_dtypes.bfloat16,
        torch.float8_e4m3fn: ml_dtypes.float8_e4m3fn,
        torch.float8_e4m3fnuz: ml_dtypes.float8_e4m3fnuz,
        torch.float8_e5m2: ml_dtypes.float8_e5m2,
        torch.float8_e5m2fnuz: ml_dtypes.float8_e5m2fnuz,
    }
