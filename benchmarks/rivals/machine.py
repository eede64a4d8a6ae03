"""Which machine, commit and versions figures are of; what the machine can do at most."""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import ROOT
from .prepared import THREADS

CommandError = subprocess.CalledProcessError
# of each of three arrays: beyond any cache
TRIAD_ELEMENTS = 1 << 27


def processor() -> str:
    """Name of the processor, as the operating system has it, and how many there are."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    facts = dict(reversed([line.partition("\t")[::2] for line in lines if ":" in line]))
    name, family, model = (
        facts.get(key, ": ?").split(":")[-1].strip() for key in ("model name", "cpu family", "model")
    )
    return f"{name} (family {family}, model {model}), {len(os.sched_getaffinity(0))} processors"


def file_name(processor: str) -> str:
    """Of the results on a processor, without its suffix."""
    plain = re.sub(r"\((r|tm)\)|\bprocessors?\b|\bcpu\b", "", processor.lower())
    return "_".join(re.findall(r"[a-z0-9]+", plain))


def commit() -> str:
    """The last one that changed the package; with a plus where it has changed since."""
    found = run(["git", "-C", str(ROOT), "log", "-1", "--format=%h", "--abbrev=8", "--", "python"])
    changed = run(["git", "-C", str(ROOT), "status", "--porcelain", "python"])
    return found + "+" * bool(changed)


def today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def versions(python: Path, distributions: Sequence[str]) -> str:
    """Of these packages in an environment."""
    program = "import sys, importlib.metadata as m; print(*(m.version(name) for name in sys.argv[1:]), sep=', ')"
    return run([str(python), "-c", program, *distributions])


def peaks() -> dict[str, Any]:
    """GFLOP/s of f32 and GB/s, of one and of all threads."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "peaks")
        source = Path(__file__).with_name("peaks.c")
        run(["gcc", "-O3", "-march=native", "-pthread", str(source), "-o", str(program)])
        found = [run([str(program), str(threads), str(TRIAD_ELEMENTS)]).split() for threads in (1, THREADS)]
    names = ("one_gflops", "one_gbs", "all_gflops", "all_gbs")
    return dict(zip(names, (float(number) for line in found for number in line), strict=True))


def run(command: Sequence[str]) -> str:
    """What a program prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def read(path: Path) -> dict[str, Any]:
    """Results so far: machine, peaks, versions and measurements; empty ones where there is no file."""
    if path.is_file():
        return dict(json.loads(path.read_text()))
    return {"processor": "", "peaks": {}, "versions": {}, "rows": {}}


def every(folder: Path) -> dict[str, dict[str, Any]]:
    """Results on every processor, by file name."""
    return {path.stem: read(path) for path in sorted(folder.glob("*.json"))}


def kept(results: dict[str, Any], here: str) -> dict[str, Any]:
    """Results that may be added to on the processor `here`: none of another one."""
    if results["processor"] == here:
        return results
    return {"processor": here, "peaks": {}, "versions": {}, "rows": {}}


def write(path: Path, results: dict[str, Any]) -> None:
    """The file that `read` reads, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    new.replace(path)
