"""Exported libraries, run where there is TVM's runtime and numpy, but no framework and not this package.

Run: python tools/conformance/deployed.py FOLDER   (a JSON object per library: its stem and what differs)
"""

from __future__ import annotations

import importlib.abc
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

ABSENT = ("jax", "jaxlib", "tensorflow", "torch", "scipy", "tvm_hlo_frontend")


class Absent(importlib.abc.MetaPathFinder):
    """Makes packages look as if they were not installed."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"{fullname} must not be needed where a library is deployed", name=fullname)


def save_for_deployment(executable: Any, arguments: tuple[np.ndarray, ...], stem: Path) -> None:
    """Write a library, what it takes and what it gave here, next to each other.

    Parameters
    ----------
    executable : tvm_hlo_frontend.deploy.executable.Executable
    arguments : tuple of numpy.ndarray
        As a call takes them.
    stem : pathlib.Path
        The files get its name and ``.so``, ``.json`` and ``.npz``.
    """
    from tvm_hlo_frontend.deploy.executable import check_arguments

    stem.parent.mkdir(parents=True, exist_ok=True)
    executable.export_library(stem.with_suffix(".so"))
    inputs = check_arguments(executable.inputs, arguments)
    arrays = {f"in{i}": array for i, array in enumerate(inputs)}
    arrays.update({f"out{i}": array for i, array in enumerate(executable.run_flat(inputs))})
    np.savez(stem.with_suffix(".npz"), **arrays)
    names = [parameter.name for parameter in executable.inputs]
    about = {"executor": executable.executor, "inputs": names, "host_functions": executable.host_functions}
    stem.with_suffix(".json").write_text(json.dumps(about))


def difference(path: Path) -> str:
    """What one library gives that the process which built it did not; empty if nothing.

    A library that needs the host's LAPACK has to say so.
    """
    about = json.loads(path.read_text())
    with np.load(path.with_suffix(".npz")) as arrays:
        inputs = [arrays[f"in{i}"] for i in range(len(about["inputs"]))]
        wanted = [arrays[f"out{i}"] for i in range(len(arrays.files) - len(inputs))]
    run = {"graph": run_graph, "vm": run_vm, "relax": run_relax}[about["executor"]]
    if about["host_functions"]:
        return missing_function(run, path, about, inputs)
    got = run(path.with_suffix(".so"), about["inputs"], inputs)
    if len(got) != len(wanted):
        return f"{len(got)} results instead of {len(wanted)}"
    wrong = [i for i, (a, b) in enumerate(zip(got, wanted)) if a.dtype != b.dtype or not equal(a, b)]
    return f"results {wrong} differ" if wrong else ""


def missing_function(run: Any, path: Path, about: dict[str, Any], inputs: list[np.ndarray]) -> str:
    """Empty if running a library names a host function that this process does not have."""
    try:
        run(path.with_suffix(".so"), about["inputs"], inputs)
    except RuntimeError as error:
        named = any(function in str(error) for function in about["host_functions"])
        return "" if named else f"{about['host_functions']} are missing, and the error does not say so: {error}"
    return f"runs without {about['host_functions']}"


def equal(first: np.ndarray, second: np.ndarray) -> bool:
    """The same shape and bits."""
    return first.shape == second.shape and first.tobytes() == second.tobytes()


def run_graph(path: Path, names: list[str], inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Run with the graph executor."""
    import tvm
    from tvm.contrib.graph_executor import GraphModule

    module = GraphModule(tvm.runtime.load_module(str(path))["default"](tvm.cpu()))
    for name, array in zip(names, inputs):
        module.set_input(name, tvm.nd.array(array))
    module.run()
    return [module.get_output(index).numpy() for index in range(module.get_num_outputs())]


def run_vm(path: Path, names: list[str], inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Run with Relay's virtual machine."""
    import tvm
    from tvm.runtime.vm import VirtualMachine

    def flat(value: Any) -> list[np.ndarray]:
        return [value.numpy()] if hasattr(value, "numpy") else [array for part in value for array in flat(part)]

    machine = VirtualMachine(tvm.runtime.load_module(str(path)), tvm.cpu())
    return flat(machine.invoke("main", *[tvm.nd.array(array) for array in inputs]))


def run_relax(path: Path, names: list[str], inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Run with Relax's virtual machine."""
    import tvm
    from tvm import relax

    def flat(value: Any) -> list[np.ndarray]:
        return [value.numpy()] if hasattr(value, "numpy") else [array for part in value for array in flat(part)]

    machine = relax.VirtualMachine(tvm.runtime.load_module(str(path)), tvm.cpu())
    return flat(machine["main"](*[tvm.runtime.tensor(array) for array in inputs]))


if __name__ == "__main__":
    sys.meta_path.insert(0, Absent())
    for about in sorted(Path(sys.argv[1]).glob("*.json")):
        print(json.dumps({"stem": about.stem, "difference": difference(about)}), flush=True)
