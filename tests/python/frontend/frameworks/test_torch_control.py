"""Control flow of torch.export through torchax, against torch itself: a loop is one kernel (rule 78)."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from tests.support.emitted import calls_of
from tvm_hlo_frontend import build
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import LoweringError
from tvm_hlo_frontend.frameworks.pytorch import from_pytorch

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # its import needs what import_torchax does
    pytest.skip("torchax is not installed", allow_module_level=True)
from torch import nn  # noqa: E402
from torch._higher_order_ops.scan import scan  # noqa: E402
from torch._higher_order_ops.while_loop import while_loop  # noqa: E402

from tests.support.torch_models import Function, assert_same  # noqa: E402

# torch.utils warns of what torch.export itself does
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
X = torch.linspace(-1, 1, 4)
ROWS = torch.linspace(-1, 1, 36).reshape(12, 3)
COUNT = torch.tensor(12, dtype=torch.int32)


class Repeated(nn.Module):
    """A layer as often as an input says: weights are used in the loop."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 4)

    def forward(self, x, count):
        start = torch.zeros((), dtype=torch.int32), x
        return while_loop(lambda i, _: i < count, lambda i, v: (i + 1, torch.tanh(self.layer(v))), start)


def until_sum(x):
    return while_loop(
        lambda v, n: n.sum() < 20, lambda v, n: (v.flip(0) * 0.9, n + 1), (x, torch.zeros(2, dtype=torch.int32))
    )


def written(x):
    """A loop that fills a tensor, with an index of 64 bits."""

    def body(i, value, rows):
        return i + 1, torch.where(value > 0, value - 1, value + 1) * 0.7, rows.index_copy(0, i[None], value[None])

    return while_loop(lambda i, *_: i < 12, body, (torch.tensor(0), x, torch.zeros(12, 4)))


def chosen_in_a_loop(x):
    def body(i, value):
        return i + 1, torch.cond(value.sum() > 0, lambda v: -v * 0.9, lambda v: v.flip(0) + 1, (value,))

    return while_loop(lambda i, _: (i < 12).all(), body, (torch.tensor([0]), x))


def loop_in_a_loop(x):
    def inner(value):
        return while_loop(lambda v: v.abs().sum() > 1, lambda v: (v * 0.7,), (value,))[0]

    def body(i, value):
        return i + 1, inner(value) + 0.5

    return while_loop(lambda i, _: i < 12, body, (torch.tensor(0), x))


def scanned(rows):
    return scan(lambda total, row: (torch.tanh(total + row), total * row), rows[0].clone(), rows)


def scanned_backwards(rows):
    return scan(lambda total, row: (torch.tanh(total + row), total * row), rows[0].clone(), rows, reverse=True)


LOOPS = {
    "while": (Repeated(), X, COUNT),
    "while without weights": (Function(until_sum), X),
    "a tensor that a loop writes": (Function(written), X),
    "cond in while": (Function(chosen_in_a_loop), X),
    "while in while": (Function(loop_in_a_loop), X),
    "scan": (Function(scanned), ROWS),
    "scan backwards": (Function(scanned_backwards), ROWS),
}


def converted(module, *inputs):
    mod, params = mod_and_params(from_pytorch(module, *inputs))
    return mod, build(mod, params)(*(tensor.numpy() for tensor in inputs))


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_of_torch_is_one_kernel(name):
    module, *inputs = LOOPS[name]
    mod, got = converted(module, *inputs)
    assert calls_of(mod).count("loop") == 1, calls_of(mod)
    with torch.no_grad():
        assert_same(got, module(*inputs))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_choice_of_torch(sign):
    module = Function(lambda x: torch.cond(x.sum() > 0, lambda v: v * 2, lambda v: v - 1, (x,)))
    x = sign * (X.abs() + 0.5)
    np.testing.assert_array_equal(converted(module, x)[1], module(x).numpy())


def test_a_loop_that_counts_in_numbers_is_refused():
    counted = Function(lambda x: while_loop(lambda i, v: i < 11, lambda i, v: (i + 1, v.sin()), (0, x))[1])
    with pytest.raises(LoweringError, match=r"while_loop \(numbers that are no tensors\), 1 time"):
        from_pytorch(counted, X)


def test_an_operator_within_a_loop_that_cannot_be_lowered_is_named():
    def body(i, value):
        return i + 1, value + torch.rand(4)

    random = Function(lambda x: while_loop(lambda i, v: i < 11, body, (torch.tensor(0), x))[1])
    with pytest.raises(LoweringError, match=r"rand.* 1 time"):
        from_pytorch(random, X)
