"""Names of modules as they were until 0.1: importing one warns, and gives the module that it is now.

They go with 0.3.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from types import ModuleType
from typing import Any

PACKAGE = __name__.rpartition(".")[0]
# old name -> new name, both below the package
RENAMED = {
    "comparison": "oracle.comparison",
    "conversion": "convert.context",
    "dialects": "backends.select",
    "host_lapack": "deploy.host_lapack",
    "hlo.attributes": "hlo.ir.attributes",
    "hlo.builder": "hlo.ir.builder",
    "hlo.extract": "hlo.ir.extract",
    "hlo.literal": "hlo.ir.literal",
    "hlo.module": "hlo.ir.module",
    "hlo.parsers": "hlo.text.parsers",
    "hlo.printer": "hlo.text.printer",
    "hlo.reader": "hlo.proto.reader",
    "hlo.shape": "hlo.ir.shape",
    "hlo.sources": "hlo.proto.sources",
    "hlo.writer": "hlo.proto.writer",
    "hooks": "frameworks.hooks",
    "kernels.definitions": "kernels.library",
    "kernels.tensor_ir": "tensor_ir.compat",
    "registry": "convert.table",
    "report": "convert.report",
    "runtime": "deploy.executable",
    "saved": "deploy.saved",
    "signature": "backends.signature",
    "support": "convert.support",
    "targets": "deploy.targets",
    "timing": "oracle.timing",
    "values": "backends.values",
    "xla_cpu": "oracle.xla_cpu",
}


class _OldNames(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules under their old names."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        package, _, rest = name.partition(".")
        if package != PACKAGE or rest not in RENAMED:
            return None
        new = f"{PACKAGE}.{RENAMED[rest]}"
        warnings.warn(f"{name} is {new} now; the old name goes with 0.3", DeprecationWarning, stacklevel=2)
        return importlib.machinery.ModuleSpec(name, self, origin=new)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(str(spec.origin))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is executed again; the module's own spec, which the import has replaced, comes back."""
        spec = module.__spec__
        if spec is not None and spec.loader is self:
            module.__spec__ = spec.loader_state


def install_old_names() -> None:
    """Let the old names be imported."""
    if not any(isinstance(finder, _OldNames) for finder in sys.meta_path):
        sys.meta_path.append(_OldNames())
