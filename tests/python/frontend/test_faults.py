"""What happens when the process is interrupted, forked, ended or out of memory: nothing half-made is used, and the next
run works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.processes import run_script
from tvm_hlo_frontend import build, from_hlo, from_jax, mod_and_params
from tvm_hlo_frontend.deploy import executable
from tvm_hlo_frontend.deploy.saved import load_library, save_library, save_module
from tvm_hlo_frontend.errors import HloParseError
from tvm_hlo_frontend.tensor_ir.registration import registered_whole

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
TEXT = "HloModule m\nENTRY e { p = f32[2] parameter(0) ROOT r = f32[2] add(p, p) }\n"


@pytest.fixture(scope="module")
def converted() -> tuple[Any, Any]:
    return mod_and_params(from_jax(lambda x: x * 2 + 1, X))


def interrupted(call: Callable[[], Any], ready: Callable[[], bool]) -> None:
    """Assert that Ctrl-C, when `ready`, ends a call in this thread with a KeyboardInterrupt."""

    def press() -> None:
        end = time.monotonic() + 30
        while not ready() and time.monotonic() < end:
            time.sleep(0.005)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        call()
    thread.join()


@pytest.fixture
def handled() -> Iterator[None]:
    """Ctrl-C as outside of tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_build_ends_before_the_next_begins(converted: Any, handled: None, monkeypatch: Any) -> None:
    """TVM cannot be stopped, and two builds at once would share its state."""
    compile_module, begun, may_end = executable.compile_module, threading.Event(), threading.Event()
    steps: list[str] = []

    def slow(*arguments: Any) -> Any:
        steps.append("begins")
        begun.set()
        assert may_end.wait(30)
        made = compile_module(*arguments)
        steps.append("ends")
        return made

    monkeypatch.setattr(executable, "compile_module", slow)
    interrupted(lambda: build(*converted), begun.is_set)
    assert steps == ["begins"], "the build of the interrupted call goes on"
    threading.Timer(0.3, may_end.set).start()
    np.testing.assert_array_equal(build(*converted)(X), X * 2 + 1)
    assert steps == ["begins", "ends"] * 2


def test_an_interrupted_registration_is_finished(handled: None) -> None:
    begun, done = threading.Event(), []

    def register() -> None:
        begun.set()
        time.sleep(0.3)
        done.append(1)

    interrupted(lambda: registered_whole(register), begun.is_set)
    assert done == [1]
    with pytest.raises(ValueError, match="no"):
        registered_whole(lambda: int("no"))


# a child for each place: the first conversion of a process, which also registers, is interrupted there, then done again
ANYWHERE = """
import os, signal, sys, threading
import numpy as np, tvm
import tvm_hlo_frontend as frontend

proto, x = open(sys.argv[1], "rb").read(), np.arange(6, dtype=np.float32).reshape(2, 3)
calls, place = 0, None
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background may inherit that it is ignored

def work():
    result = frontend.build(*frontend.mod_and_params(frontend.from_hlo(proto)))(x)
    np.testing.assert_array_equal(result, np.sort(x[:, ::-1], 1) + 1)

def count(frame, event, argument):
    global calls
    if event == "call" and "tvm_hlo_frontend" in frame.f_code.co_filename:
        calls += 1
        if calls == place:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)

def child(number):
    global place
    place = number
    sys.setprofile(count)
    try:
        work()
    except KeyboardInterrupt:
        sys.setprofile(None)
        work()
        return 0
    sys.setprofile(None)
    print(calls, flush=True)
    return 1 if number else 0

def forked(number):
    process = os.fork()
    if not process:
        try:
            os._exit(child(number))
        except BaseException as error:
            print(f"interrupted at call {number}: {error!r}", flush=True)
            os._exit(2)
    return os.waitpid(process, 0)[1]

if len(sys.argv) == 2:
    sys.exit(forked(None))
sys.exit(any([forked(int(number)) for number in sys.argv[2:]]))
"""


