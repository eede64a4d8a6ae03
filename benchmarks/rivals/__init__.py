"""Products, convolutions and models on this package and on other runtimes, each against XLA:CPU in one process."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "benchmarks" / "rivals.md"
# results, page and plot of each processor
PROCESSORS = ROOT / "benchmarks" / "rivals_on"
# what the contestants are given, made once; ignored by git
CACHE = ROOT / ".cache" / "bench"
