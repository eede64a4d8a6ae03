"""The rewrites in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable

from ..hlo.module import HloModule
from .batch_norm import expand_batch_norm
from .capabilities import Capabilities
from .channels_first import convolutions_channels_first
from .cholesky import expand_cholesky
from .complex import split_complex
from .fft import expand_fft
from .inline_calls import inline_calls
from .linalg_custom_calls import expand_linalg_custom_calls
from .narrow_types import widen_narrow_types
from .random_bits import expand_random_bits
from .stateful_random import seed_stateful_random
from .triangular_solve import expand_triangular_solve
from .unroll_loops import unroll_loops

Rewrite = Callable[[HloModule, Capabilities], HloModule]

# say one instruction in terms of others; instructions keep their place, so messages name what the user wrote
DECOMPOSITIONS: tuple[Rewrite, ...] = (
    expand_batch_norm,
    expand_linalg_custom_calls,
    expand_cholesky,
    expand_triangular_solve,
    seed_stateful_random,
    expand_random_bits,
)
# change the form of the whole module
NORMALIZATIONS: tuple[Rewrite, ...] = (
    inline_calls,
    expand_fft,
    split_complex,
    widen_narrow_types,
    unroll_loops,
    convolutions_channels_first,
)

# opcodes that never reach a converter, for the support table
REWRITTEN_OPCODES: dict[str, str] = {
    "batch-norm-grad": "batch-norm-grad: its formula, with sums over everything but the features",
    "batch-norm-training": "batch-norm-training: mean and biased variance by sums, then as for inference",
    "batch-norm-inference": "batch-norm-inference: multiply, add and subtract along the feature dimension",
    "call": "call: the body in place",
    "cholesky": "cholesky: a kernel that factors block by block",
    "complex": "complex: the pair of its operands, as all complex numbers are pairs of real ones",
    "fft": "fft: dots with constant matrices, by Cooley-Tukey for composite lengths and Bluestein for large primes",
    "fusion": "fusion: the body in place",
    "imag": "imag: the second of the pair",
    "real": "real: the first of the pair",
    "rng-bit-generator": "rng-bit-generator: the integer arithmetic of ThreeFry or Philox",
    "triangular-solve": "triangular-solve: a kernel, in register tiles of columns",
}
