"""The programs in the documentation run."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jax")

ROOT = Path(__file__).resolve().parents[2]
PAGES = {  # number of programs
    "README.md": 2,
    "docs/index.md": 2,
    "docs/extending.md": 3,
    "docs/howto/jax.md": 3,
    "docs/howto/deploy.md": 2,
    "docs/howto/stablehlo.md": 2,
    "docs/howto/tensorflow.md": 2,
    "docs/howto/pytorch.md": 1,
}
NEEDS = {"docs/howto/tensorflow.md": "tensorflow", "docs/howto/pytorch.md": "torchax"}


def programs(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_programs_of_a_page_run_one_after_another(page, tmp_path):
    if page in NEEDS and importlib.util.find_spec(NEEDS[page]) is None:
        pytest.skip(f"{NEEDS[page]} is not installed")
    program = tmp_path / "page.py"
    program.write_text("\n".join(programs(page)))
    # without JAX's default of asking for accelerators
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip()


def test_every_page_has_programs():
    assert {page: len(programs(page)) for page in PAGES} == PAGES
