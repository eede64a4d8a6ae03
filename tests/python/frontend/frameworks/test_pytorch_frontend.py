"""from_pytorch through torchax against torch itself: names, weights, structures, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pytest

import tvm_hlo_frontend
from tests.support.dialect_marks import relay_only
from tests.support.processes import run_without
from tvm_hlo_frontend.backends.select import mod_and_params, parameter_names
from tvm_hlo_frontend.errors import LoweringError, SignatureError
from tvm_hlo_frontend.frameworks.lowered import parameter_shapes
from tvm_hlo_frontend.frameworks.pytorch import from_pytorch, lower_pytorch
from tvm_hlo_frontend.hlo.proto.reader import read

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # its import needs what import_torchax does
    pytest.skip("torchax is not installed", allow_module_level=True)
from torch import nn  # noqa: E402

from tests.support.torch_models import Attention, Function, assert_same, convolutional, model, tensors  # noqa: E402

# torch.utils warns of what torch.export itself does
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
X = torch.linspace(-1, 1, 12).reshape(3, 4)


def arrays(inputs):
    return [tensor.numpy() for tensor in tensors(inputs)]


def run(program, *inputs, **options):
    mod, params = mod_and_params(from_pytorch(program, *inputs, **options))
    return tvm_hlo_frontend.build(mod, params)(*arrays(inputs))


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "attention", "embedding"])
def test_models_compute_what_torch_does(name):
    module, inputs = model(name)
    lowered = lower_pytorch(module, *inputs)
    used = {key: value for key, value in module.state_dict().items() if "num_batches_tracked" not in key}
    weights = {lowered.input_names[number]: value for number, value in lowered.parameter_values.items()}
    assert set(weights) == set(used)
    for key, value in used.items():
        np.testing.assert_array_equal(weights[key], value.numpy())
    assert lowered.source == "pytorch"
    got = run(module, *inputs)
    with torch.no_grad():
        assert_same(got, module.eval()(*inputs))


def test_exported_programs_need_no_inputs():
    module, inputs = model("mlp")
    exported = torch.export.export(module.eval(), inputs)
    mod, params = mod_and_params(from_pytorch(exported, freeze_params=False))
    bound = {p.name: p.variable for p in tvm_hlo_frontend.signature_of(mod).parameters if p.bound}
    assert bound == {name: f"v_{name}" for name in ["0.weight", "0.bias", "2.weight", "2.bias"]}
    assert sorted(params) == sorted(bound.values())
    assert_same(tvm_hlo_frontend.build(mod, params)(*arrays(inputs)), module(*inputs))


def test_frozen_weights():
    module, inputs = model("mlp")
    mod, params = mod_and_params(from_pytorch(module, *inputs, freeze_params=True))
    assert not params and parameter_names(mod) == ["input"]
    assert_same(tvm_hlo_frontend.build(mod, params)(*arrays(inputs)), module(*inputs))


def test_the_modules_mode_is_left_alone():
    module = convolutional().train()
    module[2].eval()
    lowered = lower_pytorch(module, torch.zeros(1, 3, 8, 8))
    assert [child.training for child in module] == [True, True, False, *[True] * 5] and module.training
    assert "rng-bit-generator" not in {instruction.opcode for instruction in read(lowered.hlo).instructions}
    assert "1.running_mean" in lowered.input_names


# ---- names and structures


@dataclass
class Output:
    second: object
    first: object


torch.utils._pytree.register_dataclass(Output)


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.register_buffer("shift", torch.ones(3), persistent=False)
        self.scale = torch.full((3,), 2.0)

    def forward(self, x, batch, times: int, *, flag=None, other):
        y = (self.linear(x) + self.shift) * self.scale * times
        return Output({"b": y, "a": (other, None, 7)}, batch["image"][0] - y.sum())


def test_nested_inputs_and_outputs():
    torch.manual_seed(0)
    module, other = Nested(), torch.tensor([1, 2])
    batch = {"image": [torch.ones(2, dtype=torch.float64)], "unused": torch.zeros(5, dtype=torch.uint8)}
    args, kwargs = (X, batch, 3), {"other": other}
    lowered = lower_pytorch(module, *args, example_kwargs=kwargs)
    inputs = ("x", "batch_image_0", "batch_unused", "other")
    assert lowered.input_names == ("linear.weight", "linear.bias", "shift", "scale", *inputs)
    shapes = [str(shape) for shape in parameter_shapes(lowered.hlo)[4:]]
    assert shapes == ["f32[3,4]", "f64[2]", "u8[5]", "s64[2]"]
    mod, params = mod_and_params(from_pytorch(module, *args, example_kwargs=kwargs))
    got = tvm_hlo_frontend.build(mod, params)(*arrays((X, batch)), other.numpy())
    wanted = module(*args, **kwargs)
    assert [len(array.shape) for array in got] == [2, 1, 1]
    assert_same(got, (wanted.second["b"], wanted.second["a"][0], wanted.first))
    assert lowered.result_structure.num_leaves == 5


def test_assigned_buffers_and_inputs_are_returned_after_the_results():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.tensor(3))

        def forward(self, x):
            self.count.add_(2)
            return x.mul_(2) + self.count

    y, count, x = run(Counter(), X.clone())
    assert count == 5 and count.dtype == np.int64
    np.testing.assert_array_equal(x, X.numpy() * 2)
    np.testing.assert_array_equal(y, X.numpy() * 2 + 5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_element_types_of_weights_and_inputs_are_kept(dtype):
    torch.manual_seed(0)
    module = nn.Linear(4, 3).to(dtype)
    lowered = lower_pytorch(module, X.to(dtype))
    wanted = str(dtype).removeprefix("torch.")
    assert {str(value.dtype) for value in lowered.parameter_values.values()} == {wanted}
    mod, params = mod_and_params(from_pytorch(module, X.to(dtype)))
    got = tvm_hlo_frontend.build(mod, params)(X.numpy().astype(lowered.parameter_values[0].dtype))
    tolerance = {torch.float64: 1e-14, torch.float16: 2e-3, torch.bfloat16: 2e-2}[dtype]
    np.testing.assert_allclose(got.astype("f8"), module(X.to(dtype)).detach().double().numpy(), atol=tolerance)


def test_32_bit_programs_hold_no_64_bit_values():
    module, inputs = model("cnn")
    kinds = {instruction.shape.element_type for instruction in read(lower_pytorch(module, *inputs).hlo).instructions}
    assert not kinds & {"f64", "s64"}


def test_named_tuples_of_linear_algebra():
    matrix = X[:, :3] @ X[:, :3].T + torch.eye(3)
    assert_same(run(Function(lambda a: torch.linalg.cholesky(a)), matrix), torch.linalg.cholesky(matrix))
    q, r = run(Function(torch.linalg.qr), matrix)
    np.testing.assert_allclose(q @ r, matrix.numpy(), atol=1e-5)


def test_instructions_name_the_nodes_they_come_from():
    module, inputs = model("mlp")
    names = {instruction.metadata.op_name for instruction in read(lower_pytorch(module, *inputs).hlo).instructions}
    assert any("/addmm/" in name for name in names)


# ---- dynamic shapes


def dynamic_program():
    torch.manual_seed(0)
    batch = torch.export.Dim("batch", min=2)
    return torch.export.export(nn.Linear(4, 3), (X,), dynamic_shapes=({0: batch},))


@pytest.mark.parametrize("batch", [2, 5])
def test_inputs_give_dynamic_dimensions_their_sizes(batch):
    program, x = dynamic_program(), torch.ones(batch, 4)
    mod, params = mod_and_params(from_pytorch(program, x, freeze_params=False))
    assert sorted(params) == ["bias", "weight"]
    assert_same(tvm_hlo_frontend.build(mod, params)(x.numpy()), program.module()(x))


REFUSED_INPUTS = {
    "shape": ((torch.ones(5, 3),), r"float32\[5, 3\] does not fit the input input"),
    "dtype": ((torch.ones(5, 4, dtype=torch.float64),), r"float64\[5, 4\] does not fit"),
    "no tensor": ((3,), "the argument 3 does not fit"),
    "count": ((X, X), "the arguments have the structure"),
}


@pytest.mark.parametrize("case", REFUSED_INPUTS)
def test_inputs_that_do_not_fit_the_export_are_refused(case):
    inputs, message = REFUSED_INPUTS[case]
    with pytest.raises(SignatureError, match=message):
        lower_pytorch(dynamic_program(), *inputs)


def test_numbers_that_are_part_of_the_export_cannot_change():
    exported = torch.export.export(Function(lambda x, n: x * n), (X, 3))
    assert_same(run(exported, X, 3), X * 3)
    with pytest.raises(SignatureError, match="exported with args_1=3, not 4"):
        lower_pytorch(exported, X, 4)


# ---- what is refused


@torch.library.custom_op("tvm_hlo_frontend_tests::twice", mutates_args=())
def twice(x: torch.Tensor) -> torch.Tensor:
    return 2 * x


@twice.register_fake
def _(x):
    return torch.empty_like(x)


def test_all_operators_without_a_lowering_are_named_with_their_lines():
    def forward(x):
        y = torch.ops.tvm_hlo_frontend_tests.twice(x)
        return torch.nonzero(y), y + torch.rand(4), torch.ops.tvm_hlo_frontend_tests.twice(y)

    with pytest.raises(LoweringError) as caught:
        from_pytorch(Function(forward), X)
    message = str(caught.value)
    assert "tvm_hlo_frontend_tests.twice.default (no lowering), 2 time(s)" in message
    assert "aten.nonzero.default (the shape of its result depends on data)" in message
    assert "aten.rand.default (random numbers)" in message
    assert "test_pytorch_frontend.py" in message and "y = torch.ops.tvm_hlo_frontend_tests.twice(x)" in message


def test_numbers_that_depend_on_data_are_refused():
    with pytest.raises(LoweringError, match=r"_local_scalar_dense.*depends on data"):
        lower_pytorch(Function(lambda x: x * x.sum().item()), X)


def test_what_torch_cannot_export_is_one_error():
    with pytest.raises(LoweringError, match=r"torch\.export cannot trace Linear"):
        lower_pytorch(nn.Linear(4, 3), torch.ones(2, 5))


@pytest.mark.parametrize(
    ("program", "message"),
    [(torch.jit.script(nn.Linear(4, 3)), "TorchScript"), (lambda x: x, r"torch\.nn\.Module .* not function")],
)
def test_other_programs_are_refused(program, message):
    with pytest.raises(SignatureError, match=message):
        lower_pytorch(program, X)


def test_sparse_weights_are_refused():
    module = nn.Linear(4, 3)
    module.weight = nn.Parameter(module.weight.detach().to_sparse())
    with pytest.raises(LoweringError):
        lower_pytorch(module, X)


def test_other_roads():
    with pytest.raises(SignatureError, match="via='onnx'"):
        lower_pytorch(nn.Linear(4, 3), X, via="onnx")
    if find_spec("torch_xla") is None:
        with pytest.raises(LoweringError, match="install torch_xla"):
            lower_pytorch(nn.Linear(4, 3), X, via="torch_xla")


# ---- the hook and imports


@relay_only("relay.frontend")
def test_the_relay_hook_converts_via_hlo_and_leaves_tvms_importer():
    from tvm import relay

    module, inputs = model("mlp")
    mod, params = relay.frontend.from_pytorch(module, *inputs, via="hlo")
    assert "hlo.signature" in mod["main"].attrs and sorted(params)[0] == "v_0.bias"
    script = torch.jit.trace(module.eval(), inputs)
    mod, params = relay.frontend.from_pytorch(script, [("input", (2, 8))])
    assert "nn.softmax" in mod.astext() and "hlo.signature" not in mod.astext()
    with pytest.raises(ValueError, match="via='onnx'"):
        relay.frontend.from_pytorch(script, [("input", (2, 8))], via="onnx")


SORTED = """
import torch
import tvm_hlo_frontend as thf
from tvm_hlo_frontend.frameworks.pytorch import from_pytorch

