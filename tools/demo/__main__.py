"""Real JAX and Keras models through TVM, compared with their frameworks and with XLA: what `make demo` shows.

Ends with 1 if a model cannot be converted or an error exceeds the tolerance.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
import traceback
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.demo.run import Row

TOLERANCE = 1e-3
# TVM takes half of the processors by default, XLA all of them
THREADS = len(os.sched_getaffinity(0))
ENVIRONMENT = {"TVM_NUM_THREADS": str(THREADS), "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}


def main() -> int:
    """Run the demo; the exit status."""
    # read when TVM, TensorFlow and JAX start, so before anything imports them
    os.environ.update(ENVIRONMENT)
    options = parse_arguments()
    for name in ("te_compiler", "strategy", "autotvm"):
        logging.getLogger(name).setLevel(logging.ERROR)
    start = time.perf_counter()
    rows, failures = run_models(options.models, options.all)
    show(rows, time.perf_counter() - start, options.all)
    if options.json:
        write_json(options.json, rows, failures)
    failures += [
        f"{row.model}, {row.weights}: error {row.worst_error:.1e} exceeds {TOLERANCE:.0e}"
        for row in rows
        if not row.worst_error <= TOLERANCE
    ]
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    return 1 if failures else 0


def parse_arguments() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="names of the models to run, by default five")
    parser.add_argument(
        "--all", action="store_true", help="run all models, with frozen weights and through TVM's own builds as well"
    )
    parser.add_argument("--json", metavar="FILE", help="write the rows to FILE")
    return parser.parse_args()


def run_models(names: list[str], everything: bool) -> tuple[list[Row], list[str]]:
    """(rows, failures) of the models named, of all in every way, or of those in `SHOWN`; prints a line as each row is
    done."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from tools.demo.run import import_tvm, rows_of
    from tools.models.library import MODELS, SHOWN, model_named
    from tvm_hlo_frontend import HloFrontendError

    try:
        models = list(MODELS) if everything else [model_named(name) for name in names or SHOWN]
    except ValueError as error:
        return [], [str(error)]
    print(f"{len(models)} models: {', '.join(model.name for model in models)}", flush=True)
    import_tvm()
    rows: list[Row] = []
    failures: list[str] = []
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        for model in models:
            task = progress.add_task(model.name)

            def tell(text: str, task: Any = task, name: str = model.name) -> None:
                progress.update(task, description=f"{name}: {text}")

            start = time.perf_counter()
            try:
                for row in rows_of(model, everything, tell):
                    rows.append(row)
                    print(line(row, time.perf_counter() - start), flush=True)
            except Exception as error:  # the other models are still worth showing
                if not isinstance(error, HloFrontendError):
                    traceback.print_exc()
                failures.append(f"{model.name}: {type(error).__name__}: {error}")
            progress.remove_task(task)
    return rows, failures


def line(row: Row, seconds: float) -> str:
    """A row in one line, for those who wait for the table."""
    latencies = f"TVM {row.tvm_ms:.2f} ms, XLA {row.xla_ms:.2f} ms"
    return f"{row.model}, {row.weights}: error {row.worst_error:.1e}, {latencies}; {seconds:.0f} s"


def show(rows: list[Row], seconds: float, every_way: bool) -> None:
    """Print the table, with columns for TVM's own builds if there was `every_way`."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console() if sys.stdout.isatty() else Console(width=140)
    table = Table(box=box.SIMPLE_HEAD, title="HLO through TVM: error = max|Δ| / std against the framework")
    table.add_column("model")
    table.add_column("weights")
    for heading in ("instr.", "opcodes", "read s", "convert s", "build s"):
        table.add_column(heading, justify="right")
    own_builds = ("relay.build", "relay.vm") if every_way else ()
    for heading in ("error", *own_builds, "TVM ms", "XLA ms", "TVM/XLA"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*cells(row, every_way))
    console.print(table)
    console.print(f"{THREADS} threads for TVM and for XLA; {seconds:.0f} s in all", highlight=False)


def cells(row: Row, every_way: bool) -> list[str]:
    """A row as text; arguments as of `show`."""

    def error(value: float | None) -> str:
        return "" if value is None else f"{value:.1e}"

    return [
        f"{row.model} ({row.framework})",
        row.weights,
        str(row.instructions),
        str(row.opcodes),
        f"{row.read_s:.2f}",
        f"{row.convert_s:.2f}",
        f"{row.build_s:.1f}",
        error(row.error),
        *([error(row.relay_build_error), error(row.relay_vm_error)] if every_way else []),
        f"{row.tvm_ms:.2f}",
        f"{row.xla_ms:.2f}",
        f"{row.ratio:.2f}",
    ]


def write_json(path: str, rows: list[Row], failures: list[str]) -> None:
    """Write the rows to `path`."""
    records = [asdict(row) | {"ratio": row.ratio} for row in rows]
    with open(path, "w", encoding="utf-8") as handle:
        json.dump({"threads": THREADS, "tolerance": TOLERANCE, "rows": records, "failures": failures}, handle, indent=2)
        handle.write("\n")


if __name__ == "__main__":
    sys.exit(main())
