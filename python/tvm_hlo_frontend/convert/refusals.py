"""Why instructions without a converter are refused, and what to do instead."""

from __future__ import annotations

import re

from ..analysis.symbolic import has_known_sizes
from ..hlo.ir.attributes import CustomCallAttributes
from ..hlo.ir.module import HloInstruction
from ..rewrites.expansions.annotations import ANNOTATIONS
from ..rewrites.linalg.custom_calls import expands_target
from ..rewrites.pipeline import EXPANDED_OPCODES

_HOST = "it exchanges data with the host while the module runs; pass the data as arguments and results"
# what to do where sizes must be known
SPECIALIZE = (
    "give the program static shapes, or specialize=True to from_jax, from_stablehlo, from_pytorch or from_tensorflow"
)
_DYNAMIC = "it makes a shape that is known only at run time; give the program static shapes"
_CALLBACK = "it calls back into Python while the module runs; take the callback out of the function"
_STATEFUL = (
    "it is stateful; pass rng_seed= to from_hlo (not possible in bodies of map, reduce and the like, nor for types of "
    "less than 8 bits, f8 or pred)"
)
_OPTIMISED = "optimised HLO of another backend; convert the module before optimisations"
_ELSEWHERE = (
    "lower the program for another platform: from_jax(..., lowering_platforms=('cpu',)) or "
    "jax.export.export(..., platforms=('cpu',))"
)
_PORTABLE_KERNEL = (
    f"no other device runs it, so write it in ordinary operations (Pallas: interpret=True) and {_ELSEWHERE}"
)

PRIVATE_TARGET = "its target is private to this package, whose rewrites alone may call it"

REFUSED_OPCODES: dict[str, str] = {
    "infeed": _HOST,
    "outfeed": _HOST,
    "send": _HOST,
    "send-done": _HOST,
    "recv": _HOST,
    "recv-done": _HOST,
    "shuffle": "XLA's compilers make it, and this version does not read where it moves elements; convert the module "
    "before optimisations",
    "rng": f"{_STATEFUL}, or use jax.random / tf.random.stateless_*",
    "rng-get-and-update-state": _STATEFUL,
}
REFUSED_TARGETS: dict[str, str] = {
    "xla_ffi_python_cpu_callback": _CALLBACK,
    "xla_python_cpu_callback": _CALLBACK,
    "xla_ffi_partitioned_python_cpu_callback": _CALLBACK,
    "PadToStatic": _DYNAMIC,
    "SliceToDynamic": _DYNAMIC,
    "__onednn$softmax": _OPTIMISED,
    "__onednn$matmul": _OPTIMISED,
    **dict.fromkeys(ANNOTATIONS, "it splits a tensor over several devices; lower the program for a single device"),
}
# of many targets, what they have in common; the first that matches counts
REFUSED_FAMILIES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"tpu_custom_call"), f"it is a kernel for TPUs (Pallas, Mosaic); {_PORTABLE_KERNEL}"),
    (re.compile(r"mosaic_gpu\w*"), f"it is a kernel for GPUs (Pallas, Mosaic); {_PORTABLE_KERNEL}"),
    (re.compile(r"__gpu\$xla\.gpu\.triton|triton_kernel_call\w*"), f"it is a Triton kernel; {_PORTABLE_KERNEL}"),
    (re.compile(r"__(cublas|cudnn|cusolver|cub|hipblas|triton|gpu|onednn|custom_call|ynn)\w*\$.*"), _OPTIMISED),
    (
        re.compile(r"(cu|hip|roc|cuda|hybrid)(dnn|solver|blas|sparse|hybrid|fft|rand)?_.*"),
        f"it calls a library for GPUs; {_ELSEWHERE}",
    ),
)


def refused_target(target: str) -> str | None:
    """Why custom-calls to `target` are refused, None if nothing is known of it."""
    if target in REFUSED_TARGETS:
        return REFUSED_TARGETS[target]
    return next((reason for pattern, reason in REFUSED_FAMILIES if pattern.fullmatch(target)), None)


def is_expanded(instruction: HloInstruction) -> bool:
    """Whether rewrites take an instruction of known sizes apart."""
    if instruction.opcode != "custom-call":
        return instruction.opcode in EXPANDED_OPCODES
    return expands_target(instruction.attributes_as(CustomCallAttributes).target)


def missing_reason(instruction: HloInstruction) -> str:
    """Why an instruction without a converter is refused."""
    if not has_known_sizes(instruction) and is_expanded(instruction):
        return f"its sizes must be numbers; {SPECIALIZE}"
    if instruction.opcode != "custom-call":
        return REFUSED_OPCODES.get(instruction.opcode, "no converter is registered for this opcode")
    attributes = instruction.attributes_as(CustomCallAttributes)
    known = refused_target(attributes.target)
    if known is not None:
        return known
    effect = ", has side effects" if attributes.has_side_effect else ""
    return (
        f"no converter is registered for custom-calls to {attributes.target!r} ({attributes.api_version}{effect}); "
        "register one with custom_call_converter"
    )
