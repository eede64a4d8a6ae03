"""Converted modules and compiled libraries on disk, with what is needed to use them again."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..backends.select import load_dialect, module_text, without_params
from ..backends.signature import signature_of
from ..convert.report import refuse_to_save, report_of
from ..errors import HloParseError
from .executable import Executable, facts_of, load_executable, tell_of_export, write_code
from .library_files import description_of, write_facts
from .targets import target_text
from .whole_files import written_together

MODULE = "module.json"
TEXT = "module.txt"
PARAMS = "params.bin"
METADATA = "metadata.json"
FILES = (MODULE, TEXT, PARAMS, METADATA)


def save_module(mod: Any, params: Mapping[str, Any], folder: Path, source: str = "") -> None:
    """Write a converted module into a folder, which is made if need be; files in it are overwritten.

    Parameters
    ----------
    mod : tvm.IRModule
        From `from_hlo`.
    params : mapping of str to array
        Of Relax: the values that main's attribute ``params`` has.
    folder : pathlib.Path
        Gets ``module.json`` (`tvm.ir.save_json`), ``module.txt`` for people, ``params.bin`` (TVM's file of parameters)
        and ``metadata.json`` (signature, report, versions): all of them, or none if that fails.
    source : str
        What the module was read from, for the metadata.

    Raises
    ------
    HostFunctionError
        If the module calls TensorFlow in this process.
    """
    import tvm

    refuse_to_save(report_of(mod).host_functions, folder)
    folder.mkdir(parents=True, exist_ok=True)
    report, bare = asdict(report_of(mod)), without_params(mod)
    about = {"source": source, "signature": asdict(signature_of(mod)), "report": report, "versions": versions()}
    # without module.json it is no saved module, so that one comes last
    with written_together([folder / name for name in (TEXT, PARAMS, METADATA, MODULE)]) as (text, data, facts, module):
        text.write_text(module_text(bare) + "\n")
        data.write_bytes(tvm.runtime.save_param_dict(dict(params)))
        facts.write_text(json.dumps(about, indent=1) + "\n")
        module.write_text(tvm.ir.save_json(bare))


def is_saved_module(path: Path) -> bool:
    """Whether `path` is a folder that `save_module` has written."""
    return (path / MODULE).is_file() and (path / PARAMS).is_file()


def load_module(folder: Path) -> tuple[Any, dict[str, Any]]:
    """(mod, params) that `save_module` has written.

    Raises
    ------
    HloParseError
        If the files do not hold them.
    """
    load_dialect()  # registers the operators that the module calls
    import tvm

    try:
        mod = tvm.ir.load_json((folder / MODULE).read_text())
        params = tvm.runtime.load_param_dict((folder / PARAMS).read_bytes())
        signature_of(mod)
    except (OSError, RuntimeError, AttributeError, KeyError, ValueError) as error:
        raise HloParseError(f"{folder} holds no module that this package and TVM {tvm.__version__} can load") from error
    return mod, dict(params)


def save_library(executable: Executable, path: Path, target: Any, source: str = "") -> Path:
    """Export a compiled module as a library, and write beside it a JSON file that says how to use it.

    Parameters
    ----------
    executable : Executable
    path : pathlib.Path
        ``.so``, or ``.tar`` with object files where the code is for another machine.
    target : str or dict
        What it was compiled for, as `build` takes it.
    source : str
        What the module was read from.

    Returns
    -------
    pathlib.Path
        The JSON file: signature, executor (``"graph"``, ``"vm"`` or ``"relax"``), functions of the host that it
        calls, whether it uses TVM's thread pool, results that it can compute in place, results in memory of their own,
        kind of device, target, versions.
    """
    tell_of_export(executable, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    description = description_of(path)
    with written_together([path, description]) as (library, _):
        write_library_of(executable, library, target, source)
    return description


def write_library_of(executable: Executable, path: Path, target: Any, source: str) -> None:
    """What `save_library` writes, in place."""
    write_code(executable, path)
    about = {"source": source, "target": target_text(target), "versions": versions()}
    write_facts(facts_of(executable), path, about)


def load_library(path: Path) -> Executable:
    """Executable of a library that `save_library` has written.

    Raises
    ------
    HloParseError
        If the library or the JSON file beside it is missing, or they are something else.
    """
    return load_executable(path)


def versions() -> dict[str, str]:
    """Versions of what had a part in a module."""
    import tvm

    found = {"tvm": tvm.__version__, "python": platform.python_version()}
    for name in ("tvm_hlo_frontend", "numpy", "jaxlib"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
