"""Why instructions without a converter are refused, and what to do instead."""

from __future__ import annotations

from typing import Any

from .hlo.module import HloInstruction

_HOST = "it exchanges data with the host while the module runs; pass the data as arguments and results"
_DYNAMIC = "it makes a shape that is known only at run time; give the program static shapes"
_CALLBACK = "it calls back into Python while the module runs; take the callback out of the function"
_STATEFUL = (
    "it is stateful; pass rng_seed= to from_hlo (not possible in bodies of map, reduce and the like, nor for types of "
    "less than 8 bits, f8 or pred)"
)

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
    "__onednn$softmax": "optimised HLO of another backend; convert the module before optimisations",
    "__onednn$matmul": "optimised HLO of another backend; convert the module before optimisations",
}


def missing_reason(instruction: HloInstruction) -> str:
    """Why an instruction without a converter is refused."""
    if instruction.opcode != "custom-call":
        return REFUSED_OPCODES.get(instruction.opcode, "no converter is registered for this opcode")
    attributes: Any = instruction.attributes
    if attributes.target in REFUSED_TARGETS:
        return REFUSED_TARGETS[attributes.target]
    effect = ", has side effects" if attributes.has_side_effect else ""
    return (
        f"no converter is registered for custom-calls to {attributes.target!r} ({attributes.api_version}{effect}); "
        "register one with custom_call_converter"
    )
