"""Runs the tutorials: tutorials/*.py (percent format) become notebooks with their real output.

Run: make tutorials   (python -m tools.tutorials [PART OF A NAME …] [--check] runs some; --check writes nothing)

With today's TVM it runs those by default that TVM 0.17 cannot; the output of the others is that of TVM 0.17.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tvm_hlo_frontend.backends.select import installed_dialect

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = ROOT / "tutorials"
TIMEOUT = 300  # seconds per cell
# the tutorials run in folders of their own, and may import what is beside this
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
}
RELAX_ALONE = ("10_jax_on_a_gpu.py",)


def main() -> int:
    """Run the tutorials; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of tutorials, by default all")
    parser.add_argument("--check", action="store_true", help="only run them")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many run at once (default 1)")
    options = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    scripts = chosen(options.names, installed_dialect())
    with ThreadPoolExecutor(options.jobs) as pool:
        passed = list(pool.map(lambda script: run(script, write=not options.check), scripts))
    return 0 if all(passed) else 1


def run(script: Path, write: bool) -> bool:
    """Run a tutorial and maybe write its notebook; whether all of its cells ran."""
    start = time.perf_counter()
    try:
        notebook = executed(script)
    except CellExecutionError as error:
        print(f"FAILED {script.name}\n{error}", file=sys.stderr)
        return False
    if write:
        nbformat.write(notebook, script.with_suffix(".ipynb"))
    print(f"{script.name}: {time.perf_counter() - start:.0f} s", flush=True)
    return True


def chosen(names: Sequence[str], dialect: str) -> list[Path]:
    """The scripts with a part of their name among `names`; without names those of which the output of this dialect is
    kept."""
    scripts = sorted(TUTORIALS.glob("*.py"))
    if names:
        return [script for script in scripts if any(name in script.name for name in names)]
    return [script for script in scripts if (script.name in RELAX_ALONE) == (dialect == "relax")]


def executed(script: Path) -> nbformat.NotebookNode:
    """Notebook of a script with its output; it runs in a folder of its own."""
    notebook = jupytext.read(script)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3", resources=resources).execute()
    for number, cell in enumerate(notebook.cells):
        # what is another at every run says nothing to a reader
        cell.metadata.pop("execution", None)
        cell.id = f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs = [settled(output) for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata.pop("language_info", None)
    return notebook


def settled(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Output without the names of the kernel's temporary files."""
    for texts in (output, output.get("data", {})):
        for kind in ("text", "text/plain", "text/html", "image/svg+xml"):
            if isinstance(texts.get(kind), str):
                texts[kind] = re.sub(r"[^\s\"]*/ipykernel_\d+/\d+\.py", "notebook", texts[kind])
    return output


if __name__ == "__main__":
    sys.exit(main())
