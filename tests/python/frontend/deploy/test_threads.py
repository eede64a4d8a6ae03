"""One process, many threads: calls of one Executable, conversion, building, first use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tvm_hlo_frontend
from tests.support.dialect_marks import relay_only
from tvm_hlo_frontend import SignatureError, mod_and_params
from tvm_hlo_frontend.backends.executors import Pool, Turns, threads_of_a_call
from tvm_hlo_frontend.deploy.executable import with_deep_stack
from tvm_hlo_frontend.deploy.saved import load_library, save_library
from tvm_hlo_frontend.deploy.targets import cpu_target
from tvm_hlo_frontend.oracle.timing import prepared

ROOT = Path(__file__).parents[4]
FIRST_USE = """
import threading
import numpy as np
import tvm_hlo_frontend

TEXT = '''HloModule first
ENTRY main {
  x = f32[4]{0} parameter(0)
  y = f32[4]{0} OPCODE(x)
  ROOT z = f32[4]{0} multiply(y, y)
}'''
OPCODES = {"tanh": np.tanh, "exponential": np.exp, "negate": np.negative, "sine": np.sin}
x = np.linspace(-1, 1, 4, dtype="float32")
start, right = threading.Barrier(len(OPCODES)), []

def work(opcode, wanted):
    start.wait()
    converted = tvm_hlo_frontend.from_hlo(TEXT.replace("OPCODE", opcode))
    run = tvm_hlo_frontend.build(*tvm_hlo_frontend.mod_and_params(converted))
    np.testing.assert_allclose(run(x), wanted(x) ** 2, rtol=1e-5)
    right.append(opcode)

threads = [threading.Thread(target=work, args=item) for item in OPCODES.items()]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert sorted(right) == sorted(OPCODES), right
"""


def built(function, *arrays, **options):
    return tvm_hlo_frontend.build(*mod_and_params(tvm_hlo_frontend.from_jax(function, *arrays, **options)))


def in_threads(count, work):
    """Results of `work(number)` of threads that start together; raises what one of them raises."""
    start = threading.Barrier(count)

    def run(number):
        start.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def checked(command, threads):
    settings = {"TVM_NUM_THREADS": str(threads), "PYTHONFAULTHANDLER": "1", "TVM_THREAD_POOL_SPIN_COUNT": "0"}
    environment = {**os.environ, **settings}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("threads", "calls"), [(1, 100), (2, 10)])
def test_sixteen_threads_call_one_executable(threads, calls):
    """Without control flow, with a loop, and with a function of the host; some calls fail, on purpose."""
    told = checked(
        [ROOT / "tools" / "thread_stress" / "__main__.py", "--threads", "16", "--calls", str(calls)], threads
    )
    assert told.count(f" 0 wrong of {16 * calls} calls") == 3, told


def test_the_first_conversion_in_a_process_comes_from_several_threads():
    checked(["-c", FIRST_USE], 1)


def test_modules_are_converted_and_built_by_eight_threads():
    functions = [
        lambda x: jnp.tanh(x @ x),
        lambda x: jnp.sort(x, 1),
        lambda x: jnp.cumsum(x, 0),
        lambda x: jax.lax.while_loop(lambda s: jnp.sum(s) < 100, lambda s: lax.sort(s @ s + 1), x),
        lambda x: x.at[x[0].astype(int) % 6].add(1.0),
        lambda x: jnp.linalg.cholesky(x @ x.T + 6 * jnp.eye(6)),
        lambda x: jax.nn.softmax(x),
        lambda x: jnp.where(x > 0, jnp.exp(x), x),
    ]
    x = np.random.default_rng(0).normal(size=(6, 6)).astype("float32")
    wanted = [jax.jit(function)(x) for function in functions]
    for got, right in zip(in_threads(8, lambda number: built(functions[number], x)(x)), wanted, strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-4, atol=1e-5)


def test_results_belong_to_the_caller():
    run = built(lambda x: (x + 1, x), np.ones(3, "float32"))
    first = run(np.zeros(3, "float32"))
    run(np.full(3, 7, "float32"))
    np.testing.assert_array_equal(first[0], np.ones(3))
    np.testing.assert_array_equal(first[1], np.zeros(3))


def test_a_loaded_library_is_called_by_several_threads(tmp_path):
    w = np.random.default_rng(0).normal(size=(8, 8)).astype("float32")
    path = tmp_path / "model.so"
    save_library(built(lambda x, w: jnp.tanh(x @ w), w, w, weight_argnums=(1,)), path, "llvm")
    run = load_library(path)
    inputs = [np.full((8, 8), number, "float32") for number in range(4)]
    for got, x in zip(in_threads(4, lambda number: [run(inputs[number]) for _ in range(50)][-1]), inputs, strict=True):
        np.testing.assert_allclose(got, np.tanh(x @ w), rtol=1e-4, atol=1e-5)


def test_a_prepared_call_is_made_by_several_threads():
    x = np.ones((8, 8), "float32")
    run = prepared(built(lambda x: jnp.tanh(x @ x).sum(0), x), [x])
    in_threads(4, lambda number: [run() for _ in range(100)])


def test_a_wrong_shape_leaves_the_next_call_alone():
    run = built(lambda x: x * 2, np.ones(3, "float32"))
    with pytest.raises(SignatureError):
        run(np.ones(4, "float32"))
    np.testing.assert_array_equal(run(np.ones(3, "float32")), np.full(3, 2.0))


@relay_only("Relax's virtual machines share the constants of their module as they are")
def test_graph_executors_share_the_weights_of_their_library():
    """Every weight in the library whose memory is that of no result and of nothing that is computed."""
    from tvm_hlo_frontend.backends.relay.graph_memory import bindable_arguments, with_views_as_arguments
    from tvm_hlo_frontend.backends.relay.runtime import with_weights_bound

    x, w = np.ones((2, 8), "float32"), np.ones((8, 8), "float32")
    run = built(lambda x, w: jnp.tanh(x @ w), x, w, weight_argnums=(1,))
    bound = with_views_as_arguments(json.loads(run.library["get_graph_json"]()))
    modules = [with_weights_bound(run.library, *bound) for _ in range(2)]
    (weight,) = run.library["get_graph_params"]().values()
    weight.copyfrom(np.zeros(weight.shape, "float32"))
    for module in modules:
        module.set_input("x", x)
        module.run()
        np.testing.assert_array_equal(module.get_output(0).numpy(), np.zeros((2, 8)))
    attributes = {"func_name": "__nop"}
    nodes = [{"name": name, "op": "null", "inputs": []} for name in ("x", "w", "b", "y")]
    nodes += [{"name": "view", "op": "tvm_op", "attrs": attributes, "inputs": [[at, 0, 0]]} for at in (1, 3, 4)]
    graph = {"arg_nodes": [0, 1, 2, 3], "node_row_ptr": list(range(8)), "nodes": nodes, "heads": [[5, 0, 0]]}
    # another result lies where b was
    graph["attrs"] = {"storage_id": ["list_int", [0, 1, 2, 3, 1, 3, 1, 2]]}
    assert bindable_arguments(graph) == {"x": [0], "w": [1, 4, 6]}


def test_an_executor_that_raised_is_not_used_again():
    made = []
    pool = Pool(lambda: made.append(None) or len(made))

    def nested(executor, depth):
        return (executor, *(pool.use(nested, depth - 1) if depth else ()))

    def failing(executor, _):
        raise ValueError(executor)

    assert pool.use(nested, 1) == (1, 2)
    with pytest.raises(ValueError, match="1"):
        pool.use(failing, None)
    assert pool.use(nested, 1) == (2, 3)
    assert len(made) == 3


def test_a_call_within_a_call_takes_no_turn_of_its_own():
    turns = Turns(1)
    assert turns.take()
    assert not turns.take()
    turns.leave()
    assert turns.take()


def test_a_turn_that_another_thread_has_is_waited_for():
    turns, order = Turns(1), []
    assert turns.take()
    other = threading.Thread(target=lambda: (turns.take(), order.append("other"), turns.leave()))
    other.start()
    other.join(0.2)
    order.append("first")
    turns.leave()
    other.join()
    assert order == ["first", "other"]


@pytest.mark.parametrize(("wanted", "threads"), [("1", 1), ("100000", None), ("", None), ("two", None), ("0", None)])
def test_a_call_has_no_more_threads_than_processors(monkeypatch, wanted, threads):
    monkeypatch.setenv("TVM_NUM_THREADS", wanted)
    assert threads_of_a_call() == (threads or len(os.sched_getaffinity(0)))


def started(function):
    """A thread that runs `function`: it is done, or waits."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(0.2)
    return thread


