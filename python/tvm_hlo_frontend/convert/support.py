"""What is supported: every opcode, and the instructions of one module. Works without TVM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..analysis.symbolic import has_known_sizes
from ..errors import Refusal
from ..hlo.ir.attributes import CustomCallAttributes
from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.ir.open_module import OpenModule
from ..hlo.opcodes import CUSTOM_CALL_PREFIX, OPCODES
from ..kernels.dtypes import TVM_DTYPES
from ..rewrites import Capabilities, decompose
from ..rewrites.bounded.carry import carry_sizes
from ..rewrites.expansions.annotations import ANNOTATIONS
from ..rewrites.linalg.custom_calls import PORTABLE_TARGETS, expands_target
from ..rewrites.linalg.gpu import gpu_targets
from ..rewrites.linalg.lapack import ROUTINES
from ..rewrites.pipeline import REWRITTEN_OPCODES, SEEDED_OPCODES
from .refusals import REFUSED_OPCODES, is_expanded, refused_target
from .report import dynamic_instructions, missing_converters
from .rules import ConvertFunction, custom_call_targets
from .table import registered, with_custom

# how an opcode is converted -> what that means
MEANING = {
    "native": "operator of TVM",
    "composition": "several operators of TVM",
    "kernel": "own kernel",
    "rewrite": "rewritten into other opcodes",
    "seeded": "rewritten into other opcodes, given `rng_seed=`",
    "identity": "no operation on one device",
    "by target": "by the target's own converter",
}
REFUSED = "refused"
_CUSTOM_CALLS = (
    "custom-call: linear algebra of LAPACK, CUDA, ROCm and TPUs, annotations of devices and memory (which go), "
)
# targets that only rewrites make
_INTERNAL = "tvm_hlo."


class Verdict(NamedTuple):
    """What becomes of an opcode.

    Attributes
    ----------
    how : str
        A key of `MEANING`, or ``"refused"``.
    summary : str
        One line: the converter's own, or why the opcode is refused.
    """

    how: str
    summary: str


def verdicts() -> dict[str, Verdict]:
    """The verdict on every opcode of XLA, in the order of `OPCODES`."""
    return {opcode: verdict_on(opcode) for opcode in OPCODES}


def verdict_on(opcode: str) -> Verdict:
    """The verdict on one opcode; KeyError if XLA has none of that name."""
    if opcode not in OPCODES:
        raise KeyError(opcode)
    if opcode == "parameter":
        return Verdict("native", "parameter: an input of main")
    if opcode in REWRITTEN_OPCODES:
        return Verdict("rewrite", REWRITTEN_OPCODES[opcode])
    if opcode in SEEDED_OPCODES:
        return Verdict("seeded", SEEDED_OPCODES[opcode])
    if opcode in registered():
        entry = registered()[opcode]
        return Verdict(entry.how, entry.summary)
    if opcode == "custom-call":
        return Verdict("by target", _CUSTOM_CALLS + ", ".join(public_targets()))
    return Verdict(REFUSED, REFUSED_OPCODES.get(opcode, "no converter yet"))


def public_targets() -> list[str]:
    """Targets of custom-calls that have a converter, without those that only rewrites make."""
    return sorted(target for target in custom_call_targets(registered()) if not target.startswith(_INTERNAL))


def rewritten_targets() -> list[str]:
    """Targets of custom-calls that rewrites know; of LAPACK's routines, which have four names
    each, and of those for GPUs the pattern."""
    lapack = (f"lapack_?{routine}_ffi" for routine in ROUTINES)
    return sorted([*ANNOTATIONS, *PORTABLE_TARGETS, *lapack, *gpu_targets()])


def verdict_on_target(target: str) -> Verdict | None:
    """The verdict on custom-calls to a target; None if nothing is known of it."""
    entry = registered().get(CUSTOM_CALL_PREFIX + target)
    if entry is not None:
        return Verdict(entry.how, entry.summary)
    if target in ANNOTATIONS:
        return Verdict("identity", f"{target}: the operands, as there is one device (rule 83)")
    if expands_target(target):
        return Verdict("rewrite", f"{target}: opcodes and kernels that mean the same (rule 75)")
    reason = refused_target(target)
    return None if reason is None else Verdict(REFUSED, reason)


def kind_of(instruction: HloInstruction) -> str:
    """Opcode of an instruction, for a custom-call followed by its target."""
    if isinstance(instruction.attributes, CustomCallAttributes):
        return f"custom-call({instruction.attributes.target})"
    return instruction.opcode


def unsupported(
    module: HloModule,
    custom_converters: Mapping[str, ConvertFunction] | None = None,
    rng_seed: int | None = None,
) -> list[Refusal]:
    """Instructions of a verified module that `from_hlo` refuses before it converts anything.

    A converter may refuse more when it sees an instruction's attributes; only a conversion tells.

    Parameters
    ----------
    module : HloModule
    custom_converters, rng_seed
        As for `from_hlo`.

    Returns
    -------
    list of Refusal
        In the module's order; empty if there is none.
    """
    converters = with_custom(custom_converters)
    capabilities = Capabilities(frozenset(TVM_DTYPES), rng_seed, custom_call_targets(converters))
    carried = carry_sizes(module, capabilities)
    refusals = [*carried.refusals, *dynamic_instructions(carried.module)]
    return refusals or missing_converters(converters, decompose(carried.module, capabilities))


def unsupported_for_all_sizes(
    opened: OpenModule,
    custom_converters: Mapping[str, ConvertFunction] | None = None,
    rng_seed: int | None = None,
) -> list[Refusal]:
    """Instructions of a verified module that `from_hlo` refuses whatever numbers its unknown sizes are.

    What it refuses besides while they are open, only a conversion tells: that depends on the dialect.

    Parameters
    ----------
    opened : OpenModule
    custom_converters, rng_seed
        As for `from_hlo`.

    Returns
    -------
    list of Refusal
        In the module's order; empty if there is none.
    """
    converters = with_custom(custom_converters)
    module = decompose(opened.module, Capabilities(frozenset(TVM_DTYPES), rng_seed, custom_call_targets(converters)))
    seeded = frozenset() if rng_seed is None else SEEDED_OPCODES.keys()
    # rewrites take these apart once their sizes are numbers
    waiting = {
        instruction.name
        for instruction in module.instructions
        if not has_known_sizes(instruction) and (is_expanded(instruction) or instruction.opcode in seeded)
    }
    return [refusal for refusal in missing_converters(converters, module) if refusal.instruction not in waiting]
