"""The rewrites in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable

from ..hlo.ir.module import HloModule
from .capabilities import Capabilities
from .channels_first import convolutions_channels_first
from .complex.types import split_complex
from .expansions.annotations import drop_annotations
from .expansions.asynchronous import expand_asynchronous
from .expansions.batch_norm import expand_batch_norm
from .expansions.bitcast import expand_bitcasts
from .expansions.decided_conditionals import decide_conditionals
from .expansions.ragged_all_to_all import expand_ragged_all_to_all
from .expansions.rooted_collectives import expand_rooted_collectives
from .expansions.scaled_dot import expand_scaled_dots
from .expansions.scan import expand_complex_scans, expand_scans
from .expansions.select_and_scatter import expand_complex_select_and_scatter
from .expansions.tuple_select import expand_tuple_selects
from .fourier.fft import expand_fft
from .inline_calls import inline_calls
from .linalg.cholesky import expand_cholesky
from .linalg.custom_calls import expand_linalg_custom_calls
from .linalg.triangular_solve import expand_triangular_solve
from .narrow.types import widen_narrow_types
from .random.random_bits import expand_random_bits
from .random.stateful_random import seed_stateful_random
from .random.stochastic_convert import expand_stochastic_converts
from .unroll_loops import unroll_loops

Rewrite = Callable[[HloModule, Capabilities], HloModule]

# say one instruction in terms of others; instructions keep their place, so messages name what the user wrote
DECOMPOSITIONS: tuple[Rewrite, ...] = (
    drop_annotations,
    decide_conditionals,
    expand_asynchronous,
    expand_ragged_all_to_all,
    expand_rooted_collectives,
    expand_bitcasts,
    expand_tuple_selects,
    expand_batch_norm,
    expand_linalg_custom_calls,
    expand_cholesky,
    expand_triangular_solve,
    expand_scaled_dots,
    expand_stochastic_converts,
    expand_complex_scans,
    expand_complex_select_and_scatter,
    seed_stateful_random,
    expand_random_bits,
)
# change the form of the whole module
NORMALIZATIONS: tuple[Rewrite, ...] = (
    inline_calls,
    expand_fft,
    split_complex,
    widen_narrow_types,
    expand_scans,
    unroll_loops,
    convolutions_channels_first,
)

# opcodes that a seed is needed for, for the support table
SEEDED_OPCODES: dict[str, str] = {
    "rng": "rng: numbers of XLA's distribution from ThreeFry bits, with `rng_seed=`; refused without",
    "rng-get-and-update-state": "rng-get-and-update-state: a count that starts at `rng_seed=`; refused without",
}
# opcodes that never reach a converter, for the support table
REWRITTEN_OPCODES: dict[str, str] = {
    "all-gather-done": "all-gather-done: the results of all-gather-start",
    "all-gather-start": "all-gather-start: all-gather, at once",
    "all-reduce-done": "all-reduce-done: the results of all-reduce-start",
    "all-reduce-start": "all-reduce-start: all-reduce, at once",
    "async-done": "async-done: the result of async-start",
    "async-start": "async-start: the wrapped computation, at once",
    "async-update": "async-update: what was started",
    "collective-permute-done": "collective-permute-done: the result of collective-permute-start",
    "collective-permute-start": "collective-permute-start: collective-permute, at once",
    "copy-done": "copy-done: the operand of copy-start",
    "copy-start": "copy-start: the operand",
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
