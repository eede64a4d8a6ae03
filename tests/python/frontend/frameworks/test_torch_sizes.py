"""from_pytorch of programs that torch.export made with Dim."""

from __future__ import annotations

import numpy as np
import pytest

import tvm_hlo_frontend
from tests.support.dialect_marks import DIALECT
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import LoweringError, SignatureError, UnsupportedHloError
from tvm_hlo_frontend.frameworks.pytorch import from_pytorch, lower_pytorch

torch = pytest.importorskip("torch")
Dim = torch.export.Dim


class Encoder(torch.nn.Module):
    """Attention over an unknown number of steps."""

    def __init__(self):
        super().__init__()
        self.project = torch.nn.Linear(4, 8)
        self.norm = torch.nn.LayerNorm(8)
        self.attend = torch.nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        hidden = self.norm(torch.relu(self.project(x)))
        hidden = self.attend(hidden, hidden, hidden)[0]
        return hidden.reshape(hidden.shape[0], -1), hidden.mean(1)


class Mlp(torch.nn.Module):
    """Rows of any number."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))

    def forward(self, x):
        return self.layers(x)


class Positions(torch.nn.Module):
    """Whole numbers up to an unknown one, as models number the places of a sequence."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(64, 4)

    def forward(self, x):
        length = x.shape[1]
        numbered = x + self.embed(torch.arange(0, length, dtype=torch.int64)) + torch.arange(length)[:, None]
        return numbered * torch.arange(1, length + 1, 1)[:, None]


class Images(torch.nn.Module):
    """Convolutions, a norm and pools of images of any size."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 8, 3, padding=1, stride=2)
        self.norm = torch.nn.BatchNorm2d(8)
        self.second = torch.nn.Conv2d(8, 8, 3, padding=1)
        self.last = torch.nn.Linear(8, 5)

    def forward(self, x):
        x = torch.nn.functional.max_pool2d(torch.relu(self.norm(self.first(x[:, None].expand(-1, 3, -1, -1)))), 2)
        return self.last((x + self.second(x)).mean((2, 3)))


def exported(module, sizes, **options):
    torch.manual_seed(0)
    module = module().eval()
    program = torch.export.export(module, (torch.randn(2, 3, 4),), dynamic_shapes={"x": sizes}, strict=False, **options)
    return module, program


def check(run, module, shapes):
    for shape in shapes:
        x = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
        results, wanted = run(x.numpy()), module(x)
        pairs = zip(results, wanted, strict=True) if isinstance(wanted, tuple) else [(results, wanted)]
        for ours, theirs in pairs:
            np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_a_build_for_each_shape():
    module, program = exported(Encoder, {0: Dim("batch"), 1: Dim("length")})
    run = from_pytorch(program, specialize=True)
    assert run.sizes == ("x_0", "x_1")
    check(run, module, [(1, 2, 4), (3, 5, 4)])
    with pytest.raises(SignatureError, match="dimension 2 of `x` is 3; the program needs 4"):
        run(np.zeros((2, 3, 3), np.float32))


@pytest.mark.skipif(DIALECT == "relay", reason="Relay leaves the sizes of these products open for matrices alone")
def test_one_build():
    module, program = exported(Mlp, {0: Dim("batch"), 1: Dim("length")})
    run = tvm_hlo_frontend.build(*mod_and_params(from_pytorch(program)))
    check(run, module, [(1, 2, 4), (3, 5, 4)])


@pytest.mark.parametrize("specialize", [False, True])
def test_places_of_an_unknown_length(specialize):
    if DIALECT == "relay" and not specialize:
        pytest.skip("Relay leaves open the batches of dense networks alone")
    module, program = exported(Positions, {0: Dim("batch"), 1: Dim("length", max=63)})
    made = from_pytorch(program, specialize=specialize)
    check(made if specialize else tvm_hlo_frontend.build(*mod_and_params(made)), module, [(1, 2, 4), (3, 50, 4)])


@pytest.mark.skipif(DIALECT == "relay", reason="Relay leaves open the batches of dense networks alone")
def test_images_of_an_unknown_size():
    sizes = {0: Dim("batch"), 1: 4 * Dim("rows"), 2: 4 * Dim("columns")}
    torch.manual_seed(0)
    module = Images().eval()
    program = torch.export.export(module, (torch.randn(2, 16, 12),), dynamic_shapes={"x": sizes}, strict=False)
    run = tvm_hlo_frontend.build(*mod_and_params(from_pytorch(program)))
    check(run, module, [(1, 8, 8), (3, 32, 20)])
    with pytest.raises(SignatureError, match=r"dimension 1 of `x` is 30; the program needs .*, a multiple of 4"):
        run(np.zeros((1, 30, 8), np.float32))


def test_example_inputs_still_say_the_sizes():
    module, program = exported(Mlp, {0: Dim("batch")})
    run = tvm_hlo_frontend.build(*mod_and_params(from_pytorch(program, torch.randn(5, 3, 4))))
    check(run, module, [(5, 3, 4)])


def test_ranges_are_checked():
    _, program = exported(Mlp, {0: Dim("batch", min=2, max=8)})
    checks = {str(check) for check in lower_pytorch(program).hlo.checks}
    assert {"x_0 >= 2", "x_0 <= 8"} <= checks
    run = from_pytorch(program, specialize=True)
    with pytest.raises(SignatureError, match="x_0 <= 8"):
        run(np.zeros((9, 3, 4), np.float32))


class Rows(torch.nn.Module):
    def forward(self, x):
        return x[x[:, 0, 0] > 0]


def test_sizes_that_depend_on_data_are_refused():
    _, program = exported(Rows, {0: Dim("batch")})
    with pytest.raises((LoweringError, UnsupportedHloError), match="depends on data"):
        from_pytorch(program)
