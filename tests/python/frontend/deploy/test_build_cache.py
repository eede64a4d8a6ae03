"""Directories of compiled programs: what is taken, what is refused, what is removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.dialect_marks import relay_only
from tvm_hlo_frontend import BuildCache, build, from_jax, mod_and_params
from tvm_hlo_frontend.deploy import build_cache, executable
from tvm_hlo_frontend.deploy.build_cache import DIGESTS, ENVIRONMENT, LIBRARY, UNFINISHED, cache_of

OF_RELAY = "kernels of Relax are in the module, and nothing tunes them"
X = np.arange(-3, 3, dtype=np.float32).reshape(2, 3)
DAMAGES = {
    "shortened": lambda content: content[: len(content) // 2],
    "changed": lambda content: content[:4000] + bytes([content[4000] ^ 1]) + content[4001:],
}


def write(library: Path) -> None:
    """An entry of 100 bytes, and what says so."""
    library.write_bytes(bytes(100))


def folders(directory: Path) -> set[str]:
    return {each.name for each in directory.iterdir()}


def converted(factor: float = 2.0) -> tuple[Any, Any]:
    """A small program; equal ones are equal modules."""
    weights = np.full((3, 20_000), factor, np.float32)
    return mod_and_params(from_jax(lambda x: (x @ weights)[:, :4] + 1, X))


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Modules that are compiled."""
    done: list[Any] = []
    compile_module = executable.compile_module

    def counted(*arguments: Any) -> Any:
        done.append(arguments[0])
        return compile_module(*arguments)

    monkeypatch.setattr(executable, "compile_module", counted)
    return done


def test_what_is_there_is_not_compiled_again(tmp_path: Path, compilations: list[Any]) -> None:
    first = build(*converted(), cache=tmp_path)
    want = first(X)
    np.testing.assert_array_equal(want, X @ np.full((3, 4), 2, np.float32) + 1)
    assert build(*converted(), cache=tmp_path) is first, "a library that is loaded is not loaded again"
    del first
    again = build(*converted(), cache=str(tmp_path))
    assert len(compilations) == 1 and again.file is not None and again.file.parent.parent == tmp_path
    np.testing.assert_array_equal(again(X), want)


