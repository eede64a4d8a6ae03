"""Operators that torchax gets wrong: lowered anew, their numbers are PyTorch's, and TVM's are XLA's."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import product

import numpy as np
import pytest

from tvm_hlo_frontend.frameworks.pytorch import from_pytorch, lower_pytorch
from tvm_hlo_frontend.oracle.comparison import run_on_xla

torch = pytest.importorskip("torch")
if find_spec("torchax") is None:  # its import needs what import_torchax does
    pytest.skip("torchax is not installed", allow_module_level=True)
from torch import nn  # noqa: E402

from tests.support.torch_models import Function  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("error:not checked"), pytest.mark.filterwarnings("ignore::FutureWarning")]
GENERATOR = torch.Generator().manual_seed(0)
MATRICES = torch.randn(2, 4, 4, generator=GENERATOR)
COMPLEX = torch.randn(3, 3, generator=GENERATOR, dtype=torch.complex64)
FACTORS = torch.linalg.cholesky(MATRICES @ MATRICES.mT + 3 * torch.eye(4), upper=True)
IMAGE, PLACES = torch.randn(1, 2, 3, 4, 5, generator=GENERATOR), 3 * torch.rand(1, 2, 3, 4, 3, generator=GENERATOR) - 1
BASES = torch.tensor([0, 1, -1, 2, -3, 7, 1000003], dtype=torch.int32)
EXPONENTS = torch.tensor([0, 1, 2, 5, 17, 33, 65, -1, -2, -3], dtype=torch.int32)

# a function of tensors, and these
CASES = {
    "powers of integers wrap around": (lambda x, y: x[:, None] ** y, (BASES, EXPONENTS)),
    "powers of 64 bits": (lambda x, y: x[:, None] ** y, (BASES.long(), EXPONENTS.long())),
    "powers by a number, and of one": (lambda x: (x**17, 3**x), (BASES[:-1],)),
    "powers of floats": (lambda x, y: (x**y, x**2, 2.0**y), (MATRICES.abs(), MATRICES)),
    "eigenvalues of the lower triangle": (torch.linalg.eigvalsh, (MATRICES,)),
    "eigenvalues of the upper triangle": (lambda x: torch.linalg.eigh(x, UPLO="U").eigenvalues, (MATRICES,)),
    "pseudoinverses with limits, and of one triangle": (
        lambda x: (
            torch.linalg.pinv(x, atol=1.0),
            torch.linalg.pinv(x, rtol=0.5),
            torch.linalg.pinv(x, hermitian=True),
        ),
        (MATRICES,),
    ),
    "solutions by upper factors of a batch": (lambda f, b: torch.cholesky_solve(b, f, upper=True), (FACTORS, MATRICES)),
    "derivatives of digamma below zero": (
        lambda x: [torch.special.polygamma(order, x) for order in range(4)],
        (torch.tensor([0.3, -0.4, -1.7, -30.2, 4.5, 20.0, torch.nan]),),
    ),
    "bits of integers in reflected places": (
        lambda x, grid: nn.functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False),
        (IMAGE, PLACES),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_those_of_pytorch(name):
    function, tensors = CASES[name]
    from_pytorch(Function(function), *tensors, check=True)


@pytest.mark.parametrize("upper", [False, True])
def test_solutions_by_complex_factors(upper):
    lowered = lower_pytorch(Function(lambda f, b: torch.cholesky_solve(b, f, upper=upper)), COMPLEX, COMPLEX.mT)
    (got,) = run_on_xla(lowered.hlo, [COMPLEX.numpy(), COMPLEX.mT.contiguous().numpy()])
    wanted = torch.cholesky_solve(COMPLEX.mT, COMPLEX, upper=upper).numpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


CONVOLUTIONS = [
    each
    for each in product((1, 2, 3), (1, 2, 4, 8), (1, 2, 3), (0, 1), (0, 1), (1, 2))
    if each[4] < max(each[2], each[5])  # what PyTorch allows of output_padding
]


def test_transposed_convolutions_of_groups_are_those_of_pytorch():
    """Two faults of torchax: channels of groups were mixed, and one padding for several dimensions failed."""
    torch.manual_seed(0)
    modules = [
        (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[axes - 1](
            8, 16, 2 + axes % 2, stride, padding, extra, groups, dilation=dilation
        )
        for axes, groups, stride, padding, extra, dilation in CONVOLUTIONS
    ]
    images = [torch.randn(2, 8, *(5, 4, 3)[:axes]) for axes in (1, 2, 3)]
    calls = Function(lambda *given: [each(given[row[0] - 1]) for each, row in zip(modules, CONVOLUTIONS)])
    calls.modules_of = nn.ModuleList(modules)
    lowered = lower_pytorch(calls, *images)
    rest = iter(images)
    arrays = [
        lowered.parameter_values[n] if n in lowered.parameter_values else next(rest).numpy()
        for n in range(len(lowered.input_names))
    ]
    with torch.no_grad():
        wanted = calls(*images)
    for row, ours, theirs in zip(CONVOLUTIONS, run_on_xla(lowered.hlo, arrays), wanted, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5, err_msg=f"axes, groups, stride … {row}")


@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions_take_one_image_and_one_padding_for_all_dimensions(groups):
    weight, image = torch.randn(4, 4 // groups, 3, 2), torch.randn(4, 6, 5)
    aten = torch.ops.aten.convolution.default
    calls = Function(lambda x: aten(x[None], weight, None, [1], [1], [2], False, [0], groups))
    from_pytorch(calls, image, check=True)
    from_pytorch(nn.ConvTranspose2d(4, 4, 3, groups=groups), image, check=True)
