"""The programs in the documentation run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jax")

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "docs/extending.md"]


def programs(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_programs_of_a_page_run_one_after_another(page, tmp_path):
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
    assert [len(programs(page)) for page in PAGES] == [2, 3]
