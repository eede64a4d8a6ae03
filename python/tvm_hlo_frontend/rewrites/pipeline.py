"""The rewrites in the order in which they run."""

from collections.abc import Callable, Mapping

from ..hlo.ir.module import HloModule
from .capabilities import Capabilities
from .channels_first import convolutions_channels_first
from .complex.types import UNPAIRED, split_complex
from .expansion import Expansions, assembled, expanding
from .expansions import (
    annotations,
    asynchronous,
    batch_norm,
    bitcast,
    ragged_all_to_all,
    rooted_collectives,
    scaled_dot,
    scan,
    select_and_scatter,
    tuple_select,
)
from .expansions.decided_conditionals import decide_conditionals
from .fold_constants import fold_constants
from .fourier import fft
from .inline_calls import INLINED, inline_calls
from .integer_products import narrow_integer_products
from .linalg import cholesky, custom_calls, triangular_solve
from .long_expressions import map_long_expressions
from .narrow.types import widen_narrow_types
from .narrow.updates import update_bits
from .random import random_bits, stochastic_convert
from .random.stateful_random import SEEDED, seed_stateful_random
from .rows import call_rows
from .transposed_operands import read_transposed_operands
from .unroll_loops import unroll_loops

Rewrite = Callable[[HloModule, Capabilities], HloModule]

# say one instruction in terms of others; instructions keep their place, so messages name what the user wrote
EXPANSIONS = assembled(
    annotations.EXPANSIONS,
    asynchronous.EXPANSIONS,
    batch_norm.EXPANSIONS,
    bitcast.EXPANSIONS,
    cholesky.EXPANSIONS,
    custom_calls.EXPANSIONS,
    fft.EXPANSIONS,
    ragged_all_to_all.EXPANSIONS,
    random_bits.EXPANSIONS,
    rooted_collectives.EXPANSIONS,
    scaled_dot.EXPANSIONS,
    scan.EXPANSIONS,
    select_and_scatter.EXPANSIONS,
    stochastic_convert.EXPANSIONS,
    triangular_solve.EXPANSIONS,
    tuple_select.EXPANSIONS,
)
DECOMPOSITIONS: tuple[Rewrite, ...] = (
    expanding(EXPANSIONS),
    decide_conditionals,
    seed_stateful_random,
    expanding(random_bits.EXPANSIONS),  # of what seeds are for
)
# change the form of the whole module
NORMALIZATIONS: tuple[Rewrite, ...] = (
    inline_calls,
    split_complex,
    update_bits,
    widen_narrow_types,
    expanding(scan.LOOPS),
    unroll_loops,
    narrow_integer_products,
    fold_constants,
    read_transposed_operands,
    convolutions_channels_first,
    map_long_expressions,
    call_rows,
)


def summaries(expansions: Expansions, *passes: Mapping[str, str]) -> dict[str, str]:
    """What becomes of the opcodes that never reach a converter."""
    texts = {opcode: expansion.summary for opcode, expansion in expansions.items() if expansion.summary}
    for more in passes:
        texts.update(more)
    return {opcode: f"{opcode}: {text}" for opcode, text in texts.items()}


# for the support table: opcodes that never reach a converter, and those that a seed is needed for
EXPANDED_OPCODES = summaries(EXPANSIONS)
REWRITTEN_OPCODES = summaries(EXPANSIONS, INLINED, UNPAIRED)
SEEDED_OPCODES = summaries({}, SEEDED)
