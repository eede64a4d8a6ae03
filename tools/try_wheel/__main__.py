"""Run README's programs with a wheel of this package, out of the source tree.

Without --fresh a new environment holds nothing but the wheel and sees the packages of the one that runs this tool,
without its editable install. With --fresh each Python given installs the wheel with its extras from the index: once
with Relax, once with Relay if --find-links has a wheel of TVM 0.17.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "python"
# the tools and tests of the environment are no part of what the programs see
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
BEFORE = """import tvm_hlo_frontend, sys
assert tvm_hlo_frontend.__file__.startswith(sys.prefix), f"{tvm_hlo_frontend.__file__} is not the wheel's"
"""


def main() -> int:
    """Try the wheel; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--fresh", action="store_true", help="install what the wheel needs from the index")
    parser.add_argument("--python", action="append", default=[], help="interpreter to try; may be repeated")
    parser.add_argument("--find-links", type=Path, help="a folder with a wheel of TVM 0.17")
    options = parser.parse_args()
    wheel = options.wheel.resolve()
    failures = [f"not in the wheel: {name}" for name in missing(wheel)]
    for python in options.python or [sys.executable]:
        for dialect in dialects(options) if options.fresh else [installed()]:
            with tempfile.TemporaryDirectory() as folder:
                failures += attempt(wheel, python, dialect, Path(folder), options)
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    return int(bool(failures))


def missing(wheel: Path) -> Iterator[str]:
    """Files of the package that the wheel does not hold."""
    held = set(zipfile.ZipFile(wheel).namelist())
    for path in sorted(SOURCES.rglob("*")):
        name = path.relative_to(SOURCES).as_posix()
        if path.is_file() and path.suffix != ".pyc" and ".egg-info/" not in name and name not in held:
            yield name


def dialects(options: argparse.Namespace) -> list[str]:
    """Extras of TVM that can be installed."""
    relay = options.find_links and list(options.find_links.glob("tvm-*.whl"))
    return ["relax", "relay"] if relay else ["relax"]


def installed() -> str:
    """The dialect of the TVM that this tool's environment has."""
    from tvm_hlo_frontend.backends.select import installed_dialect

    return installed_dialect()


def attempt(wheel: Path, python: str, dialect: str, folder: Path, options: argparse.Namespace) -> list[str]:
    """What goes wrong with one Python and one TVM."""
    what = f"{dialect} on {python}"
    try:
        created = fresh(python, folder) if options.fresh else bare(folder)
        install(wheel, created, dialect, options)
        run([str(created), "-c", BEFORE + program(dialect)], folder)
        run([str(created.with_name("tvm-hlo")), "--help"], folder)
    except subprocess.CalledProcessError as error:
        return [f"{what}: {' '.join(error.cmd)[:200]}\n{error.stdout[-3000:]}"]
    print(f"passed: {what}", flush=True)
    return []


def fresh(python: str, folder: Path) -> Path:
    """Interpreter of an empty environment with pip."""
    run([python, "-m", "venv", str(folder / "env")], folder)
    return folder / "env/bin/python"


def bare(folder: Path) -> Path:
    """Interpreter of an environment that sees this one's packages, but not through its .pth files."""
    venv.create(folder / "env", with_pip=False, symlinks=True)
    created = folder / "env/bin/python"
    site = run([str(created), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip()
    Path(site, "packages_of_the_other.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return created


def install(wheel: Path, created: Path, dialect: str, options: argparse.Namespace) -> None:
    """The wheel, and if `fresh` what it needs."""
    pip = [sys.executable, "-m", "pip", "--python", str(created), "install", "--quiet"]
    if not options.fresh:
        run([*pip, "--no-deps", "--no-index", str(wheel)], created.parent)
        return
    links = ["--find-links", str(options.find_links.resolve())] if options.find_links else []
    run([*pip, *links, f"{wheel}[{dialect},jax]"], created.parent)


def program(dialect: str) -> str:
    """README's program for that TVM."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return next(block for block in blocks if f"from tvm import {dialect}" in block)


def run(command: list[str], folder: Path) -> str:
    """Standard output; CalledProcessError with all output if the command fails."""
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
