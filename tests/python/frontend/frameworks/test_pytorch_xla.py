"""from_pytorch through torch_xla, where that is installed: it and torchax need different versions of torch."""

from __future__ import annotations

import os

import numpy as np
import pytest

os.environ.setdefault("PJRT_DEVICE", "CPU")
torch = pytest.importorskip("torch")
pytest.importorskip("torch_xla", reason="torch_xla needs an environment of its own, with the torch of its version")
from torch import nn  # noqa: E402

import tvm_hlo_frontend  # noqa: E402
from tests.support.torch_models import Function, assert_same, model  # noqa: E402
from tvm_hlo_frontend.backends.select import mod_and_params  # noqa: E402
from tvm_hlo_frontend.errors import LoweringError  # noqa: E402
from tvm_hlo_frontend.frameworks.pytorch import from_pytorch, lower_pytorch  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
X = torch.linspace(-1, 1, 12).reshape(3, 4)


def run(module, *inputs):
    mod, params = mod_and_params(from_pytorch(module, *inputs, via="torch_xla"))
    return tvm_hlo_frontend.build(mod, params)(*(tensor.numpy() for tensor in inputs))


@pytest.mark.parametrize("name", ["mlp", "cnn", "attention", "embedding"])
def test_models_compute_what_torch_does(name):
    module, inputs = model(name)
    lowered = lower_pytorch(module, *inputs, via="torch_xla")
    weights = {lowered.input_names[number] for number in lowered.parameter_values}
    assert weights == {key for key in module.state_dict() if "num_batches_tracked" not in key}
    got = run(module, *inputs)
    with torch.no_grad():
        assert_same(got, module.eval()(*inputs))


def test_inputs_keep_their_order_and_unused_ones_stay():
    inputs = (X, torch.ones(2, dtype=torch.int32), X * 2, torch.tensor(1.0), torch.tensor(0))
    module = Function(lambda x, unused, z, one, zero: (z - x * one) + zero)
    assert lower_pytorch(module, *inputs, via="torch_xla").input_names == tuple(f"args_{i}" for i in range(5))
    assert_same(run(module, *inputs), X)


def test_results_that_are_inputs():
    assert_same(run(Function(lambda x, y: (y, x)), X, X * 2), (X * 2, X))


def test_tensors_made_inside_are_made_on_the_device():
    assert_same(run(Function(lambda x: x + torch.arange(4) * 0.3), X), X + torch.arange(4) * 0.3)


def test_lone_results_are_no_tuples():
    assert isinstance(run(nn.Linear(4, 3), X), np.ndarray)


def test_operators_that_would_run_on_the_cpu_are_refused():
    with pytest.raises(LoweringError, match=r"no lowering of aten::nonzero .* CPU: .*torch_models\.py"):
        run(Function(lambda x: torch.nonzero(x)), X)
