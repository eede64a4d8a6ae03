"""Which results of a kernel may be the memory of which operands."""

from __future__ import annotations

from ..analysis.array_program import ArrayProgram
from .spec import KernelSpec


def overwritten_operands(spec: KernelSpec, results: int) -> tuple[int, ...]:
    """For each of the `results` of a kernel the operand that it is a changed copy of, none for most kernels.

    Such a kernel looks whether both are the same memory (`Loops.apart`). If so it copies nothing, and from its other
    operands comes the same result: it reads that operand nowhere else.
    """
    if spec.name == "loop":
        return tuple(ArrayProgram.from_json(spec.parameters["body"]).changed_leaves)
    return tuple(range(results)) if spec.name in ("scatter", "update_slice", "while_loop") else ()
