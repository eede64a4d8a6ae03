"""Why instructions without a converter are refused, and what to do instead."""

from __future__ import annotations

from typing import Any

from .hlo.module import HloInstruction

_HOST = "it exchanges data with the host while the module runs; pass the data as arguments and results"
_DEVICES = "it communicates between several devices; lower the program for a single device"
_DYNAMIC = "it makes a shape that is known only at run time; give the program static shapes"
_CALLBACK = "it calls back into Python while the module runs; take the callback out of the function"

REFUSED_OPCODES: dict[str, str] = {
    "infeed": _HOST,
    "outfeed": _HOST,
    "send": _HOST,
    "send-done": _HOST,
    "recv": _HOST,
    "recv-done": _HOST,
    "ragged-all-to-all": _DEVICES,
    "collective-reduce": _DEVICES,
    "dynamic-reshape": _DYNAMIC,
    "rng": "it is stateful; pass rng_seed= to from_hlo (not possible inside loops), or use jax.random / "
    "tf.random.stateless_*",
    "rng-get-and-update-state": "it is stateful; pass rng_seed= to from_hlo (not possible inside loops)",
    "stochastic-convert": "its rounding is left to the implementation; round explicitly",
    "bitcast": "it reinterprets a physical layout, as optimised HLO does; convert the module before optimisations",
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