class Moved(torch.nn.Module):
    def forward(self, x):
        return torch.sort(
            x * 2
        ).values

def refused(ctx, instruction, *operands):
    ctx.refuse("not here")

try:
    from_pytorch(Moved(), torch.ones(3), custom_converters={"sort": refused})
except thf.UnsupportedHloError as error:
    print(error)
"""


def test_refused_instructions_name_the_operator_and_the_line_of_python(tmp_path):
    script = tmp_path / "moved.py"
    script.write_text(SORTED, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert f"from sort {script}:8" in done.stdout, done.stdout + done.stderr
    assert "site-packages" not in done.stdout


def test_lowering_needs_no_tvm():
    program = (
        "import torch\nfrom tvm_hlo_frontend.frameworks.pytorch import lower_pytorch\n"
        "print(lower_pytorch(torch.nn.Linear(4, 3), torch.ones(2, 4)).input_names)"
    )
    done = run_without("tvm", program)
    assert done.stdout.strip() == "('weight', 'bias', 'input')", done.stderr


def test_without_torch_says_what_to_install():
    program = "from tvm_hlo_frontend.frameworks.pytorch import lower_pytorch\nlower_pytorch(None)"
    done = run_without("torch", program)
    assert "PyTorch is not installed: pip install tvm_hlo_frontend[torch,jax]" in done.stderr


def test_the_attention_block_masks():
    module, (x, mask) = model("attention")
    assert isinstance(module, Attention)
    mod, _ = mod_and_params(from_pytorch(module, x, mask))
    kinds = {p.name: p.element_type for p in tvm_hlo_frontend.signature_of(mod).parameters if not p.bound}
    assert kinds == {"x": "f32", "mask": "pred"}


def test_quantized_programs_have_exact_integers():
    import torch.ao.quantization.fx._decomposed  # registers the operators

    operators = torch.ops.quantized_decomposed

    def quantized(x, y):
        codes = operators.quantize_per_tensor(x, 0.03, 5, -128, 127, torch.int8)
        scales, zeros = torch.tensor([0.01, 0.02, 0.5, 0.03]), torch.tensor([0, 3, -4, 1])
        channels = operators.quantize_per_channel(x, scales, zeros, 1, -128, 127, torch.int8)
        product = torch._int_mm(codes.repeat(8, 2), y)
        back = operators.dequantize_per_tensor(codes, 0.03, 5, -128, 127, torch.int8)
        return codes, channels, product, back

    y = torch.arange(-128, -64).reshape(8, 8).to(torch.int8)
    x = X * 5
    wanted = quantized(x, y)
    got = tvm_hlo_frontend.build(*mod_and_params(from_pytorch(Function(quantized), x, y)))(x.numpy(), y.numpy())
    for mine, its in zip(got, wanted):
        assert mine.dtype == its.numpy().dtype
        np.testing.assert_array_equal(mine, its.numpy())
