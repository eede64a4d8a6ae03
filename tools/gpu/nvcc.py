"""Kernels of CUDA, each once, through nvcc."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.support.outcome import shorten

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".cache" / "gpu" / "kernels"
ARCHITECTURES = ("80", "90")
# kernels that are compiled at once
BATCH = 60
# what says of a kernel that it compiles, beside its text
COMPILED = ".compiled"
FIRST = 'extern "C" __global__'
KERNEL = re.compile(
    rf"^{re.escape(FIRST)} void (?:__launch_bounds__\(\d+\) )?(\w+)\([^\n]*\) \{{\n.*?^\}}\n", re.MULTILINE | re.DOTALL
)
DEFINITION = re.compile(rf"^{re.escape(FIRST)}[^;\n]*\{{$", re.MULTILINE)
# between what comes before all kernels, and a kernel
BETWEEN = "// kernel\n"


def keep_kernels(sources: Iterable[str]) -> list[str]:
    """Write the kernels of sources to files of their own, those that are equal but for their names once; names of the
    files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    found: dict[str, None] = {}
    for source in sources:
        head, _, _ = source.partition(FIRST)
        matches = list(KERNEL.finditer(source))
        if len(matches) != len(DEFINITION.findall(source)):
            raise ValueError("the source of these kernels is not divided into kernels: " + source)
        for match in matches:
            text = re.sub(rf"\b{match[1]}\(", "NAME(", match[0], count=1)
            digest = hashlib.sha256((head + text).encode()).hexdigest()[:24]
            path = FOLDER / f"{digest}.cu"
            if not path.exists():
                path.write_text(head + BETWEEN + text.replace("NAME(", f"hlo_{digest}(", 1))
            found[digest] = None
    return list(found)


def failures(digests: Iterable[str], until: float = float("inf")) -> tuple[dict[str, str], int]:
    """Compile kernels that have not been; what nvcc says of those that do not compile, and how many are left when the
    time is `until`, of time.monotonic."""
    by_head: dict[str, list[str]] = {}
    for digest in sorted(set(digests)):
        if not (FOLDER / f"{digest}{COMPILED}").exists():
            head, _, _ = (FOLDER / f"{digest}.cu").read_text().partition(BETWEEN)
            by_head.setdefault(head, []).append(digest)
    batches = [group[first : first + BATCH] for group in by_head.values() for first in range(0, len(group), BATCH)]
    found: dict[str, str] = {}
    for number, batch in enumerate(batches):
        if time.monotonic() > until:
            return found, sum(map(len, batches[number:]))
        found |= _failures_of(batch)
    return found, 0


def _failures_of(batch: Sequence[str]) -> dict[str, str]:
    """What nvcc says of each kernel of a batch with one head that does not compile: all together, or in halves."""
    message = _compile(batch)
    if message is None:
        for digest in batch:
            (FOLDER / f"{digest}{COMPILED}").touch()
        return {}
    if len(batch) == 1:
        return {batch[0]: message}
    half = len(batch) // 2
    return {**_failures_of(batch[:half]), **_failures_of(batch[half:])}


def _compile(batch: Sequence[str]) -> str | None:
    """What nvcc says of kernels with one head that do not compile together; None if they do."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        raise FileNotFoundError("nvcc is not on PATH: install CUDA's toolkit, or pip install nvidia-cuda-nvcc")
    texts = [(FOLDER / f"{digest}.cu").read_text().partition(BETWEEN) for digest in batch]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernels.cu")
        source.write_text("\n".join([texts[0][0], *(text for _, _, text in texts)]))
        codes = [f"-gencode=arch=compute_{each},code=sm_{each}" for each in ARCHITECTURES]
        command = [nvcc, "-w", "-fatbin", *codes, "-o", str(source.with_suffix(".fatbin")), str(source)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else shorten(done.stderr or f"nvcc ended with {done.returncode}")
