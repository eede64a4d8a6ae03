"""torch.compile with TVM: eager PyTorch's numbers, effects and gradients, and what stays in PyTorch is told."""

import copy
import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.threads import in_threads
from tvm_hlo_frontend.errors import HloFrontendError
from tvm_hlo_frontend.frameworks import torchax_bridge
from tvm_hlo_frontend.hybrid import TorchReport, torch_backend

if importlib.util.find_spec("torchax") is None:
    pytest.skip("torchax is not installed", allow_module_level=True)
torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(autouse=True)
def fresh():
    torch.manual_seed(0)
    torch._dynamo.reset()


class Block(nn.Module):
    """Of a transformer, with the embedding of its tokens."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.norm, self.query, self.out = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, tokens):
        x = self.embedding(tokens)
        q, k, v = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.query(self.norm(x)).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x + self.out(mixed.transpose(1, 2).flatten(2))


class Counting(nn.Module):
    """Assigns a buffer and its argument, and returns views, the argument, a number and None."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x):
        self.seen.add_(x.sum(0))
        x.mul_(2)
        y = x + 1
        return {"rows": y[1:], "turned": y.t(), "given": x, "n": x.shape[0], "none": None, "seen": self.seen * 2}


class Talking(nn.Module):
    """Prints, and chooses by data: TorchDynamo breaks its graph."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        y = torch.relu(self.first(x))
        print("between", end="")
        return self.second(y) if y.sum() > 0 else y


def mlp():
    return nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 3))


def cnn():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 2)
    )


def of(function):
    """A module that computes a function."""
    module = nn.Module()
    module.forward = function
    return module


def of_types(half, wide, whole, truth, complex_):
    return half.abs() * 2, wide.exp(), whole.cumsum(0), truth & (whole > 2), ~truth, complex_ * 2, complex_.abs()


def types():
    """One tensor each; the last is a conjugated view."""
    complex_ = torch.randn(3, dtype=torch.complex64).conj()
    return torch.randn(2, 4).half(), torch.randn(3).double(), torch.arange(6), torch.arange(6) > 3, complex_


def layouts():
    """Rows that do not begin at a multiple of 64 bytes, every second element, a transposed tensor, one row twice."""
    return torch.randn(3, 4)[1:], torch.randn(4, 8)[::2, ::2], torch.randn(4, 2).t(), torch.randn(4).expand(2, 4)


def made(x, empty):
    """Results that are expanded, empty, and constants."""
    return (
        (x + 1).expand(3, 4),
        empty * 2,
        empty.sum(0),
        x + torch.tensor([1.0, 2, 3, 4]),
        torch.ones(2),
        torch.arange(3),
    )


CASES = {
    "mlp": (mlp, lambda: (torch.randn(2, 4),)),
    "cnn": (cnn, lambda: (torch.randn(2, 3, 8, 8),)),
    "channels last": (cnn, lambda: (torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last),)),
    "transformer": (Block, lambda: (torch.randint(0, 11, (2, 5)),)),
    "bf16": (lambda: mlp().to(torch.bfloat16), lambda: (torch.randn(2, 4, dtype=torch.bfloat16),)),
    "assignments": (Counting, lambda: (torch.randn(4, 3),)),
    "graph break": (Talking, lambda: (torch.randn(2, 4),)),
    "types": (lambda: of(of_types), types),
    "layouts": (lambda: of(lambda a, b, c, d: (a * b + c, torch.relu(d), c.t() + 1)), layouts),
    "made": (lambda: of(made), lambda: (torch.randn(4), torch.randn(0, 3))),
    "nothing to compute": (lambda: of(lambda x: (x, x.t(), None, 3)), lambda: (torch.randn(2, 3),)),
    "the same twice": (lambda: of(lambda x, y: (x + y, x.add_(1), y)), lambda: (torch.randn(3),) * 2),
}
GRAPHS = {"graph break": 3}  # where it is not one


def same(got, want, path="result"):
    if isinstance(want, dict):
        assert got.keys() == want.keys()
        got, want = tuple(got.values()), tuple(want.values())
    if isinstance(want, (tuple, list)):
        assert len(got) == len(want)
        for number, pair in enumerate(zip(got, want)):
            same(*pair, f"{path}.{number}")
    elif isinstance(want, torch.Tensor):
        assert got.stride() == want.stride(), path
        torch.testing.assert_close(got, want, rtol=None, atol=None, msg=lambda text: f"{path}: {text}")
    else:
        assert got is want or got == want, path


def assert_all_in_tvm(report):
    assert report.graphs and not [graph for graph in report.graphs if graph.reason], report


@pytest.mark.parametrize(
    ("case", "freeze"), [*((case, False) for case in CASES), *((case, True) for case in ("cnn", "assignments"))]
)
def test_results_and_effects_are_pytorch_s(case, freeze):
    make, arguments = CASES[case]
    module, report = make().eval(), TorchReport()
    reference = copy.deepcopy(module)
    compiled = torch.compile(module, backend=torch_backend, options={"freeze": freeze, "report": report})
    with torch.no_grad():
        for _ in range(3):
            given = arguments()
            own, theirs = (
                given,
                tuple({id(t): t.clone() if t.is_contiguous() else t for t in given}[id(t)] for t in given),
            )
            if case == "the same twice":
                theirs = (theirs[0], theirs[0])
            same(compiled(*own), reference(*theirs))
            same(own, theirs)
    same(tuple(module.buffers()), tuple(reference.buffers()))
    assert_all_in_tvm(report)
    assert len(report.graphs) == GRAPHS.get(case, 1)


def trained(module, batches, run):
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        loss = run(batch).float().square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return [*losses, *module.state_dict().values()]


@pytest.mark.parametrize("case", ["cnn", "transformer"])
def test_training_is_pytorch_s(case):
    make, arguments = CASES[case]
    module, report = make().train(), TorchReport()
    reference = copy.deepcopy(module)
    batches = [arguments()[0] for _ in range(3)]
    compiled = torch.compile(module, backend=torch_backend, options={"report": report})
    got, want = trained(module, batches, compiled), trained(reference, batches, reference)
    for own, wanted in zip(got, want):
        torch.testing.assert_close(own, wanted, rtol=1e-3, atol=1e-4)
    assert {graph.kind for graph in report.graphs} == {"forward", "backward"}
    assert_all_in_tvm(report)


def test_gradients_of_inputs_and_views():
    x, y = torch.randn(3, 4, requires_grad=True), torch.randn(4, 3, requires_grad=True)

    def function(x, y):
        return (x @ y).sin().t(), x.detach() * 2, (y * 2).sum()

    compiled = torch.compile(function, backend=torch_backend, options={"strict": True})
    got, want = compiled(x, y), function(x, y)
    same(got, want)
    assert [each.requires_grad for each in got] == [each.requires_grad for each in want]
    weights = torch.randn(3, 3)
    own, theirs = (torch.autograd.grad((r[0] * weights).sum() + r[2], (x, y)) for r in (got, want))
    torch.testing.assert_close(own, theirs)


def test_parameters_that_change_count():
    module, x = mlp(), torch.randn(2, 4)
    compiled = torch.compile(module, backend=torch_backend, options={"strict": True})
    with torch.no_grad():
        compiled(x)
        module[0].weight.mul_(2)
        same(compiled(x), module(x))
        module[0].weight.data = torch.randn(8, 4)
        same(compiled(x), module(x))
        module[2] = nn.Linear(8, 3)
        same(compiled(x), module(x))


def test_frozen_parameters_stay_as_they_were():
    module, x, report = mlp(), torch.randn(2, 4), TorchReport()
    compiled = torch.compile(module, backend=torch_backend, options={"freeze": True, "report": report})
    with torch.no_grad():
        before = module(x)
        same(compiled(x), before)
        module[0].weight.mul_(2)
        same(compiled(x), before)
        module[0].weight.data = torch.randn(8, 4)  # another tensor is another constant
        same(compiled(x), module(x))
    assert_all_in_tvm(report)


def test_numbers_that_change_are_arguments():
    report = TorchReport()
    compiled = torch.compile(lambda x, a: x * a, backend=torch_backend, options={"report": report})
    for a in (1.5, 2.5, 3.5):  # from the second on as a tensor
        same(compiled(torch.ones(3), a), torch.full((3,), a))
    assert_all_in_tvm(report)
    assert len(report.graphs) == 2


def test_a_result_is_the_caller_s():
    compiled = torch.compile(lambda x: (x * 2, torch.ones(4)), backend=torch_backend, options={"strict": True})
    first = compiled(torch.ones(4))
    second = compiled(torch.ones(4))
    for each in (*first, *second):
        each.add_(1)
    same(compiled(torch.ones(4)), (torch.full((4,), 2.0), torch.ones(4)))
    assert [each.tolist() for each in (*first, *second)] == [[3.0] * 4, [2.0] * 4] * 2


@pytest.mark.parametrize("dynamic", [None, True])
def test_other_shapes_are_compiled_for_up_to_a_limit(dynamic):
    module, report = mlp(), TorchReport()
    compiled = torch.compile(module, backend=torch_backend, dynamic=dynamic, options={"report": report, "limit": 2})
    with torch.no_grad():
        for count in (2, 3, 4) if dynamic is None else (2, 3, 2):
            x = torch.randn(count, 4)
            same(compiled(x), module(x))
        assert_all_in_tvm(report)
        x = torch.randn(5, 4)
        with pytest.warns(UserWarning, match="2 sizes, the limit"):
            same(compiled(x), module(x))
        same(compiled(x), module(x))
    # where PyTorch chooses, the first size has a graph of its own
    assert len(report.graphs) == (4 if dynamic is None else 3)


@torch.library.custom_op("tvm_hlo_tests::doubled", mutates_args=())
def doubled(x: torch.Tensor) -> torch.Tensor:
    return x * 2


@doubled.register_fake
def _(x):
    return torch.empty_like(x)


def test_what_cannot_be_converted_stays_and_is_told():
    def function(x):
        return doubled(x.sin()) + 1

    x, report = torch.randn(2, 3), TorchReport()
    compiled = torch.compile(function, backend=torch_backend, options={"report": report})
    with pytest.warns(UserWarning, match="a graph of 3 operators stays in PyTorch"):
        same(compiled(x), function(x))
    (graph,) = report.graphs
    assert "tvm_hlo_tests.doubled" in graph.reason and graph.shapes == ("float32[2, 3]",)
    assert "0 of 1 graphs in TVM" in str(report)
    torch._dynamo.reset()
    with pytest.raises(HloFrontendError, match=r"tvm_hlo_tests.doubled.*no lowering"):
        torch.compile(function, backend=torch_backend, options={"strict": True})(x)


def test_random_numbers_stay():
    module, x, report = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5)), torch.randn(2, 4), TorchReport()
    compiled = torch.compile(module, backend=torch_backend, options={"report": report})
    with pytest.warns(UserWarning, match="random numbers"):
        result = compiled(x)
    result.sum().backward()
    kept = (result != 0).float()
    assert 0.2 < kept.mean() < 0.8
    torch.testing.assert_close(module[0].bias.grad, kept.sum(0) * 2)
    assert [(graph.kind, bool(graph.reason)) for graph in report.graphs] == [("forward", True), ("backward", False)]


def test_wrong_lowerings_are_found(monkeypatch):
    lowerings = {**torchax_bridge._own_lowerings(), torch.ops.aten.sin.default: lambda x: x * 0.9}
    monkeypatch.setattr(torchax_bridge, "_own_lowerings", lambda: lowerings)
    x, report = torch.linspace(-1, 1, 12).reshape(3, 4), TorchReport()
    compiled = torch.compile(torch.sin, backend=torch_backend, options={"report": report})
    with torch.no_grad(), pytest.warns(UserWarning, match="not PyTorch's"):
        torch.testing.assert_close(compiled(x), torch.sin(x))
    assert "not PyTorch's" in report.graphs[0].reason
    torch._dynamo.reset()
    with torch.no_grad(), pytest.raises(HloFrontendError, match="not PyTorch's"):
        torch.compile(torch.sin, backend=torch_backend, options={"strict": True})(x)
    torch._dynamo.reset()
    unchecked = torch.compile(torch.sin, backend=torch_backend, options={"check": False, "strict": True})
    with torch.no_grad():
        torch.testing.assert_close(unchecked(x), x * 0.9)


def test_options_are_checked():
    for options, match in [({"frozen": True}, "not frozen"), ({"limit": 0}, "limit=0")]:
        torch._dynamo.reset()
        with pytest.raises(Exception, match=match):
            torch.compile(mlp(), backend=torch_backend, options=options)(torch.randn(2, 4))


def test_threads_get_their_own_results():
    module = mlp()
    compiled = torch.compile(module, backend=torch_backend, dynamic=True, options={"strict": True})
    wrong = []

    def work(number):
        for turn in range(10):
            x = torch.randn(2 + number % 3, 4) + turn
            with torch.no_grad():
                if not torch.allclose(compiled(x), module(x), rtol=1e-4, atol=1e-5):
                    wrong.append(number)

    in_threads(work, 4)
    assert wrong == []


def test_pytorch_finds_the_backend_by_name(tmp_path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    about = tmp_path / "tvm_hlo_frontend-0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tvm_hlo_frontend\nVersion: 0\n")
    lines = [f"{name} = {value}" for name, value in project["entry-points"]["torch_dynamo_backends"].items()]
    (about / "entry_points.txt").write_text("\n".join(["[torch_dynamo_backends]", *lines]))
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT / 'python')!r}]\n"
        "import torch\n"
        "options = {'strict': True}\n"
        "f = torch.compile(lambda x: x.sin() * 2, backend='tvm_hlo', options=options)\n"
        "x = torch.randn(5)\n"
        "torch.testing.assert_close(f(x), x.sin() * 2)\n"
        "print('tvm' in sys.modules, 'tensorflow' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["True", "False"]
