"""The files of a row that contestants read: HLO with its arguments, PyTorch's module in several forms, ONNX.

Made in an environment with JAX and PyTorch, so that contestants need no more than what runs them.
"""

from __future__ import annotations

import contextlib
import pickle
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import CACHE
from .rows import Row

MODULE, TRACED, EXPORTED, ONNX = "module.pickle", "traced.pt", "exported.pt2", "model.onnx"
FACTS = "facts.pickle"


@dataclass(frozen=True)
class Facts:
    """What a row is, besides the files beside it.

    Attributes
    ----------
    name : str
    hlo : bytes
        Serialized HloModuleProto.
    arguments : list of numpy.ndarray
        Of the HLO module, weights included.
    weights : tuple of int
        Which of them are weights; none where weights are constants of the module.
    input_names : tuple of str
    torch_inputs : list of numpy.ndarray
        Of the module of PyTorch.
    channels_last : bool
        Whether results of HLO have channels last, which are first in PyTorch's.
    flops, bytes_moved : int
    missing : dict of str to str
        Why a file is not there.
    """

    name: str
    hlo: bytes
    arguments: list[np.ndarray]
    weights: tuple[int, ...]
    input_names: tuple[str, ...]
    torch_inputs: list[np.ndarray]
    channels_last: bool
    flops: int
    bytes_moved: int
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> list[np.ndarray]:
        """Arguments that are no weights."""
        return [array for number, array in enumerate(self.arguments) if number not in self.weights]


def folder_of(row: Row) -> Path:
    return CACHE / row.folder


def is_made(row: Row) -> bool:
    return (folder_of(row) / FACTS).is_file()


def load(row: Row) -> Facts:
    """Facts of a row whose files were made."""
    return pickle.loads((folder_of(row) / FACTS).read_bytes())


def make(row: Row) -> Facts:
    """Write the files of a row."""
    folder = folder_of(row)
    folder.mkdir(parents=True, exist_ok=True)
    facts, module = of_operation(row) if row.operation else of_model(row)
    facts.missing.update(write_module(folder, module, facts.torch_inputs))
    (folder / FACTS).write_bytes(pickle.dumps(facts))
    return facts


def of_operation(row: Row) -> tuple[Facts, Any]:
    """Facts and module of a product or convolution."""
    from tvm_hlo_frontend.frameworks.jax import lower_jax

    from . import jax_programs, torch_modules

    operation = row.operation
    arrays = operation.inputs()
    lowered = lower_jax(jax_programs.program(operation), *arrays)
    facts = Facts(
        name=row.name,
        hlo=lowered.hlo,
        arguments=arrays,
        weights=(),
        input_names=lowered.input_names,
        torch_inputs=torch_modules.inputs(operation),
        channels_last=operation.channels_last,
        flops=operation.flops,
        bytes_moved=operation.bytes_moved,
    )
    return facts, torch_modules.module(operation)


def of_model(row: Row) -> tuple[Facts, Any]:
    """Facts and module of a model."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    instance = row.model()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        instance.module(*map(torch.from_numpy, instance.inputs))
    arguments = instance.arguments(instance.inputs)
    facts = Facts(
        name=row.name,
        hlo=instance.lowered.hlo,
        arguments=[np.asarray(array) for array in arguments],
        weights=tuple(instance.lowered.parameter_values),
        input_names=instance.lowered.input_names,
        torch_inputs=instance.inputs,
        channels_last=False,
        flops=counter.get_total_flops(),
        bytes_moved=sum(np.asarray(array).nbytes for array in arguments),
    )
    return facts, instance.module


def write_module(folder: Path, module: Any, inputs: Sequence[np.ndarray]) -> dict[str, str]:
    """A module in all forms; why some were not made."""
    import torch

    from .torch_modules import tensors

    arguments = tuple(tensors(inputs))
    torch.save(module, folder / MODULE)
    forms: dict[str, Callable[[], Any]] = {
        TRACED: lambda: torch.jit.trace(module, arguments, strict=False, check_trace=False).save(folder / TRACED),
        EXPORTED: lambda: torch.export.save(torch.export.export(module, arguments), folder / EXPORTED),
        ONNX: lambda: write_onnx(folder / ONNX, module, arguments),
    }
    missing = {}
    for name, write in forms.items():
        with warnings.catch_warnings(), torch.no_grad(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            try:
                write()
            except Exception as error:
                missing[name] = reason(error)
    return missing


def write_onnx(path: Path, module: Any, arguments: Sequence[Any]) -> None:
    """ONNX of a module; the product of integers, which the exporter does not know, as the operator that means it."""
    import torch
    from onnxscript import opset18

    def integer_product(left: Any, right: Any) -> Any:
        return opset18.MatMulInteger(left, right)

    table = {torch.ops.aten._int_mm.default: integer_product}
    torch.onnx.export(module, tuple(arguments), path, dynamo=True, verbose=False, custom_translation_table=table)


def reason(error: BaseException) -> str:
    """What is said of an exception: its type and first line."""
    return f"{type(error).__name__}: {first_line(str(error))}".rstrip(" :")


def first_line(text: str) -> str:
    """Of a message, without colours and without the folders of this machine."""
    plain = re.sub(r"\x1b\[\d*m|(?<![\w.])(/[\w.@+-]+)+/", "", text)
    return next((line.strip() for line in plain.splitlines() if line.strip()), "")[:200]
