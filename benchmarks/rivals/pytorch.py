"""PyTorch itself, and TVM's own importers of its programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .artifacts import EXPORTED, MODULE, TRACED, Facts
from .prepared import THREADS, Prepared, flat


def loaded(folder: Path) -> Any:
    """The module, from its file."""
    import torch
    from tools.models.pytorch_models import import_torchvision

    # modules of timm ask for torchvision when they are read
    import_torchvision()
    return torch.load(folder / MODULE, weights_only=False)


def eager(facts: Facts, folder: Path) -> Prepared:
    """As PyTorch runs it without compilation: images with channels last in memory, as its guide for CPUs says."""
    return of_module(facts, loaded(folder), lambda module: module)


def compiled(facts: Facts, folder: Path) -> Prepared:
    """`torch.compile` with Inductor; weights are constants, as `freezing` makes them."""
    import torch
    from torch._inductor import config

    config.freezing = True
    return of_module(facts, loaded(folder), torch.compile)


def of_module(facts: Facts, module: Any, transform: Callable[[Any], Any]) -> Prepared:
    """A module as `transform` makes it, in inference mode."""
    import torch

    from .torch_modules import array, tensors

    torch.set_num_threads(THREADS)
    inputs = tensors(facts.torch_inputs)
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for rank, layout in layouts.items():
        if any(tensor.ndim == rank for tensor in inputs):
            module = module.to(memory_format=layout)
            inputs = [tensor.to(memory_format=layout) if tensor.ndim == rank else tensor for tensor in inputs]
    run = transform(module)

    def call() -> Any:
        with torch.no_grad():
            return run(*inputs)

    def results() -> list[np.ndarray]:
        return [array(leaf) for leaf in leaves(call())]

    return Prepared(call, results)


def leaves(value: Any) -> list[Any]:
    """Tensors of what a module returns."""
    import torch
    from torch.utils import _pytree as pytree

    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def relax_importer(facts: Facts, folder: Path) -> Prepared:
    """`tvm.relax.frontend.torch.from_exported_program` and `tvm.compile` with TVM's own pipeline, untuned."""
    import torch
    import tvm
    from tvm import relax
    from tvm.relax.frontend.torch import from_exported_program

    program = torch.export.load(folder / EXPORTED)
    module = from_exported_program(program, keep_params_as_input=False)
    machine = relax.VirtualMachine(tvm.compile(module, target=host_target()), tvm.cpu())
    arrays = [tvm.runtime.tensor(array) for array in facts.torch_inputs]
    main = machine["main"]
    return Prepared(lambda: main(*arrays), lambda: [leaf.numpy() for leaf in tvm_leaves(main(*arrays))])


def tvm_leaves(value: Any) -> list[Any]:
    """Arrays of what a Relax function returns."""
    return [value] if hasattr(value, "numpy") else [leaf for part in value for leaf in tvm_leaves(part)]


def relay_importer(facts: Facts, folder: Path) -> Prepared:
    """`tvm.relay.frontend.from_pytorch` and `relay.build` at level 3, untuned."""
    import torch
    import tvm
    from tvm import relay
    from tvm.contrib import graph_executor

    traced = torch.jit.load(folder / TRACED)
    infos = [(f"input{number}", (array.shape, array.dtype.name)) for number, array in enumerate(facts.torch_inputs)]
    module, params = relay.frontend.from_pytorch(traced, infos)
    with tvm.transform.PassContext(opt_level=3):
        library = relay.build(module, target=host_target(), params=params)
    graph = graph_executor.GraphModule(library["default"](tvm.cpu()))
    for (name, _), array in zip(infos, facts.torch_inputs):
        graph.set_input(name, array)

    def results() -> list[np.ndarray]:
        graph.run()
        return flat([graph.get_output(number).numpy() for number in range(graph.get_num_outputs())])

    return Prepared(graph.run, results)


def host_target() -> Any:
    """This machine's processor, for TVM."""
    import tvm

    from tvm_hlo_frontend.deploy.targets import cpu_target

    return tvm.target.Target(cpu_target())