def test_after_an_interrupt_anywhere_the_next_conversion_works(tmp_path: Path) -> None:
    import jax
    import jax.numpy as jnp

    proto = tmp_path / "module.pb"
    lowered = jax.jit(lambda x: jnp.sort(x, 1) + 1).lower(np.zeros((2, 3), np.float32))
    proto.write_bytes(lowered.compiler_ir("hlo").as_serialized_hlo_module_proto())

    def run(*places: int) -> str:
        command = [sys.executable, "-W", "ignore", "-c", ANYWHERE, str(proto), *map(str, places)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    count = int(run().split()[-1])
    assert count > 1000
    run(*(int(count * share) for share in (0.02, 0.6)))


# `sys.executable` of a parser's process, and how the error ends
WORKERS = {
    "killed": ("#!/bin/sh\nkill -9 $$\n", "it ended without a word"),
    "reads nothing": ("#!/bin/sh\nexec <&-\nexit 1\n", "it ended without a word"),
    "writes nothing": ("#!/bin/sh\ncat > /dev/null\n", "it wrote nothing"),
    "says why": ("#!/bin/sh\ncat > /dev/null\necho MemoryError >&2\nexit 1\n", "MemoryError"),
}


@pytest.mark.parametrize("worker", WORKERS)
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_parser_whose_process_ends_is_one_error(worker: str, size: int, tmp_path: Path, monkeypatch: Any) -> None:
    script, words = WORKERS[worker]
    program = tmp_path / "python"
    program.write_text(script)
    program.chmod(0o700)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(program))
        with pytest.raises(HloParseError, match=words):
            from_hlo(TEXT + "// more\n" * size)
    from_hlo(TEXT)


def test_an_interrupt_ends_the_process_of_a_parser(tmp_path: Path, handled: None, monkeypatch: Any) -> None:
    program, told = tmp_path / "python", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\necho $$ > {told}.new\nmv {told}.new {told}\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    interrupted(lambda: from_hlo(TEXT), told.exists)
    status = Path(f"/proc/{told.read_text().strip()}/stat")
    deadline = time.monotonic() + 10
    while status.exists() and ") Z " not in status.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not status.exists() or ") Z " in status.read_text(), "the parser's process goes on"


FORKS = """
import multiprocessing, os, sys, warnings
from pathlib import Path
import numpy as np
from tvm_hlo_frontend.deploy.saved import load_library

x = np.ones((300, 300), np.float32)

def called(factor):
    return float(load_library(Path(sys.argv[1]))(x * factor)[0, 0])

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    run = load_library(Path(sys.argv[1]))
    assert run.parallel and run(x)[0, 0] == 300
    process = os.fork()
    if not process:
        grandchild = os.fork()  # in which the thread of the child's calls is not there
        os._exit(run(x * 2)[0, 0] != 1200 or (bool(grandchild) and os.waitpid(grandchild, 0)[1]))
    assert os.waitpid(process, 0)[1] == 0
    for kind in sys.argv[2:]:
        with multiprocessing.get_context(kind).Pool(2) as pool:
            assert pool.map(called, [1, 2, 3]) == [300, 1200, 2700], kind
    assert run(x)[0, 0] == 300
"""


@pytest.mark.parametrize("runs", [True, False])
def test_an_interrupt_while_the_thread_of_a_build_starts(runs: bool, monkeypatch: Any) -> None:
    """What runs already is waited for by the next build; what does not yet never runs."""
    start, begun, may_end, threads = executable.start_with_deep_stack, threading.Event(), threading.Event(), list[Any]()

    def interrupted_start(thread: threading.Thread) -> None:
        threads.append(thread)
        if runs:
            start(thread)
            assert begun.wait(30)
        raise KeyboardInterrupt

    def slow() -> None:
        begun.set()
        may_end.wait(30)

    with monkeypatch.context() as patched:
        patched.setattr(executable, "start_with_deep_stack", interrupted_start)
        with pytest.raises(KeyboardInterrupt):
            executable.with_deep_stack(slow)
    if not runs:
        start(threads[0])
    threading.Timer(0.2, may_end.set).start()
    executable.wait_for_builds()
    threads[0].join(30)
    assert begun.is_set() == runs and (may_end.is_set() or not runs)


