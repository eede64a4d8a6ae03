"""Compilation targets for this machine."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

from ..backends.select import backend
from ..errors import TargetError


@dataclass(frozen=True)
class Processor:
    """What LLVM is told of processors that have some flags.

    Attributes
    ----------
    flags : frozenset of str
        As the system writes them.
    mcpu : str
    mattr : tuple of str
    """

    flags: frozenset[str]
    mcpu: str
    mattr: tuple[str, ...] = ()


_AVX512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"})
# best first; LLVM 10 knows no newer names and falls back to generic code without an error
X86_PROCESSORS = (
    # the first with AVX-512 slow down for vectors of 64 bytes, for which LLVM makes shorter ones of loops for all
    Processor(_AVX512 | {"avx512_vbmi2"}, "skylake-avx512", ("-prefer-256-bit",)),
    Processor(_AVX512, "skylake-avx512"),
    Processor(frozenset({"avx2", "fma", "f16c"}), "core-avx2"),
)


def cpu_flags() -> frozenset[str]:
    """Feature flags of the first CPU, empty where the system does not tell."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as handle:
            for line in handle:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        return frozenset()
    return frozenset()


def cpu_target() -> Any:
    """Target of this machine's CPU as the installed TVM takes it: text, or a dict where text has no options."""
    from ..tensor_ir.compat import HAS_TE_SCHEDULES

    found = _processor()
    if found is None:
        return "llvm"
    if HAS_TE_SCHEDULES:
        return f"llvm -mcpu={found.mcpu}" + (f" -mattr={','.join(found.mattr)}" if found.mattr else "")
    return {"kind": "llvm", "mcpu": found.mcpu} | ({"mattr": list(found.mattr)} if found.mattr else {})


def target_text(target: Any) -> str:
    """A target as one writes it: ``llvm -mcpu=core-avx2``."""
    if not isinstance(target, dict):
        return str(target)
    options = [
        (key, value if isinstance(value, list) else [str(value)]) for key, value in target.items() if key != "kind"
    ]
    return " ".join([target["kind"], *(f"-{key}={','.join(values)}" for key, values in options)])


def refuse_unknown(target: Any) -> None:
    """TargetError for a target that there are no schedules for: TVM would compile for the host what has none."""
    import tvm

    # options of TVM 0.17, which today's TVM does not read
    kind = target.split()[0] if isinstance(target, str) and not target.startswith("{") else target
    found, known = tvm.target.Target(kind), backend().devices
    if "cpu" in found.keys or found.kind.name in known:
        return
    others = f" and {', '.join(sorted(known))}" if known else ""
    raise TargetError(
        f"target '{target_text(target)}' is no CPU, and with this TVM there are schedules for CPUs{others} alone; "
        f"build for 'llvm', by default the CPU of this machine"
    )


def _processor() -> Processor | None:
    """What is known of this machine's processor; None where any code runs as well."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return None
    flags = cpu_flags()
    return next((each for each in X86_PROCESSORS if each.flags <= flags), None)
