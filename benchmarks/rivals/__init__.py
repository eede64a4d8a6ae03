"""Products, convolutions and models on this package and on other runtimes, each against XLA:CPU in one process."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "rivals.json"
PAGE = ROOT / "benchmarks" / "rivals.md"
PLOT = ROOT / "benchmarks" / "rivals.svg"
# what the contestants are given, made once; ignored by git
CACHE = ROOT / ".cache" / "bench"
