"""check=: the framework, XLA and TVM on example inputs, which step changes the numbers, and what is not compared."""

from __future__ import annotations

import pickle
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tvm_hlo_frontend import Check, CheckError, SignatureError, from_jax, from_pytorch, from_stablehlo, from_tensorflow
from tvm_hlo_frontend.frameworks import jax as jax_road
from tvm_hlo_frontend.frameworks.lowered import LoweredModule, convert_lowered
from tvm_hlo_frontend.oracle.check import Checked

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # its import needs what import_torchax does
    pytest.skip("torchax is not installed", allow_module_level=True)
from torch import nn  # noqa: E402

from tests.support.torch_models import Function  # noqa: E402
from tvm_hlo_frontend.frameworks import torchax_bridge  # noqa: E402
from tvm_hlo_frontend.frameworks.pytorch import lower_pytorch  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("error:not checked"), pytest.mark.filterwarnings("ignore::FutureWarning")]
X = np.array([0.5, -1.0, 2.0, 0.25], "float32")
# TVM's numbers of a converter that is wrong
WRONG_TANH = {"tanh": lambda ctx, instruction, x: ctx.map("sine", x.element_type, [x])}


@pytest.fixture
def wrong_sine(monkeypatch):
    """A lowering of the sine that is wrong."""
    import torch

    lowerings = {**torchax_bridge._own_lowerings(), torch.ops.aten.sin.default: lambda x: x * 0.9}
    monkeypatch.setattr(torchax_bridge, "_own_lowerings", lambda: lowerings)


class Counts(nn.Module):
    """Assigns a buffer and an attribute."""

    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(4))
        self.drop = nn.Dropout()

    def forward(self, x, *, scale):
        self.total.add_(x)
        return {"y": self.drop(x) * scale + self.total, "n": x.sum()}


def test_a_wrong_lowering_is_found_by_default_and_named(wrong_sine, monkeypatch):
    module = Function(lambda x: torch.sin(x * 2).cos())
    with pytest.raises(CheckError) as caught:
        from_pytorch(module, torch.from_numpy(X))
    text = str(caught.value)
    assert caught.value.steps == ("framework",) and "TVM" not in text
    assert "PyTorch and XLA:CPU differ: result 0 at [0] is" in text
    assert "torchax computes aten.sin.default" in text and "%sin from" in text
    wanted, got = np.cos(np.sin(X[0] * 2)), np.cos(X[0] * 2 * 0.9)
    assert f"{wanted:.6f}"[:-2] in text and f"{got:.6f}"[:-2] in text
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == text and again.steps == ("framework",)
    from_pytorch(module, torch.from_numpy(X), check=False)
    monkeypatch.setattr(torchax_bridge, "lowered_alone", lambda *arguments: 1 / 0)
    with pytest.raises(CheckError, match="differs cannot be found: ZeroDivisionError"):
        from_pytorch(module, torch.from_numpy(X))
    from_pytorch(module, torch.from_numpy(X), check=Check(tvm=False, tolerance=10.0))


def test_both_steps_are_told_apart(wrong_sine):
    with pytest.raises(CheckError) as caught:
        from_pytorch(Function(torch.sin), torch.from_numpy(X), check=True)
    assert "XLA:CPU and TVM agree." in str(caught.value) and caught.value.steps == ("framework",)
    with pytest.raises(CheckError) as caught:
        from_pytorch(Function(torch.tanh), torch.from_numpy(X), check=True, custom_converters=WRONG_TANH)
    text = str(caught.value)
    assert caught.value.steps == ("tvm",) and "PyTorch and XLA:CPU agree." in text
    assert "the first instruction that differs:" in text and "tanh(" in text and "torch_models.py" in text
    from_pytorch(Function(torch.tanh), torch.from_numpy(X), custom_converters=WRONG_TANH)  # TVM is not run by default


def test_the_module_and_the_inputs_stay_as_they_were():
    module, x = Counts().train(), torch.from_numpy(X.copy())
    module(x, scale=2.0)
    before, attributes = module.total.clone(), dict(module.__dict__)
    state = torch.random.get_rng_state()
    from_pytorch(module, x, example_kwargs={"scale": 3.0}, check=True)
    assert torch.equal(module.total, before) and torch.equal(x, torch.from_numpy(X))
    assert module.training and module.drop.training and module.__dict__ == attributes
    assert torch.equal(torch.random.get_rng_state(), state)


def test_weights_beside_a_wrong_one_are_those_of_the_module(monkeypatch):
    real = lower_pytorch.__globals__["weight_of"]
    monkeypatch.setitem(lower_pytorch.__globals__, "weight_of", lambda exported, name: real(exported, name) + 1)
    with pytest.raises(CheckError, match="PyTorch and XLA:CPU differ"):
        from_pytorch(nn.Linear(4, 2), torch.from_numpy(X))


