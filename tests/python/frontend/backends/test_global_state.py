"""Converting a program leaves the frameworks and the process as they were."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

# what every framework's program compares before and after
PROCESS = """
import gc, json, logging, os, random, signal, sys, threading, warnings
import numpy as np
from tvm_hlo_frontend.backends.select import load_dialect

load_dialect(None)  # TVM's own import sets a recursion limit and a hook of exceptions

def process():
    handlers = {str(each): str(signal.getsignal(each)) for each in signal.valid_signals()}
    useful = lambda each: [str(handler) for handler in each.handlers if not isinstance(handler, logging.NullHandler)]
    loggers = {name: (each.level, each.disabled, useful(each))
               for name, each in list(logging.root.manager.loggerDict.items()) if hasattr(each, "handlers")}
    return {
        "numpy": [str(each) for each in np.random.get_state()], "random": hash(random.getstate()),
        "errors": np.geterr(), "print": str(np.get_printoptions()), "filters": list(map(str, warnings.filters)),
        "showwarning": str(warnings.showwarning), "environment": dict(os.environ), "signals": handlers,
        "recursion": sys.getrecursionlimit(), "path": list(sys.path), "folder": os.getcwd(),
        "root": (logging.root.level, list(map(str, logging.root.handlers)), logging.root.manager.disable),
        "loggers": {name: state for name, state in loggers.items() if state != (0, False, [])},
        "hooks": (str(sys.excepthook), str(sys.settrace and sys.gettrace()), str(threading.excepthook)),
        "collector": (gc.isenabled(), gc.get_threshold()),
        "stack": threading.stack_size(), "switch": sys.getswitchinterval(), "umask": os.umask(os.umask(0o22)) * 0,
    }

def changes(before, after):
    return {key: (str(before.get(key))[:500], str(after.get(key))[:500])
            for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
"""

JAX = """
import jax, jax.numpy as jnp
import tvm_hlo_frontend as thf
from tvm_hlo_frontend.frameworks.jax import from_jax

def state():
    return {**process(), **{f"jax.{name}": value for name, value in jax.config.values.items()}}

jax.jit(lambda x: x + 1)(1.0)
jax.export.export(jax.jit(jnp.sin))(1.0).serialize()
before = state()
program = lambda key, x: jnp.linalg.qr(x @ x.T)[0] + jax.random.normal(key, (3, 3))
from_jax(program, jax.random.key(0), np.ones((3, 3), "float32"))
from_jax(program, jax.random.key(0), np.ones((3, 3), "float32"), lowering_platforms=("tpu",))
from_jax(jax.export.export(jax.jit(jnp.sin))(np.float32(1)))
try:
    from_jax(lambda x: jax.pure_callback(np.sin, x, x), np.float32(1))
    raise SystemExit("a callback was converted")
except thf.HloFrontendError:
    pass
"""

TENSORFLOW = """
import tensorflow as tf, keras
import tvm_hlo_frontend as thf
from tvm_hlo_frontend.frameworks.tensorflow import from_tensorflow

def state():
    from tensorflow.python.eager import context
    names = context.context().list_function_names()
    return {
        **process(), "eager": tf.executing_eagerly(), "graph": id(tf.compat.v1.get_default_graph()),
        "seed": context.global_seed(), "counter": context.context()._rng.getstate() if context.context()._rng else None,
        "run eagerly": tf.config.functions_run_eagerly(), "jit": tf.config.optimizer.get_jit(),
        "options": str(tf.config.optimizer.get_experimental_options()), "floatx": keras.config.floatx(),
        "soft": tf.config.get_soft_device_placement(), "policy": str(keras.config.dtype_policy()),
        "v2": tf.compat.v1.control_flow_v2_enabled(), "devices": str(tf.config.list_logical_devices()),
        "verbosity": tf.get_logger().level, "next name": keras.backend.get_uid("thing") * 0,
    }

tf.random.set_seed(3)
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
dropped = tf.function(lambda x: tf.random.uniform((2, 2)) + x)
spec = tf.TensorSpec((2, 2))
drawn = tf.random.uniform(())
before = state()
from_tensorflow(lambda x: tf.image.rot90(x[None, :, :, None]), spec)
from_tensorflow(model, shape=[(1, 2)])
from_tensorflow(tf.function(tf.nn.relu).get_concrete_function(spec).graph.as_graph_def())
from_tensorflow(lambda x: tf.where(x > 0), spec)
last_of_mask = lambda x: tf.where(x > 0)[-1]
for refused in (dropped, tf.strings.as_string, last_of_mask, lambda x: 1 / 0):
    try:
        from_tensorflow(refused, spec)
        raise SystemExit("it was converted")
    except thf.HloFrontendError:
        pass
"""

TORCH = """
import torch, jax
from torch._higher_order_ops.while_loop import while_loop
import tvm_hlo_frontend as thf
from tvm_hlo_frontend.frameworks.pytorch import from_pytorch

class Branch(torch.nn.Module):
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda y: y * 2, lambda y: y - 1, (x,))

