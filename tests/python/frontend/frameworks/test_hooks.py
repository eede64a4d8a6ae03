"""The functions that importing this package adds to TVM's own namespaces; Relay's have tests with their frameworks."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tvm

import tvm_hlo_frontend
from tests.support.dialect_marks import relax_only, relay_only
from tvm_hlo_frontend import SignatureError, from_hlo, report_of, signature_of
from tvm_hlo_frontend.frameworks import hooks
from tvm_hlo_frontend.hlo.ir.attributes import DimensionsAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape
from tvm_hlo_frontend.hlo.proto.writer import to_proto

F32 = array_shape("f32", (4,))
X = np.arange(4, dtype="float32")
HOOKED = relax_only("Relay's hooks are tested with the frameworks")


def flipped_sum():
    builder = ComputationBuilder("main")
    x, y = builder.parameter(0, F32, name="x"), builder.parameter(1, F32, name="y")
    flipped = builder.add("reverse", [y], attributes=DimensionsAttributes((0,)))
    return module("flipped", builder.build(builder.add("add", [x, flipped])))


def run_plain(mod, *arrays):
    """What TVM alone makes of a module."""
    from tvm import relax

    machine = relax.VirtualMachine(tvm.compile(mod, tvm.target.Target("llvm")), tvm.cpu())
    return machine["main"](*map(tvm.runtime.tensor, arrays)).numpy()


def in_a_new_process(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@HOOKED
def test_the_hook_is_the_same_function_with_the_dialect_fixed():
    from tvm import relax

    mod = relax.frontend.from_hlo(to_proto(flipped_sum()))
    assert isinstance(mod, tvm.IRModule) and int(mod["main"].attrs["num_input"]) == 2
    tvm.ir.assert_structural_equal(mod, from_hlo(flipped_sum()))
    assert signature_of(mod) and report_of(mod)
    np.testing.assert_array_equal(run_plain(mod, X, X), X + X[::-1])


@HOOKED
def test_weights_are_constants_or_come_off_with_detach_params():
    from tvm import relax

    bound = relax.frontend.from_hlo(flipped_sum(), parameter_values={1: X})
    assert len(bound["main"].params) == 1 and relax.frontend.detach_params(bound)[1] == {}
    np.testing.assert_array_equal(run_plain(bound, X * 3), X * 3 + X[::-1])
    kept = relax.frontend.from_hlo(flipped_sum(), parameter_values={1: X}, keep_params_in_input=True)
    np.testing.assert_array_equal(tvm_hlo_frontend.build(kept)(X), X + X[::-1])
    detached, params = relax.frontend.detach_params(kept)
    assert [variable.name for variable in detached["main"].params] == ["x", "y"]
    assert int(detached["main"].attrs["num_input"]) == 1 and "params" not in detached["main"].attrs
    (weights,) = params["main"]
    np.testing.assert_array_equal(weights.numpy(), X)
    np.testing.assert_array_equal(run_plain(detached, X, weights.numpy()), X + X[::-1])
    rebound = relax.transform.BindParams("main", {"y": weights})(detached)
    np.testing.assert_array_equal(run_plain(rebound, X), X + X[::-1])


@HOOKED
def test_weights_come_last_whatever_their_place_in_hlo():
    from tvm import relax

    mod = relax.frontend.from_hlo(flipped_sum(), parameter_values={0: X}, keep_params_in_input=True)
    assert [variable.name for variable in mod["main"].params] == ["y", "x"]
    assert [(p.name, p.bound) for p in signature_of(mod).parameters] == [("y", False), ("x", True)]
    np.testing.assert_array_equal(tvm_hlo_frontend.build(mod)(X * 10), X + 10 * X[::-1])


@HOOKED
def test_every_framework_has_its_hook_in_relax():
    from tvm import relax

    for name in ("from_hlo", "from_jax", "from_pytorch", "from_stablehlo", "from_tensorflow"):
        hook = getattr(relax.frontend, name)
        assert hook.__name__ == name and hook.tvm_importer is None and "keep_params_in_input" in hook.__doc__


@HOOKED
def test_from_jax_in_relax():
    from tvm import relax

    pytest.importorskip("jax")
    mod = relax.frontend.from_jax(lambda x, w: x * 2 + w, X, X, weight_argnums=(1,), keep_params_in_input=True)
    assert signature_of(mod).source == "jax"
    np.testing.assert_array_equal(tvm_hlo_frontend.build(mod)(X), 3 * X)


@HOOKED
def test_from_pytorch_in_relax():
    from tvm import relax

    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 3)
    mod = relax.frontend.from_pytorch(layer, torch.zeros(2, 4), keep_params_in_input=True)
    assert {p.name for p in signature_of(mod).parameters if p.bound} == {"weight", "bias"}
    x = np.stack([X, X + 1])
    wanted = layer(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(tvm_hlo_frontend.build(mod)(x), wanted, rtol=1e-5, atol=1e-6)


@HOOKED
def test_from_tensorflow_in_relax():
    from tvm import relax

    tf = pytest.importorskip("tensorflow")
    mod = relax.frontend.from_tensorflow(tf.function(lambda x: tf.reverse(x, [0])), tf.TensorSpec([4], tf.float32))
    np.testing.assert_array_equal(tvm_hlo_frontend.build(mod)(X), X[::-1])


STABLEHLO = """
func.func public @main(%x: tensor<2x2xf32>, %y: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %0 = stablehlo.dot_general %x, %y, contracting_dims = [0] x [0]
       : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}
