"""Runs a sample of JAX's primitive harnesses through a copy of the package that lacks the other dialect's code.

Run: python -m tools.dialects_apart [--sample N] [--jobs N] [--timeout S]

The dialect is that of the TVM of this Python. Ends with 1 if a harness does not pass.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.conformance.driver import in_fair_order, run_all
from tools.conformance.harnesses import groups_of, load_harnesses, stratified
from tools.support.options import worker_options
from tools.support.outcome import PASS, Outcome

PACKAGE = Path(__file__).resolve().parents[2] / "python" / "tvm_hlo_frontend"
# files that one dialect alone needs
CODE_OF = {"relay": ["backends/relay", "schedules/te"], "relax": ["backends/relax", "schedules/prim_func"]}


def copy_without(dialect: str, folder: Path) -> list[str]:
    """Copy the package into `folder` without the code of a dialect.

    Returns
    -------
    list of str
        What was left out, relative to the package.
    """
    copy = folder / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    deleted = [path for pattern in CODE_OF[dialect] for path in sorted(copy.glob(pattern))]
    for path in deleted:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return [str(path.relative_to(copy)) for path in deleted]


def run_apart(folder: Path, sample: int, jobs: int, timeout: float) -> Iterator[Outcome]:
    """Outcomes of a sample of harnesses with the package that is in `folder`.

    Raises
    ------
    RuntimeError
        If Python would take the package from elsewhere.
    """
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(folder)  # comes before what is installed
    try:
        command = [sys.executable, "-c", "import tvm_hlo_frontend; print(tvm_hlo_frontend.__file__)"]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        if not Path(found).is_relative_to(folder):
            raise RuntimeError(f"the package would come from {found}, not from {folder}")
        groups = groups_of(load_harnesses())
        names = in_fair_order(stratified(groups, sample))
        yield from run_all({name: groups[name] for name in names}, jobs, timeout)
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def main() -> int:
    """Run, and print what does not pass."""
    parser = worker_options(__doc__, "harness", 120.0)
    parser.add_argument("--sample", type=int, default=620, help="how many harnesses, of all groups (default: 620)")
    options = parser.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from tvm_hlo_frontend.backends.select import installed_dialect

    dialect = installed_dialect()
    other = "relax" if dialect == "relay" else "relay"
    passed = 0
    with tempfile.TemporaryDirectory() as folder:
        print(f"without {', '.join(copy_without(other, Path(folder)))}", flush=True)
        for outcome in run_apart(Path(folder), options.sample, options.jobs, options.timeout):
            passed += outcome.status == PASS
            if outcome.status != PASS:
                print(f"{outcome.status}: {outcome.name}: {outcome.message}", flush=True)
    print(f"{dialect}: {passed} of {options.sample} pass without the code of {other}")
    return 0 if passed == options.sample else 1


if __name__ == "__main__":
    sys.exit(main())