class Counted(torch.nn.Module):
    def forward(self, x):
        return while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y.sin()), (0, x))[1]

def behaviour():
    x = torch.ones(3, requires_grad=True)
    (x * 2).sum().backward()
    compiled = torch.compile(lambda y: torch.sin(y) + y, backend="eager")(torch.ones(3))
    exported = torch.export.export(Branch(), (torch.ones(3),)).module()(torch.ones(3))
    return [x.grad.tolist(), compiled.tolist(), exported.tolist(), torch.nn.Linear(2, 2)(torch.ones(2)).shape]

def state():
    tables = torch._decomp.global_decomposition_table
    return {
        **process(), "torch random": torch.get_rng_state().tolist(), "dtype": str(torch.get_default_dtype()),
        "device": str(torch.get_default_device()), "grad": torch.is_grad_enabled(), "threads": torch.get_num_threads(),
        "inference": torch.is_inference_mode_enabled(), "private": torch._C._get_privateuse1_backend_name(),
        "modules": hasattr(torch, "jax"), "accelerator": str(torch.accelerator.current_accelerator()),
        "fast path": torch.backends.mha.get_fastpath_enabled(), "modes": torch._C._len_torch_dispatch_stack(),
        "functions": torch._C._len_torch_function_stack(), "precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(), "warn": torch.is_warn_always_enabled(),
        "packet": str(torch._ops.OpOverloadPacket.__getattr__), "overload": hasattr(torch.ops.aten.prod, "dim_Dimname"),
        "rename": str(torch.utils.rename_privateuse1_backend), "register": str(torch._register_device_module),
        "tables": {name: sorted(f"{key}={value}" for key, value in table.items()) for name, table in tables.items()},
        "imported": "torchax" in sys.modules, "dynamo": str(torch._dynamo.config.get_config_copy()),
        **{f"jax.{name}": value for name, value in jax.config.values.items()},
    }

torch.manual_seed(5)
import torch._refs
wanted = behaviour()
modules = [torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout()), Counted(), torch.nn.Embedding(4, 2)]
training = [module.training for module in modules[0].modules()]
before = state()
from_pytorch(modules[0], torch.ones(1, 3))
from_pytorch(modules[2], torch.tensor([1, 2]))
from_pytorch(Branch(), torch.ones(3))
try:
    from_pytorch(modules[1], torch.ones(3))
    raise SystemExit("a loop that counts in numbers was converted")
except thf.HloFrontendError as error:
    assert "while_loop" in str(error) and "program.py" in str(error), error
after = state()
assert training == [module.training for module in modules[0].modules()]
torch.manual_seed(5)
assert behaviour() == wanted
"""
FRAMEWORKS = {"jax": JAX, "tensorflow": TENSORFLOW, "torch": TORCH}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_converting_changes_nothing_but_its_result(framework, tmp_path):
    if find_spec(framework) is None or (framework == "torch" and find_spec("torchax") is None):
        pytest.skip(f"{framework} is not installed")
    ending = "found = changes(before, globals().get('after') or state())\nprint('CHANGED', json.dumps(found))\n"
    script = tmp_path / "program.py"  # a file: AutoGraph and torch quote its lines
    script.write_text(PROCESS + FRAMEWORKS[framework] + ending, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith("CHANGED ")]
    assert json.loads(lines[0].removeprefix("CHANGED ")) == {}
