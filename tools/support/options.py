"""The options of the programs that give their work to worker processes."""

from __future__ import annotations

import argparse

from tvm_hlo_frontend.backends.executors import processors


def worker_options(description: str | None, each: str, timeout: float) -> argparse.ArgumentParser:
    """Parser with `--jobs`, and with `--timeout` of each thing that a worker is given."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=len(processors()), help="worker processes (default: one per CPU)")
    parser.add_argument("--timeout", type=float, default=timeout, help=f"seconds per {each}")
    return parser