def test_calls_that_need_one_processor_come_in_side_by_side():
    turns, order = Turns(2), []
    assert turns.take(1)
    other = started(lambda: (turns.take(1), order.append("other"), turns.leave(1)))
    assert order == ["other"]
    other.join()
    turns.leave(1)


def test_a_call_that_needs_all_processors_waits_for_those_inside_and_goes_before_those_that_come_later():
    turns, order = Turns(2), []
    assert turns.take(1)
    large = started(lambda: (turns.take(2), order.append("large"), turns.leave(2)))
    small = [started(lambda: (turns.take(1), order.append("small"), turns.leave(1))) for _ in range(3)]
    assert order == []
    turns.leave(1)
    for thread in (large, *small):
        thread.join()
    assert order == ["large", "small", "small", "small"]


def test_calls_of_any_size_all_have_their_turn_and_never_more_than_there_are_processors():
    turns, lock, inside, seen = Turns(4), threading.Lock(), [], []

    def call(number):
        needed = number % 4 + 1
        for _ in range(200):
            assert turns.take(needed)
            with lock:
                inside.append(needed)
                seen.append(sum(inside))
            with lock:
                inside.remove(needed)
            turns.leave(needed)
        return needed

    assert in_threads(8, call) == [1, 2, 3, 4] * 2
    assert len(seen) == 1600
    assert max(seen) <= 4


@pytest.mark.parametrize(
    ("function", "parallel"),
    [
        (lambda x: lax.fori_loop(0, 9, lambda i, s: 3.7 * s * (1 - s), x[0, 0]), False),
        (lambda x: jnp.tanh(x @ x), True),
        (lambda x: lax.while_loop(lambda s: s.sum() < 2e5, lambda s: lax.sort(jnp.tanh(s @ x) + s), x), True),
    ],
    ids=["one thread", "threads", "threads in a loop"],
)
def test_code_that_has_no_parallel_loop_stays_in_its_thread(function, parallel, tmp_path):
    x = np.linspace(0, 1, 256 * 256, dtype=np.float32).reshape(256, 256)
    run = built(function, x)
    assert run.parallel is parallel
    path = tmp_path / "it.so"
    description = save_library(run, path, cpu_target())
    again = load_library(path)
    assert again.parallel is parallel
    np.testing.assert_array_equal(again(x), run(x))
    about = json.loads(description.read_text())
    del about["parallel"]
    description.write_text(json.dumps(about))
    assert load_library(path).parallel


def test_the_stack_size_of_new_threads_stays_as_it_was():
    before = threading.stack_size()
    assert in_threads(8, lambda number: with_deep_stack(lambda: number)) == list(range(8))
    assert threading.stack_size() == before
