"""Files are in their places as a whole or not at all, also where the disk is full or the process ends."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tvm_hlo_frontend import build, from_jax, mod_and_params
from tvm_hlo_frontend.deploy import saved
from tvm_hlo_frontend.deploy.saved import is_saved_module, load_library, load_module, save_library, save_module
from tvm_hlo_frontend.deploy.whole_files import UNFINISHED, written_together, written_whole
from tvm_hlo_frontend.errors import HloParseError

X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(scope="module")
def converted() -> tuple[Any, Any]:
    weights = np.full((3, 4000), 2, np.float32)
    return mod_and_params(from_jax(lambda x: (x @ weights)[:, :4] + 1, X))


@pytest.fixture(scope="module")
def built(converted: tuple[Any, Any]) -> Any:
    return build(*converted)


def unfinished(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(f"{UNFINISHED}*")]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")

    def fails() -> None:
        with written_whole(file) as made:
            made.write_text("ne")
            raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        fails()
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["file"]
    with written_whole(file) as made:
        made.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new" and os.listdir(tmp_path) == ["file"]


def test_a_link_stays_a_link_and_a_pipe_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with written_whole(tmp_path / "link") as made:
        made.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "new"
    with written_whole(Path("/dev/null")) as made:
        assert str(made) == "/dev/null"
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("reached", range(4))
def test_who_reads_the_last_first_finds_files_of_one_writing(reached: int, tmp_path: Path, monkeypatch: Any) -> None:
    """The process ends between any two of the moves."""
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text("old")
    moves, replace = [0], os.replace

    def ends(source: Any, target: Any) -> None:
        if moves[0] == reached:
            raise KeyboardInterrupt
        moves[0] += 1
        replace(source, target)

    monkeypatch.setattr(os, "replace", ends)
    try:
        with written_together(paths) as made:
            for each in made:
                each.write_text("new")
    except KeyboardInterrupt:
        assert not paths[-1].exists()
    else:
        assert {path.read_text() for path in paths} == {"new"}
    assert not unfinished(tmp_path)


# pages of a disk, of which it has some left, less than a library needs
DISK_PAGES, LEFT_PAGES, OLD_FILES = (
    16,
    2,
    ("module.txt", "params.bin", "metadata.json", "module.json", "saved.so", "saved.json", "exported.so"),
)
FULL_DISK = """
import json, sys
from pathlib import Path
from tvm_hlo_frontend import build
from tvm_hlo_frontend.deploy.saved import load_module, save_library, save_module

source, folder, said = Path(sys.argv[1]), Path(sys.argv[2]), {}
mod, params = load_module(source)
built = build(mod, params)
for name, write in {
    "saved module": lambda: save_module(mod, params, folder),
    "saved library": lambda: save_library(built, folder / "saved.so", "llvm"),
    "exported library": lambda: built.export_library(folder / "exported.so"),
    "kept program": lambda: build(mod, params, cache=folder / "cache"),
}.items():
    try:
        said[name] = str(write())
    except Exception as error:
        said[name] = type(error).__name__
left = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
print(json.dumps([said, left]))
"""


def test_a_full_disk_leaves_nothing_half_written(converted: Any, tmp_path: Path) -> None:
    """Nor does LLVM end the process, as it does where it cannot write an object file."""
    disk, page = tmp_path / "disk", mmap.PAGESIZE
    disk.mkdir()
    save_module(*converted, tmp_path / "source")
    fill = (
        f"mount -t tmpfs -o size={DISK_PAGES * page} tmpfs {disk}\n"
        f"for name in {' '.join(OLD_FILES)}; do printf old > {disk}/$name; done\n"
        f"head -c {(DISK_PAGES - LEFT_PAGES - len(OLD_FILES)) * page} /dev/zero > {disk}/filling\n"
    )
    if subprocess.run(["unshare", "-rm", "sh", "-c", f"mount -t tmpfs tmpfs {disk}"], check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    run = [sys.executable, "-W", "ignore", "-c", FULL_DISK, str(tmp_path / "source"), str(disk)]
    command = ["unshare", "-rm", "sh", "-c", f'{fill}exec "$@"', "sh", *run]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said, left = json.loads(done.stdout.splitlines()[-1])
    assert said.pop("kept program").startswith("Executable"), "a cache that is full is warned of, and nothing else"
    assert set(said.values()) <= {"OSError", "RuntimeError"}, said
    del left["filling"]
    assert left == dict.fromkeys(OLD_FILES, "old")


def test_a_program_that_runs_keeps_the_library_that_it_has_loaded(built: Any, tmp_path: Path) -> None:
    """A file that is overwritten in place is another one in the memory of who has loaded it."""
    path = tmp_path / "library.so"
    save_library(built, path, "llvm")
    first, inode = load_library(path), path.stat().st_ino
    first.export_library(tmp_path / "copy.so")
    save_library(built, path, "llvm")
    assert path.stat().st_ino != inode
    np.testing.assert_array_equal(first(X), built(X))
    first.export_library(path)  # onto itself
    np.testing.assert_array_equal(load_library(path)(X), built(X))


@pytest.mark.parametrize("missing", ["module.json", "params.bin"])
def test_a_module_of_which_a_part_is_missing_is_none(missing: str, converted: Any, tmp_path: Path) -> None:
    save_module(*converted, tmp_path)
    (tmp_path / missing).unlink()
    assert not is_saved_module(tmp_path)
    with pytest.raises(HloParseError):
        load_module(tmp_path)


@pytest.mark.parametrize("name", ["module.json", "params.bin"])
@pytest.mark.parametrize("content", [b"", b"\0\xff half", "cut"])
def test_a_module_that_cannot_be_read_is_refused(name: str, content: Any, converted: Any, tmp_path: Path) -> None:
    save_module(*converted, tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2] if content == "cut" else content)
    with pytest.raises(HloParseError, match="holds no module"):
        load_module(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0\xff half", b"{}", b"[1]", b'{"signature": 3}'])
def test_a_description_that_cannot_be_read_is_refused(content: bytes, built: Any, tmp_path: Path) -> None:
    path = tmp_path / "library.so"
    description = saved.save_library(built, path, "llvm")
    description.write_bytes(content)
    with pytest.raises(HloParseError, match="cannot be read"):
        load_library(path)
    for damaged in (b"", b"no library"):
        path.write_bytes(damaged)
        with pytest.raises(HloParseError):
            load_library(path)
