"""Who is measured: this package on both TVMs, other runtimes, and TVM's own importers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import ours, pytorch, runtimes
from .artifacts import EXPORTED, MODULE, ONNX, TRACED, Facts
from .prepared import Prepared

RELAY, RELAX = ".venv", ".venv-relax"


@dataclass(frozen=True)
class Contestant:
    """A way to run a row.

    Attributes
    ----------
    key, title : str
        On the command line and in the results; on the page.
    environment : str
        Folder of the virtual environment that it is measured in.
    prepare : callable
        From facts and the folder of the row's files to what runs it.
    distributions : tuple of str
        Packages whose versions say what was measured.
    needs : str, optional
        The file that it reads.
    """

    key: str
    title: str
    environment: str
    prepare: Callable[[Facts, Path], Prepared]
    distributions: tuple[str, ...]
    needs: str | None = None

    @property
    def of_pytorch(self) -> bool:
        """Whether arrays are as PyTorch's module has them, channels first."""
        return self.needs is not None

    @property
    def is_ours(self) -> bool:
        return self.key in ("relay", "relax")


CONTESTANTS = (
    Contestant("relay", "this package, Relay", RELAY, lambda facts, _: ours.frontend(facts), ("tvm",)),
    Contestant("relax", "this package, Relax", RELAX, lambda facts, _: ours.frontend(facts), ("apache-tvm",)),
    Contestant("torch", "PyTorch", RELAX, pytorch.eager, ("torch",), MODULE),
    Contestant("torch-compile", "torch.compile", RELAX, pytorch.compiled, ("torch",), MODULE),
    Contestant("onnxruntime", "ONNX Runtime", RELAX, runtimes.onnx_runtime, ("onnxruntime",), ONNX),
    Contestant("openvino", "OpenVINO", RELAX, runtimes.open_vino, ("openvino",), ONNX),
    Contestant(
        "iree", "IREE", RELAX, lambda facts, _: runtimes.iree(facts), ("iree-base-compiler", "iree-base-runtime")
    ),
    Contestant("relay-importer", "TVM's importer, Relay", RELAY, pytorch.relay_importer, ("tvm",), TRACED),
    Contestant("relax-importer", "TVM's importer, Relax", RELAX, pytorch.relax_importer, ("apache-tvm",), EXPORTED),
)


def chosen(keys: Sequence[str]) -> list[Contestant]:
    """Those with these keys, all without."""
    return [contestant for contestant in CONTESTANTS if not keys or contestant.key in keys]


def keyed(key: str) -> Contestant:
    return next(contestant for contestant in CONTESTANTS if contestant.key == key)
