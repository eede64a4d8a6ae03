"""``python -m tools.sanitize``: compiled kernels on hostile indices and sizes, with every buffer watched.

``--kind pages``: code of LLVM, as `build` makes it. Each buffer of each kernel ends, and then begins, at a page that
cannot be read or written; so do workspaces. ``--kind c``: the same kernels as C, compiled by gcc with AddressSanitizer
and UndefinedBehaviorSanitizer. Results of LLVM's code are compared with XLA:CPU's; TVM writes floats into C with six
digits. What ends its process is told by the case's name.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from tools.sanitize.faulty import FAULTY_CASES
from tools.sanitize.prepare import CASES, NOT_IN_C, preloaded
from tools.support.compare import DIALECT
from tools.support.options import worker_options

BATCH = 8
KINDS = ("pages", "c")


def main(arguments: Sequence[str]) -> int:
    """Run cases; the exit status."""
    parser = worker_options(__doc__, "case", 120)
    parser.add_argument("--kind", choices=KINDS, default="pages", help="what is compiled")
    parser.add_argument("--only", help="cases whose names hold this")
    options = parser.parse_args(arguments)
    sound = [name for name in CASES if name not in {case.name for case in FAULTY_CASES}]
    left_out = NOT_IN_C[DIALECT] if options.kind == "c" else set()
    names = [name for name in sound if name not in left_out and (not options.only or options.only in name)]
    start = time.monotonic()
    faults = faults_of(names, options.kind, options.jobs, options.timeout)
    for name, fault in faults.items():
        print(f"--- {name}: {fault}\n", flush=True)
    print(f"{DIALECT}, {options.kind}: {len(names)} programs, {len(faults)} faults, {time.monotonic() - start:.0f} s")
    return int(bool(faults))


def faults_of(names: Sequence[str], kind: str, jobs: int = 1, timeout: float = 120) -> dict[str, str]:
    """What is wrong with cases, by name; those with which nothing is are left out."""
    batches = [names[first : first + BATCH] for first in range(0, len(names), BATCH)]
    with ThreadPoolExecutor(jobs) as threads:
        found = list(threads.map(lambda batch: dict(faults_of_batch(batch, kind, timeout)), batches))
    return {name: fault for each in found for name, fault in each.items()}


def faults_of_batch(names: Sequence[str], kind: str, timeout: float) -> Iterator[tuple[str, str]]:
    """Compile cases in one process, and run them in another."""
    with tempfile.TemporaryDirectory() as folder:
        made = dict(results_of("prepare", kind, folder, names, os.environ, timeout))
        yield from ((name, f"not compiled: {fault}") for name, fault in made.items() if fault)
        whole = [name for name, fault in made.items() if not fault]
        environment = preloaded() if kind == "c" else os.environ
        for name, fault in results_of("run", kind, folder, whole, environment, timeout):
            if fault:
                yield name, fault


def results_of(
    program: str, kind: str, folder: str, names: Sequence[str], environment: Mapping[str, str], timeout: float
) -> Iterator[tuple[str, str]]:
    """What workers say of cases, empty where all is well; one that ends with a case goes on with a new process."""
    left = list(names)
    given = {**environment, "TVM_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
    while left:
        command = [sys.executable, "-m", f"tools.sanitize.{program}", kind, folder, *left]
        worker = subprocess.Popen(
            command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
        )
        try:
            output, errors = worker.communicate(timeout=timeout * len(left))
        except subprocess.TimeoutExpired:
            worker.kill()
            output, errors = worker.communicate()
        place = ""
        for line in output.splitlines():
            told = json.loads(line) if line.startswith("{") else {"begins": True}
            place = told.get("place", place)
            if "fault" in told:
                left.remove(told["item"])
                yield told["item"], told["fault"]
        if left:
            status = worker.returncode
            how = signal.Signals(-status).name if status < 0 else f"status {status}"
            yield left.pop(0), f"{place}: the process ended with {how}\n{errors[:3000]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
