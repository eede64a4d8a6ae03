"""torchax, imported so that torch and JAX stay as they were: of it only the lowerings of operators are needed."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..errors import LoweringError

# what of torch torchax imports; torch's own modules add to its tables, which they do once
_TORCH_MODULES = ("torch._refs", "torch._decomp", "torch.func", "torch.distributed._functional_collectives")
_OPERATORS = ("jaten", "jc10d", "jtorch", "jtorchvision_nms")


class _MissingOverload:
    """Stands for an operator overload that this torch no longer has; only ever a key that nothing looks up."""


@dataclass(frozen=True)
class Torchax:
    """What is used of torchax.

    Attributes
    ----------
    operators : mapping
        Lowerings by torch's operator.
    decompositions : mapping
        Of the operators that torchax prefers taken apart.
    interpreter : type
        Runs a graph of torch's operators on JAX's arrays.
    dtype_of : callable
        JAX's dtype of a torch dtype.
    max_pool : callable
        The greatest elements of windows, without their indices.
    """

    operators: Mapping[Any, Any]
    decompositions: Mapping[Any, Any]
    interpreter: type
    dtype_of: Callable[[Any], Any]
    max_pool: Callable[..., Any]


@cache
def import_torchax() -> Torchax:
    """torchax with its operators, but not as torch's backend for devices called jax: torch.compile and torch.export
    would then look for such a device. A torchax that the caller has imported is used as it is.

    Raises
    ------
    LoweringError
        If torchax is not installed.
    """
    import torch  # noqa: F401

    for name in _TORCH_MODULES:
        importlib.import_module(name)
    before = set(sys.modules)
    try:
        with _torch_kept():
            operators = [importlib.import_module(f"torchax.ops.{name}") for name in _OPERATORS]
            modules = [importlib.import_module(f"torchax.{name}") for name in ("decompositions", "export")]
            registry, mappings = (importlib.import_module(f"torchax.ops.{n}") for n in ("ops_registry", "mappings"))
    except ImportError as error:
        raise LoweringError(f"torchax cannot be imported ({error}): pip install tvm_hlo_frontend[torch,jax]") from error
    assert operators
    if "torchax" not in before:  # a later import by the caller shall register what was left out here
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchax"]:
            del sys.modules[name]
    decompositions, export = modules
    return Torchax(
        registry.all_aten_ops,
        decompositions.DECOMPOSITIONS,
        export.JaxInterpreter,
        mappings.t2j_dtype,
        operators[0].max_pool,
    )


@contextmanager
def _torch_kept() -> Iterator[None]:
    """Undo what the import of torchax 0.0.13 does to torch, JAX and the process.

    It names torch's private backend, registers a module for its devices, adds decompositions to torch's tables, turns
    off a fast path, sets an option of JAX and an environment variable, and logs, which adds a handler. It also names
    overloads for named tensors, which torch 2.13 has dropped, so it fails without something in their place.
    """
    import jax
    import torch

    packet, tables = torch._ops.OpOverloadPacket, torch._decomp.global_decomposition_table
    original = packet.__getattr__
    rename, register = torch.utils.rename_privateuse1_backend, torch._register_device_module
    fast_path, options = torch.backends.mha.get_fastpath_enabled(), jax.config.jax_pjrt_client_create_options  # type: ignore[attr-defined]
    environment, handlers = dict(os.environ), list(logging.root.handlers)
    decompositions = {name: dict(table) for name, table in tables.items()}

    def overload(self: Any, name: str) -> Any:
        try:
            return original(self, name)
        except AttributeError:
            if name.startswith("__"):
                raise
            return _MissingOverload()

    packet.__getattr__ = overload  # type: ignore[method-assign]
    torch.utils.rename_privateuse1_backend = torch._register_device_module = lambda *arguments: None  # type: ignore[assignment]
    try:
        yield
    finally:
        packet.__getattr__ = original  # type: ignore[method-assign]
        torch.utils.rename_privateuse1_backend, torch._register_device_module = rename, register
        torch.backends.mha.set_fastpath_enabled(fast_path)
        jax.config.update("jax_pjrt_client_create_options", options)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        logging.root.handlers[:] = handlers
        for name, table in tables.items():
            table.clear()
            table.update(decompositions[name])
