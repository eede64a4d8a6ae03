"""Real models end to end against their frameworks: weights random but calibrated, see tools/models/."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("flax")
pytest.importorskip("tensorflow")

from tools.demo.run import as_list, convert, run_relay_build, run_relay_vm
from tools.frameworks_models.catalogue import SMALL as SMALL_OF_FRAMEWORKS
from tools.frameworks_models.catalogue import key
from tools.models.calibration import input_sensitivity, sampled, weight_sensitivities
from tools.models.library import MODELS, model_named, relative_error
from tools.support.compare import run_plain

import tvm_hlo_frontend
from tests.support.dialect_marks import DIALECT, relay_only

# in standard deviations of the result; XLA:CPU and TensorFlow differ by 3e-5 on ResNet50
TOLERANCE = 1e-4
SMALL = [model.name for model in MODELS if model.small]
LARGE = [model.name for model in MODELS if not model.small]
SAMPLED_WEIGHTS = 25
# with weights as constants of the module: a model without a loop, and one with
FROZEN = [("CNN", True), ("LSTM", True)]
# without this package's build: convolutions, attention, a gradient, linear algebra
ON_PLAIN_TVM = ["CNN", "BERT", "MLP gradient", "GP opcodes"]
# what has loops, and one that has none
ON_PLAIN_VIRTUAL_MACHINE = ["CNN", *(model.name for model in MODELS if model.small and model.loops)]
OF_FRAMEWORKS = {key(model): model for model in SMALL_OF_FRAMEWORKS}

# Refuses every module that an exported library must not need, then runs the library on stored inputs
RUN_ALONE = """
    import sys

    class Blocker:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ("jax", "jaxlib", "flax", "tensorflow", "keras", "scipy", "tvm_hlo_frontend"):
                raise ImportError(f"{name} is blocked")

    sys.meta_path.insert(0, Blocker())
    import numpy as np
    import tvm

    library, data, output = sys.argv[1:]
    module = tvm.runtime.load_module(library)
    with np.load(data) as stored:
        inputs = dict(stored)
"""
RUN_GRAPH = """
    from tvm.contrib import graph_executor

    module = graph_executor.GraphModule(module["default"](tvm.cpu()))
    module.run(**inputs)
    np.savez(output, *[module.get_output(i).numpy() for i in range(module.get_num_outputs())])
"""
RUN_RELAX = """
    from tvm import relax

    machine = relax.VirtualMachine(module, tvm.cpu())
    np.savez(output, machine["main"](*map(tvm.runtime.tensor, inputs.values())).numpy())
"""


def converted(instance, frozen=False):
    return convert(instance.lowered.hlo, instance.lowered, frozen)


def check(got, instance, inputs=None):
    expected = instance.reference(*(inputs or instance.inputs))
    assert relative_error(as_list(got) if isinstance(got, (tuple, np.ndarray)) else got, expected) <= TOLERANCE


@relay_only("frameworks alone, which are the same beside either TVM")
@pytest.mark.parametrize("name", [*SMALL, *LARGE])
def test_calibration(name):
    instance = model_named(name).make()
    assert input_sensitivity(instance) > 0.1
    numbers = None if name in SMALL else sampled(instance, SAMPLED_WEIGHTS)
    changes = weight_sensitivities(instance, numbers)
    assert {weight: change for weight, change in changes.items() if change <= TOLERANCE} == {}


@pytest.mark.parametrize(("name", "frozen"), [*((name, False) for name in SMALL), *FROZEN])
def test_small_model_through_build(name, frozen):
    instance = model_named(name).make()
    executable = tvm_hlo_frontend.build(*converted(instance, frozen))
    check(executable(*instance.inputs), instance)
    check(executable(*instance.other_inputs), instance, instance.other_inputs)


@pytest.mark.parametrize("name", OF_FRAMEWORKS)
def test_small_model_of_a_framework(name):
    if name.startswith("torch") and find_spec("torchax") is None:
        pytest.skip("torchax is not installed")
    instance = OF_FRAMEWORKS[name].make()
    assert input_sensitivity(instance) > 0.1
    executable = tvm_hlo_frontend.build(*converted(instance))
    check(executable(*instance.inputs), instance)
    check(executable(*instance.other_inputs), instance, instance.other_inputs)


@pytest.mark.parametrize("name", ON_PLAIN_TVM)
def test_small_model_through_plain_tvm(name):
    instance = model_named(name).make()
    if DIALECT == "relay":
        check(run_relay_build(*converted(instance), instance.inputs), instance)
    else:
        check(run_plain(*converted(instance), instance.inputs, False), instance)


@relay_only("Relax runs everything on one virtual machine")
@pytest.mark.parametrize("name", ON_PLAIN_VIRTUAL_MACHINE)
def test_small_model_through_the_plain_virtual_machine(name):
    instance = model_named(name).make()
    check(run_relay_vm(*converted(instance), instance.inputs), instance)


@pytest.mark.minutes
@pytest.mark.parametrize("name", LARGE)
def test_large_model_through_build(name):
    instance = model_named(name).make()
    executable = tvm_hlo_frontend.build(*converted(instance))
    check(executable(*instance.inputs), instance)
    check(executable(*instance.other_inputs), instance, instance.other_inputs)


def test_exported_library_runs_without_this_package_and_any_framework(tmp_path):
    instance = model_named("CNN").make()
    executable = tvm_hlo_frontend.build(*converted(instance))
    library, data, output = tmp_path / "cnn.so", tmp_path / "inputs.npz", tmp_path / "outputs.npz"
    executable.export_library(library)
    names = [parameter.name for parameter in executable.inputs]
    np.savez(data, **dict(zip(names, instance.inputs, strict=True)))
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(RUN_ALONE + (RUN_GRAPH if DIALECT == "relay" else RUN_RELAX)),
        str(library),
        str(data),
        str(output),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(output) as results:
        check([results[name] for name in results.files], instance)