@pytest.mark.parametrize("processors", [2, 1])
def test_forked_processes_call_what_their_parent_has_called(processors: int, tmp_path: Path) -> None:
    """TVM would wait for the threads of its pool, which a forked process does not have; TVM_NUM_THREADS makes a pool
    on one processor, too."""
    square = np.ones((300, 300), np.float32)
    save_library(build(*mod_and_params(from_jax(lambda x: x @ x, square))), tmp_path / "square.so", "llvm")
    script = tmp_path / "forks.py"
    script.write_text(FORKS)
    kinds = ["fork", "spawn"] if processors > 1 else []
    if processors == 1 and hasattr(os, "sched_setaffinity"):
        script.write_text(f"import os\nos.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[:1]})\n{FORKS}")
    command = [sys.executable, str(script), str(tmp_path / "square.so"), *kinds]
    done = subprocess.run(
        command, env={**os.environ, "TVM_NUM_THREADS": "2"}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr


def test_a_build_of_another_thread_does_not_lock_a_forked_process() -> None:
    done = run_script(
        "import os, threading\n"
        "from tvm_hlo_frontend.deploy import executable\n"
        "begun, may_end = threading.Event(), threading.Event()\n"
        "def other():\n"
        "    with executable._compiling, executable._starting:\n"
        "        begun.set()\n"
        "        may_end.wait()\n"
        "thread = threading.Thread(target=other)\n"
        "thread.start()\n"
        "begun.wait()\n"
        "process = os.fork()\n"
        "if not process:\n"
        "    os._exit(not (executable._compiling.acquire(timeout=1) and executable._starting.acquire(timeout=1)))\n"
        "status = os.waitpid(process, 0)[1]\n"
        "may_end.set()\n"
        "thread.join()\n"
        "assert status == 0\n"
    )
    assert done.returncode == 0, done.stderr


LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from tvm_hlo_frontend import build, from_hlo, mod_and_params
from tvm_hlo_frontend.deploy.saved import load_module, save_module
from tvm_hlo_frontend.errors import HloFrontendError

folder, x = Path(sys.argv[1]), np.ones((2, 3), np.float32)
mod, params = load_module(folder / "source")

def size():
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()

data = (folder / "large.pb").read_bytes()
# half of what the stack of a build needs, before there is one, which would be used again; less than the constant
for name, limit, attempt in (
    ("build", lambda: size() + (512 << 20), lambda: build(mod, params, cache=folder / "cache")),
    ("conversion", lambda: size() + (40 << 20), lambda: save_module(*mod_and_params(from_hlo(data)), folder / "saved")),
):
    resource.setrlimit(resource.RLIMIT_AS, (limit(), resource.RLIM_INFINITY))
    try:
        attempt()
        print(name, "no error")
    except (MemoryError, HloFrontendError) as error:
        print(name, type(error).__name__)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
np.testing.assert_array_equal(build(mod, params)(x), x * 2 + 1)
print(sorted(path.name for path in folder.rglob("*") if path.is_file() and path.parent.name != "source"))
"""


def test_out_of_memory_is_an_error_and_leaves_no_file(converted: Any, tmp_path: Path) -> None:
    from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
    from tvm_hlo_frontend.hlo.proto.writer import to_proto

    save_module(*converted, tmp_path / "source")
    builder = ComputationBuilder("main")
    large = builder.constant(np.arange(16 << 20, dtype=np.float32))
    (tmp_path / "large.pb").write_bytes(to_proto(module("large", builder.build(builder.add("negate", [large])))))
    command = [sys.executable, "-W", "ignore", "-c", LITTLE_MEMORY, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    built, converted_too, files = done.stdout.splitlines()[-3:]
    assert built == "build MemoryError" and files == "['large.pb']"
    # protobuf says of both that it cannot read
    assert converted_too in ("conversion MemoryError", "conversion HloParseError")


def test_a_process_that_is_killed_leaves_nothing_that_is_read(converted: Any, tmp_path: Path) -> None:
    """In the middle of keeping a program, and of saving over an older library."""
    save_module(*converted, tmp_path / "source")
    save_library(build(*converted), tmp_path / "library.so", "llvm")
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tvm_hlo_frontend import build\n"
        "from tvm_hlo_frontend.deploy.saved import load_module, save_library\n"
        "folder, last = Path(sys.argv[1]), []\n"
        "mod, params = load_module(folder / 'source')\n"
        "process = os.fork()\n"
        "if not process:\n"
        "    os.rename = lambda *_: os.kill(os.getpid(), 9)\n"
        "    build(mod, params, cache=folder / 'cache')\n"
        "os.waitpid(process, 0)\n"
        "move = os.replace\n"
        "os.replace = lambda a, b: move(a, b) if str(b).endswith('.so') else os.kill(os.getpid(), 9)\n"
        "save_library(build(mod, params), folder / 'library.so', 'llvm')\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with pytest.raises(HloParseError, match="cannot be read"):
        load_library(tmp_path / "library.so")
    run = build(*converted, cache=tmp_path / "cache")
    assert run.file is not None and run.file.parent.name in os.listdir(tmp_path / "cache")
    save_library(run, tmp_path / "library.so", "llvm")
    np.testing.assert_array_equal(load_library(tmp_path / "library.so")(X), X * 2 + 1)
