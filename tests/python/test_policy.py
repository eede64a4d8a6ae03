"""The walls of the house: what each part of the package may import, and how large its pieces may be."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "python" / "tvm_hlo_frontend"
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60

SOURCES = sorted(PACKAGE.rglob("*.py"))


def imports_of(path: Path, root: Path = PACKAGE) -> list[str]:
    """Names of everything a file imports, anywhere in it; parts of this package with a leading dot."""
    names = []
    package = (*(("tvm_hlo_frontend",) if root == PACKAGE else ()), *path.relative_to(root).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return [name.replace("tvm_hlo_frontend", "", 1) if name.startswith("tvm_hlo_frontend") else name for name in names]


def is_inside(name: str, forbidden: str) -> bool:
    return name == forbidden or name.startswith(forbidden + ".")


def test_the_root_holds_the_face_alone():
    assert {path.name for path in PACKAGE.iterdir() if path.is_file()} == {
        "__init__.py", "__main__.py", "errors.py", "frontend.py", "py.typed",
    }  # fmt: skip


def test_no_part_imports_the_root():
    """It imports most parts; `lint-imports` holds the floors. `from .. import errors` is one of its modules."""
    names = {name for path in SOURCES if path.parent != PACKAGE for name in imports_of(path)}
    top = {name[1:] for name in names if name.startswith(".") and name.count(".") == 1 and name != "."}
    assert "errors" in top
    assert not [name for name in top if not (PACKAGE / name).is_dir() and not (PACKAGE / f"{name}.py").is_file()]


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circle(folder: Path) -> list[str]:
    """Files that import each other in a circle, anywhere in them; none if there is no circle."""
    files = {module_name(path, folder): path for path in sorted(folder.rglob("*.py"))}
    graph = {}
    for name, path in files.items():
        imported = {given.lstrip(".") for given in imports_of(path, folder)} & set(files) - {""}
        # `from .package import module` imports the module
        graph[name] = {given for given in imported if not any(other.startswith(given + ".") for other in imported)}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("folder", ["python/tvm_hlo_frontend", "tests", "tools"])
def test_no_imports_in_a_circle(folder):
    path = PACKAGE.parents[1] / folder
    assert circle(path) == []


def test_import_reader_understands_relative_imports():
    names = imports_of(PACKAGE / "convert" / "ops" / "structure.py")
    assert ".convert.rules" in names and ".hlo.ir.module" in names


# what only one TVM has -> parts that may import it
OF_ONE_TVM = {
    "tvm.relay": ("backends/relay", "backends/select.py"),
    "tvm.relax": ("backends/relax", "backends/select.py"),
    "tvm.tir": ("backends/relay", "tensor_ir/compat.py"),
    "tvm.tirx": ("backends/relax", "tensor_ir/compat.py"),
    "tvm.s_tir": ("backends/relax", "tensor_ir", "schedules/prim_func"),
    "tvm.sym": ("backends/relax", "schedules/prim_func"),
    "tvm_ffi": ("backends/relax", "kernels/linalg/host_lapack.py", "schedules/gpu/half.py", "tensor_ir/trees.py"),
}


@pytest.mark.parametrize("name", OF_ONE_TVM)
def test_what_only_one_tvm_has_is_imported_in_few_places(name):
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {imported}"
        for path in SOURCES
        for imported in imports_of(path)
        if is_inside(imported, name) and not any(path.is_relative_to(PACKAGE / part) for part in OF_ONE_TVM[name])
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_size_of_files_and_functions(path):
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    long = [f"{node.name} has {code_lines(node)} lines" for node in functions if code_lines(node) > MAX_FUNCTION_LINES]
    assert not long


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    docstring = function.body[0] if ast.get_docstring(function) is not None else None
    documented = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
    return function.end_lineno - function.lineno + 1 - documented


GENERATORS = {"default_rng", "RandomState", "Random", "Generator"}


def shared_generators(source: str) -> list[int]:
    """Lines that name a random generator for a whole module or class, whose state then hangs on who drew before."""
    scopes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Module, ast.ClassDef))]
    named = [each.value for scope in scopes for each in scope.body if isinstance(each, (ast.Assign, ast.AnnAssign))]
    made = [value for value in named if isinstance(value, ast.Call)]
    return [value.lineno for value in made if ast.unparse(value.func).split(".")[-1] in GENERATORS]


def test_no_generator_is_shared_between_tests():
    """The fixture `random` gives each test one of its own."""
    assert shared_generators("import numpy as np\nR = np.random.default_rng(0)") == [2]
    assert not shared_generators("import numpy as np\nX = np.random.default_rng(0).normal(size=3)")
    paths = sorted((PACKAGE.parents[1] / "tests").rglob("*.py"))
    assert not [f"{path}:{line}" for path in paths for line in shared_generators(path.read_text())]


def test_every_converter_has_a_summary_and_a_test():
    from tvm_hlo_frontend.convert.table import registered

    tests = "\n".join(path.read_text() for path in (Path(__file__).parents[1]).rglob("*.py"))
    for key, entry in registered().items():
        assert entry.summary, f"the converter of {key} has no docstring"
        name = key.removeprefix("custom-call:")
        assert f'"{name}"' in tests or f"'{name}'" in tests or f" {name} " in tests, f"no test names {key}"


def test_no_path_of_a_machine_and_no_index_host_in_the_tree():
    root = PACKAGE.parents[1]
    hosts = ("py" + "pi.org", "pythonhosted" + ".org", "/wo" + "rk/", "/ro" + "ot/")
    wrong = [
        f"{path.relative_to(root)} holds {host}"
        for folder in ("python", "tests", "tools", "docs", "benchmarks")
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() and path.suffix in {".py", ".md", ".toml", ".json", ".txt", ".c"}
        for host in hosts
        if host in path.read_text(errors="replace")
    ]
    assert not wrong


def test_tables_are_current():
    command = [sys.executable, "-m", "tools.tables", "--check"]
    done = subprocess.run(command, cwd=PACKAGE.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
