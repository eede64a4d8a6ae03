"""PyTorch's own run of a program that is converted, without effects, and the operator that torchax gets wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import LoweringError
from ..oracle.agreement import disagreement
from ..oracle.check import Reference
from .exported_program import (
    STATE,
    input_nodes,
    is_static,
    is_tensor,
    place_of,
    placeholders,
    result_positions,
    tensors_of,
    to_numpy,
    to_torch,
)

CONVERTERS = {"torchax": "torch.export and torchax", "torch_xla": "torch.export and torch_xla"}


def torch_reference(program: Any, exported: Any, args: Any, kwargs: Mapping[str, Any], via: str) -> Reference:
    """PyTorch's run of a module or an ExportedProgram.

    Parameters
    ----------
    program : torch.nn.Module or torch.export.ExportedProgram
    exported : torch.export.ExportedProgram
        What is lowered, decomposed.
    args, kwargs : pytree, mapping
        Example inputs; empty if the ExportedProgram has its own.
    via : str
        What makes HLO of it.
    """
    from torch.utils import _pytree as pytree

    leaves, structure = pytree.tree_flatten((args, dict(kwargs)))
    if not leaves:
        leaves, structure = _own_examples(program)
    nodes = input_nodes(exported)
    examples = leaves if len(leaves) == len(nodes) else [None] * len(nodes)
    inputs = [
        _numbers(leaf) if is_static(node.meta["val"]) else None
        for node, leaf in zip(nodes, examples)
        if is_tensor(node)
    ]

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        if structure is None or len(leaves) != len(nodes):
            raise LoweringError("its example inputs are not known")
        rest = iter(arrays)
        pairs = zip(nodes, leaves)
        given = [to_torch(next(rest)).to(_device(leaf)) if is_tensor(node) else leaf for node, leaf in pairs]
        return _results(program, exported, given, structure)

    def locate(arrays: Sequence[np.ndarray]) -> str:
        return first_wrong_operator(exported, arrays) if via == "torchax" else ""

    return Reference("PyTorch", inputs, run, locate, CONVERTERS[via])


def _own_examples(program: Any) -> tuple[list[Any], Any]:
    """Leaves and structure of the arguments that an ExportedProgram was made with; where it has none, tensors of their
    shapes in their place."""
    from torch.utils import _pytree as pytree

    examples = getattr(program, "example_inputs", None)
    if examples is not None:
        return pytree.tree_flatten(examples)
    if not hasattr(program, "call_spec"):
        return pytree.tree_flatten(((), {}))
    return [node.meta.get("val") for node in input_nodes(program)], program.call_spec.in_spec


def _numbers(leaf: Any) -> np.ndarray | None:
    """Elements of a tensor; None if it has but a shape."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensor

    if not isinstance(leaf, torch.Tensor) or isinstance(leaf, FakeTensor) or leaf.device.type == "meta":
        return None
    return np.array(to_numpy(leaf, "an example input"))


def _device(leaf: Any) -> Any:
    import torch

    device = leaf.device if isinstance(leaf, torch.Tensor) else torch.device("cpu")
    return "cpu" if device.type == "meta" else device


def _results(program: Any, exported: Any, leaves: Sequence[Any], structure: Any) -> list[np.ndarray]:
    """What the program returns, then the new values of what it assigns, as `result_positions` orders them."""
    import torch
    from torch.utils import _pytree as pytree

    module = program.module() if isinstance(program, torch.export.ExportedProgram) else program
    specs = exported.graph_signature.output_specs
    assigned = [specs[n] for n in result_positions(exported) if specs[n].kind.name != "USER_OUTPUT"]
    by_name = {node.name: leaf for node, leaf in zip(input_nodes(exported), leaves)}
    args, kwargs = pytree.tree_unflatten(list(leaves), structure)
    with _kept(module, [spec.target for spec in assigned]) as state, torch.no_grad():
        if module is program:
            module.eval()
        returned = module(*args, **kwargs)
        tensors = [leaf for leaf in pytree.tree_leaves(returned) if isinstance(leaf, torch.Tensor)]
        tensors += [state[spec.target] if spec.target in state else by_name[spec.target] for spec in assigned]
        return [np.array(to_numpy(each, "a result")) for each in tensors]


@contextmanager
def _kept(module: Any, assigned: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Parameters and buffers by name; afterwards the module, its modes, buffers and attributes, PyTorch's random state
    and its fast path are as they were."""
    import torch

    state = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    buffers = {name for name, _ in module.named_buffers(remove_duplicate=False)}
    values = {name: state[name].detach().clone() for name in buffers | (state.keys() & set(assigned))}
    tables = ("_buffers", "_parameters", "_modules")
    kept = [
        (each, dict(each.__dict__), {name: dict(each.__dict__[name]) for name in tables if name in each.__dict__})
        for each in module.modules()
    ]
    # whole layers as one operator, which leave numbers of padding out that the program computes
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.random.fork_rng(devices=[]):
            yield state
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for each, attributes, own in kept:
            each.__dict__.clear()
            each.__dict__.update(attributes)
            for name, table in own.items():
                each.__dict__[name].clear()
                each.__dict__[name].update(table)
        with torch.no_grad():
            for name, value in values.items():
                state[name].copy_(value)


def first_wrong_operator(exported: Any, arrays: Sequence[np.ndarray]) -> str:
    """Words about the first operator whose lowering by torchax, alone and on PyTorch's own operands, differs from it.

    Parameters
    ----------
    exported : torch.export.ExportedProgram
        Decomposed.
    arrays : sequence of numpy.ndarray
        One per tensor among the inputs.
    """
    import torch

    from .torchax_bridge import lowered_alone

    values: dict[str, Any] = {}

    class Recorder(torch.fx.Interpreter):
        def run_node(self, node: Any) -> Any:
            values[node.name] = super().run_node(node)
            return values[node.name]

    rest = iter(arrays)
    given = [
        _state(exported, spec.target) if spec.kind.name in STATE else _input(node, rest)
        for node, spec in placeholders(exported)
    ]
    with torch.no_grad():
        Recorder(exported.graph_module).run(*given, enable_io_processing=False)
        for node in exported.graph.nodes:
            wanted = [to_numpy(each, node.name) for each in tensors_of(values[node.name])]
            if node.op != "call_function" or not wanted:
                continue
            got = lowered_alone(exported, node, values)
            found = disagreement(got, wanted) if len(got) == len(wanted) else None
            if found is not None:
                return f"torchax computes {node.target} otherwise than PyTorch: {place_of(node)}"
    return "no operator differs by itself: small differences have grown, or operators are compiled otherwise together"


def _state(exported: Any, name: str) -> Any:
    return exported.state_dict[name] if name in exported.state_dict else exported.constants[name]


def _input(node: Any, arrays: Iterator[np.ndarray]) -> Any:
    return to_torch(next(arrays)) if is_tensor(node) else node.meta.get("val")
