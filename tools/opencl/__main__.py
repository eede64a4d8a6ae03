"""Models of the demo and a sample of JAX's primitive harnesses, compiled for OpenCL, run by PoCL on the CPU and
compared with the framework and with XLA:CPU. Ends with 1 if a number is wrong or anything fails; no GPU is needed.

Run: python -m tools.opencl [--jobs N] [--sample N] [--timeout S] [model ...]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter

from tools.conformance.driver import in_fair_order, run_all
from tools.conformance.harnesses import groups_of, load_harnesses, stratified
from tools.support.outcome import PASS, REFUSED, STATUSES, Outcome

WORKER = "tools.opencl.worker"
TOLERANCE = 1e-3
MODELS = ("MLP", "CNN", "BERT", "Decoder")


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS, help="models of the demo, by default four small ones")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes for the harnesses")
    parser.add_argument("--sample", type=int, default=600, help="harnesses, a fixed sample stratified by group")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds per harness")
    return parser.parse_args()


def error_of(name: str) -> float:
    """max|Δ| / std of a model's results against its framework."""
    from tools.demo.run import as_list, convert
    from tools.models.library import model_named, relative_error
    from tools.support.pocl import Pocl
    from tvm_hlo_frontend import build
    from tvm_hlo_frontend.hlo.proto.reader import read

    instance = model_named(name).make()
    mod, params = convert(read(instance.lowered.hlo), instance.lowered, False)
    with Pocl().opened():
        results = build(mod, params, target="opencl")(*instance.inputs)
    return relative_error(as_list(results), instance.reference(*instance.inputs))


def outcomes_of(count: int, jobs: int, timeout: float) -> list[Outcome]:
    """Outcomes of a sample of harnesses; prints what does not pass."""
    groups = groups_of(load_harnesses())
    chosen = {name: groups[name] for name in in_fair_order(stratified(groups, count))}
    found = []
    for outcome in run_all(chosen, jobs, timeout, WORKER):
        found.append(outcome)
        if outcome.status != PASS:
            print(f"{outcome.status}: {outcome.name}: {outcome.message}", flush=True)
    return found


def main() -> int:
    """Run and print; the exit status."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    options, failed = parse_arguments(), False
    for name in options.models:
        error = error_of(name)
        failed |= not error <= TOLERANCE
        print(f"{name}: error {error:.1e}", flush=True)
    counts = Counter(each.status for each in outcomes_of(options.sample, options.jobs, options.timeout))
    print(f"{options.sample} harnesses: {', '.join(f'{counts[s]} {s}' for s in STATUSES if counts[s])}")
    return int(failed or any(counts[status] for status in STATUSES if status not in (PASS, REFUSED)))


if __name__ == "__main__":
    sys.exit(main())