"""


@HOOKED
def test_tvms_stablehlo_importer_converts_via_hlo_on_request():
    pytest.importorskip("jax")
    from tvm.relax.frontend.stablehlo import from_stablehlo

    x, y = np.array([[1, 2], [3, 4]], "float32"), np.array([[1, 0], [5, 7]], "float32")
    mod = from_stablehlo(STABLEHLO, via="hlo")
    np.testing.assert_array_equal(run_plain(mod, x, y), x.T @ y)
    kept = from_stablehlo(STABLEHLO, via="hlo", parameter_values={1: y}, keep_params_in_input=True)
    np.testing.assert_array_equal(kept["main"].attrs["params"][0].numpy(), y)
    with pytest.raises(SignatureError, match="input_info has no meaning"):
        from_stablehlo(STABLEHLO, [((2, 2), "float32")], via="hlo")
    with pytest.raises(ValueError, match="via='onnx'"):
        from_stablehlo(STABLEHLO, via="onnx")


@HOOKED
def test_tvms_stablehlo_importer_gets_its_arguments_unchanged(monkeypatch):
    from tvm.relax.frontend import stablehlo

    assert stablehlo.from_stablehlo.tvm_importer is stablehlo.stablehlo_translator.from_stablehlo
    given = []
    monkeypatch.setattr(stablehlo, "from_stablehlo", lambda *args, **options: given.append((args, options)))
    hooks.extend(stablehlo)
    stablehlo.from_stablehlo("module", [1])
    stablehlo.from_stablehlo("module", input_info=[1], via="tvm")
    assert given == [(("module", [1]), {}), (("module",), {"input_info": [1]})]


@HOOKED
def test_extending_relax_twice_changes_nothing():
    from tvm import relax

    before = relax.frontend.from_hlo
    hooks.extend(relax.frontend)
    hooks.install()
    assert relax.frontend.from_hlo is before


@HOOKED
def test_other_importers_of_relax_stay_as_they_are():
    program = (
        "from tvm.relax.frontend.torch import from_exported_program as before; import tvm_hlo_frontend; "
        "from tvm.relax.frontend.torch import from_exported_program as after; assert before is after"
    )
    in_a_new_process(program)


@HOOKED
def test_the_hooks_come_before_or_after_the_import_of_relax():
    later = "import sys, tvm_hlo_frontend; assert 'tvm' not in sys.modules; from tvm import relax; "
    earlier = "import sys; from tvm import relax; import tvm_hlo_frontend; "
    for imports in (later, earlier):
        told = in_a_new_process(f"{imports}print(relax.frontend.from_hlo.__name__, 'jax' in sys.modules)")
        assert told.split() == ["from_hlo", "False"]


@HOOKED
@pytest.mark.parametrize(
    "imports", ["import tvm_hlo_frontend; from tvm import relax", "from tvm import relax; import tvm_hlo_frontend"]
)
def test_saved_modules_load_after_the_import_alone(imports, tmp_path):
    builder = ComputationBuilder("main")
    x = builder.parameter(0, F32, name="x")
    mod = from_hlo(module("tanh", builder.build(builder.add("tanh", [x]))))
    (tmp_path / "module.json").write_text(tvm.ir.save_json(mod))
    program = (
        f"{imports}; import numpy, tvm; mod = tvm.ir.load_json(open({str(tmp_path / 'module.json')!r}).read()); "
        "machine = relax.VirtualMachine(tvm.compile(mod, tvm.target.Target('llvm')), tvm.cpu()); "
        "print(machine['main'](tvm.runtime.tensor(numpy.zeros(4, 'float32'))).numpy().tolist())"
    )
    assert in_a_new_process(program).strip() == "[0.0, 0.0, 0.0, 0.0]"


@relay_only("Relax of TVM 0.17 is another language than today's")
def test_relax_of_an_old_tvm_is_refused():
    program = (
        "import tvm_hlo_frontend\nfrom tvm import relax\n"
        "try:\n    relax.frontend.from_hlo('HloModule m\\nENTRY e { ROOT x = f32[] parameter(0) }')\n"
        "except ImportError as error:\n    print(error)"
    )
    assert "TVM >= 0.25" in in_a_new_process(program)