def test_narrow_types_and_exports_are_checked():
    linear = nn.Linear(4, 3).to(torch.bfloat16)
    from_pytorch(linear, torch.ones(2, 4, dtype=torch.bfloat16), check=True)
    exported = torch.export.export(linear.eval(), (torch.ones(2, 4, dtype=torch.bfloat16),))
    from_pytorch(exported, check=True)


def test_what_is_not_compared_says_why():
    dynamic = torch.export.export(
        Function(torch.tanh), (torch.ones(3, 4),), dynamic_shapes=(({0: torch.export.Dim("n")},),)
    )
    with pytest.warns(UserWarning, match="not checked on example inputs: its sizes are unknown"):
        from_pytorch(dynamic, specialize=True)
    with pytest.warns(UserWarning, match=r"weights and inputs are .* check=True runs them"):
        from_pytorch(nn.Linear(4, 2), torch.ones(1, 4), check=Check(limit=40))
    with pytest.warns(UserWarning, match="PyTorch cannot run it: IndexError"):
        from_pytorch(nn.Embedding(3, 2), torch.tensor([9]))
    random = """HloModule m ENTRY e { a = f32[] constant(0) b = f32[] constant(1)
      ROOT r = f32[4] rng(a, b), distribution=rng_uniform }"""
    with pytest.warns(UserWarning, match=r"it draws random numbers \(rng\)"):
        convert_lowered(LoweredModule(random, ()), rng_seed=1, checked=Checked(Check()))


@pytest.mark.parametrize("check", [1, "yes", {"tvm": True}])
def test_what_is_no_check_is_refused(check):
    with pytest.raises(SignatureError, match="give True, False, or a Check"):
        from_pytorch(nn.Linear(4, 2), torch.ones(1, 4), check=check)
    with pytest.raises(SignatureError, match="no negative number"):
        Check(tolerance=-1.0)


def scaled(w, x, key, factor, *, flag, bias):
    noise = jax.random.normal(key, (3,))
    return {"y": x @ w * factor + bias, "noise": noise, "sum": x.sum() if flag else x}


ARGUMENTS = (np.eye(3, 4, dtype="float32"), jnp.ones((2, 3), jnp.bfloat16), jax.random.key(1), 2.0)
OPTIONS = {"flag": True, "bias": jax.ShapeDtypeStruct((4,), jnp.float32)}


def test_jax_runs_keys_static_arguments_weights_and_shapes():
    from_jax(scaled, *ARGUMENTS, **OPTIONS, weight_argnums=(0,), static_argnames=("flag",), check=True)
    from_jax(jax.export.export(jax.jit(jnp.tanh))(X), check=True)


def test_jax_whose_hlo_is_another_program_differs(monkeypatch):
    other = jax_road.lower_jax(jnp.cos, X)
    monkeypatch.setattr(jax_road, "lower_jax", lambda *args, **options: other)
    with pytest.raises(CheckError) as caught:
        from_jax(jnp.sin, X, check=True)
    assert caught.value.steps == ("framework",) and "JAX and XLA:CPU differ" in str(caught.value)


def test_jax_and_stablehlo_whose_conversion_is_wrong_differ():
    with pytest.raises(CheckError, match="JAX and XLA:CPU agree") as caught:
        from_jax(jnp.tanh, X, check=True, custom_converters=WRONG_TANH)
    assert caught.value.steps == ("tvm",)
    stablehlo = jax.jit(jnp.tanh).lower(X).as_text()
    from_stablehlo(stablehlo, check=True)
    with pytest.raises(CheckError, match="XLA:CPU and TVM differ: result 0 at") as caught:
        from_stablehlo(stablehlo, check=True, custom_converters=WRONG_TANH)
    assert caught.value.steps == ("tvm",)


def test_tensorflow_variables_stay_as_they_were():
    tf = pytest.importorskip("tensorflow")
    total = tf.Variable(X)

    @tf.function
    def program(x):
        total.assign_add(x)
        return tf.tanh(x) * total

    for given in (tf.TensorSpec([4]), X):
        from_tensorflow(program, given, check=True)
        np.testing.assert_array_equal(total.numpy(), X)
    with pytest.raises(CheckError, match="TensorFlow and XLA:CPU agree") as caught:
        from_tensorflow(program, X, check=True, custom_converters=WRONG_TANH)
    assert caught.value.steps == ("tvm",)


def test_tensorflow_and_xla_draw_other_numbers_of_a_seed():
    tf = pytest.importorskip("tensorflow")
    program = tf.function(lambda x: x + tf.random.stateless_uniform([4], [1, 2]))
    with pytest.warns(UserWarning, match="not checked against TensorFlow on example inputs: it draws random numbers"):
        from_tensorflow(program, tf.TensorSpec([4]), check=True)