@pytest.mark.parametrize("change", ["weights", "target", "machine", "package"])
def test_another_program_is_another_entry(
    change: str, tmp_path: Path, compilations: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tvm_hlo_frontend.deploy import cache_key

    build(*converted(), cache=tmp_path)
    target = None
    if change == "machine":
        monkeypatch.setattr(cache_key, "machine", lambda: ("another",))
    elif change == "package":
        monkeypatch.setattr(cache_key, "compiler", lambda: ("another",))
    elif change == "target":
        target = "llvm -num-cores=3"
    mod, params = converted(3.0 if change == "weights" else 2.0)
    np.testing.assert_array_equal(
        build(mod, params, target, cache=tmp_path)(X), X @ np.full((3, 4), 3 if change == "weights" else 2) + 1
    )
    assert len(compilations) == 2 and len(folders(tmp_path)) == 2


def test_where_a_program_comes_from_makes_no_difference(tmp_path: Path, compilations: list[Any]) -> None:
    """Lines and names of functions are in the report, which nothing compiles."""
    for text in ("def f(x):\n    return x * 2\n", "\n\n\ndef f(x):\n\n    return x * 2\n"):
        scope: dict[str, Any] = {}
        exec(compile(text, f"{len(text)}.py", "exec"), scope)
        build(*mod_and_params(from_jax(scope["f"], X)), cache=tmp_path)
    assert len(compilations) == 1


def test_programs_for_other_machines_are_not_kept(tmp_path: Path) -> None:
    run = build(*converted(), "llvm -mtriple=aarch64-linux-gnu", cache=tmp_path)
    assert run.file is None and not folders(tmp_path)


def test_a_target_without_a_processor_is_for_this_machine(tmp_path: Path) -> None:
    """TVM gives it the triple of this one."""
    assert build(*converted(), "llvm", cache=tmp_path).file is not None


@relay_only(OF_RELAY)
def test_kernels_of_users_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tvm_hlo_frontend.backends.relay import canonical

    monkeypatch.setattr(canonical, "own_kernels", lambda: ["reshape"])
    assert build(*mod_and_params(from_jax(lambda x: x.reshape(3, 2) + 1, X)), cache=tmp_path).file is None


@relay_only(OF_RELAY)
def test_programs_that_are_tuned_are_not_kept(tmp_path: Path) -> None:
    from tvm import autotvm

    with autotvm.apply_history_best(None):
        assert build(*converted(), cache=tmp_path).file is None


@pytest.mark.parametrize("damage", [*DAMAGES, "without its description", "without digests"])
def test_what_is_damaged_is_made_again(damage: str, tmp_path: Path, compilations: list[Any]) -> None:
    file = build(*converted(), cache=tmp_path).file
    assert file is not None
    if damage in DAMAGES:
        content = DAMAGES[damage](file.read_bytes())
        file.unlink()  # the old one stays mapped
        file.write_bytes(content)
    else:
        (file.with_suffix(".json") if "description" in damage else file.with_name(DIGESTS)).unlink()
    again = build(*converted(), cache=tmp_path)
    assert len(compilations) == 2 and again.file == file
    np.testing.assert_array_equal(again(X), X @ np.full((3, 4), 2, np.float32) + 1)


def test_what_an_ended_process_has_left_is_no_entry(tmp_path: Path) -> None:
    """It is removed when no process can be writing it any more."""
    young, old = tmp_path / f"{UNFINISHED}young", tmp_path / f"{UNFINISHED}old"
    for folder in (young, old):
        folder.mkdir()
        write(folder / LIBRARY)
    os.utime(old, (0, 0))
    assert BuildCache(tmp_path).store("a", write) == tmp_path / "a" / LIBRARY
    assert folders(tmp_path) == {"a", young.name}


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    size = 100 + len(json.dumps({LIBRARY: "0" * 64}))
    cache = BuildCache(tmp_path, limit_bytes=3 * size)
    for number, key in enumerate("abc"):
        cache.store(key, write)
        os.utime(tmp_path / key, (number + 1, number + 1))
    assert cache.found("a") is not None
    cache.store("d", write)
    assert folders(tmp_path) == {"a", "c", "d"}


def test_a_program_above_the_limit_is_not_kept(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="more than its limit of 50"):
        assert BuildCache(tmp_path, limit_bytes=50).store("a", write) is None
    assert not folders(tmp_path)


def test_a_directory_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    """A file in its place stands for read-only ones: root can write those."""
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "cache"
    with pytest.warns(UserWarning, match="keeps no compiled program"):
        run = build(*converted(), cache=folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert BuildCache(folder).store("a", write) is None
    assert run.file is None
    np.testing.assert_array_equal(run(X), X @ np.full((3, 4), 2, np.float32) + 1)


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    def fail(library: Path) -> None:
        library.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.warns(UserWarning, match="No space left"):
        assert BuildCache(tmp_path).store("a", fail) is None
    assert not folders(tmp_path)


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_directory_that_others_can_write_is_refused(mode: int, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(PermissionError, match="others can write"):
        build(*converted(), cache=folder)


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    if tmp_path.stat().st_uid == 0:
        build_cache.refuse_foreign(tmp_path)  # root can change everything anyway
    else:
        with pytest.raises(PermissionError, match="another user's"):
            build_cache.refuse_foreign(tmp_path)


def test_a_library_from_a_cache_is_exported_as_it_is(tmp_path: Path) -> None:
    run = build(*converted(), cache=tmp_path / "cache")
    assert run.file is not None
    run.export_library(tmp_path / "it.so")
    assert (tmp_path / "it.so").read_bytes() == run.file.read_bytes()
    with pytest.raises(ValueError, match="keeps its suffix"):
        run.export_library(tmp_path / "it.tar")


def test_the_environment_names_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert cache_of(None) is None and cache_of(False) is None
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    assert cache_of(None) == BuildCache(tmp_path) and cache_of(False) is None
    with pytest.raises(ValueError, match="must be a directory"):
        cache_of(True)


def test_threads_and_processes_at_once(tmp_path: Path) -> None:
    """Readers meet writers and removals: what they find is whole."""
    program = (
        "import sys; from pathlib import Path; from tvm_hlo_frontend.deploy.build_cache import BuildCache, is_whole\n"
        "cache, found = BuildCache(sys.argv[1], 1500), 0\n"
        "for number in range(60):\n"
        "    key = str(number % 7)\n"
        "    file = cache.found(key) or cache.store(key, lambda path: path.write_bytes(key.encode() * 300))\n"
        "    try:\n"
        "        found += file is None or file.read_bytes() == key.encode() * 300\n"
        "    except FileNotFoundError:\n"
        "        found += 1\n"
        "print(found)\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path)]
    others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    cache = BuildCache(tmp_path, 1500)

    def use() -> None:
        for number in range(60):
            content = str(number % 7).encode() * 300
            cache.store(str(number % 7), lambda path, content=content: path.write_bytes(content))

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = [other.communicate(timeout=60)[0] for other in others]
    assert not [name for name in folders(tmp_path) if name.startswith(UNFINISHED)]
    assert all(build_cache.is_whole(each) for each in tmp_path.iterdir())
    assert [int(text) for text in texts] == [60, 60]
