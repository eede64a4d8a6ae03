"""The programs in the documentation run; what it says of messages, tests and pages is so."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jax")
pytest.importorskip("tvm")

from tvm_hlo_frontend.backends.select import installed_dialect

ROOT = Path(__file__).resolve().parents[2]
PAGES = {  # number of programs
    "README.md": 3,
    "docs/index.md": 2,
    "docs/extending.md": 3,
    "docs/howto/relax.md": 3,
    "docs/howto/jax.md": 4,
    "docs/howto/deploy.md": 4,
    "docs/howto/threads.md": 1,
    "docs/howto/donation.md": 1,
    "docs/howto/dynamic_shapes.md": 7,
    "docs/howto/stablehlo.md": 2,
    "docs/howto/tensorflow.md": 4,
    "docs/howto/pytorch.md": 3,
    "docs/howto/hybrid.md": 3,
}
# of other pages than these Relay's pair of module and parameters is what from_… return
OF_BOTH = (
    "README.md",
    "docs/extending.md",
    "docs/howto/threads.md",
    "docs/howto/donation.md",
    "docs/howto/dynamic_shapes.md",
    "docs/howto/hybrid.md",
)
OF_RELAX = "docs/howto/relax.md"
NEEDS = {
    "docs/howto/tensorflow.md": "tensorflow",
    "docs/howto/hybrid.md": "tensorflow",
    "docs/howto/pytorch.md": "torchax",
}


def programs(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_programs_of_a_page_run_one_after_another(page, tmp_path):
    if page in NEEDS and importlib.util.find_spec(NEEDS[page]) is None:
        pytest.skip(f"{NEEDS[page]} is not installed")
    dialect = installed_dialect()
    if page not in OF_BOTH and dialect != ("relax" if page == OF_RELAX else "relay"):
        pytest.skip(f"the page is about the other dialect than {dialect}")
    other = {"relay": "from tvm import relax", "relax": "from tvm import relay"}[dialect]
    program = tmp_path / "page.py"
    program.write_text("\n".join(text for text in programs(page) if other not in text))
    # without JAX's default of asking for accelerators
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip()


def test_every_page_has_programs():
    assert {page: len(programs(page)) for page in PAGES} == PAGES


def test_the_site_has_every_page():
    named = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md"))


def test_messages_in_the_questions_are_those_of_the_code():
    sources = [ast.parse(path.read_text()) for path in (ROOT / "python" / "tvm_hlo_frontend").rglob("*.py")]
    texts = [
        node.value
        for tree in sources
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    tables = re.findall(r"\| the message says \| do \|\n(.*?)\n\n", (ROOT / "docs" / "faq.md").read_text(), re.DOTALL)
    quoted = [
        piece for table in tables for row in table.splitlines() for piece in re.findall(r"`(.*?)`", row.split("|")[1])
    ]
    parts = [part.strip() for piece in quoted for part in piece.split("…")]
    assert len(parts) > 20
    assert [part for part in parts if not any(part in text for text in texts)] == []


def test_tests_that_the_questions_name_exist():
    folder = ROOT / "tests" / "python" / "frontend"
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / "faq.md").read_text())
    defined = "".join(path.read_text() for path in folder.rglob("test_tvm_*.py"))
    assert len(named) > 20 and [name for name in named if f"def {name}(" not in defined] == []


def test_excerpts_stand_in_the_files_that_they_name():
    page = (ROOT / "docs" / "extending.md").read_text()
    excerpts = re.findall(r"^```py\n# (\S+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(excerpts) == 5
    for name, text in excerpts:
        path = ROOT / name if name.startswith("tests/") else ROOT / "python" / "tvm_hlo_frontend" / name
        assert text in path.read_text(), name
