"""Comparisons in words: of the command line, of errors, and for notebooks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .comparison import Comparison, WrongInstruction
    from .tolerance import Difference

NOTHING_FOUND = "Every value is the same when the module is written anew by this package: please report the file."


def verdict_of(part: Difference) -> str:
    """What a Difference says of one result."""
    return "differs" if part.wrong else "same" if part.finite else "same, but nothing in it is finite"


def rows_of(found: Comparison) -> list[tuple[int, str, int, str, str]]:
    """Per result of a Comparison its number, its type, its wrong elements, the largest error and what that says."""
    return [
        (
            index,
            f"{array.dtype}{list(array.shape)}",
            part.wrong,
            f"{part.error:.2g}" if math.isfinite(part.error) else "",
            verdict_of(part),
        )
        for index, (array, part) in enumerate(zip(found.xla, found.differences))
    ]


def lines_of(wrong: WrongInstruction | None) -> list[str]:
    """Of a WrongInstruction the instruction, both values and where it came from."""
    from ..hlo.text.printer import instruction_to_text

    if wrong is None:
        return [NOTHING_FOUND]
    found, where = wrong.difference, wrong.difference.where
    lines = [instruction_to_text(wrong.instruction)]
    if str(wrong.instruction.metadata):
        lines.append(f"from {wrong.instruction.metadata}")
    if wrong.path:
        lines.append(f"element {'.'.join(map(str, wrong.path))} of its result")
    size = f", by up to {found.error:.2g}" if math.isfinite(found.error) else ""
    lines.append(f"{found.wrong} of {found.size} elements differ{size}; first at {list(where)}")
    lines.append(f"TVM {wrong.tvm[where]!s}   XLA {wrong.xla[where]!s}")
    lines.append(by_itself(wrong))
    return lines


def by_itself(wrong: WrongInstruction) -> str:
    """What the instruction alone says of the cause."""
    if wrong.alone is None:
        return "it cannot be run by itself"
    if not wrong.alone.same:
        return "by itself, on XLA's operands, it differs as well"
    return (
        "by itself, on XLA's operands, it does not differ: small differences before it have grown, or it is compiled "
        "differently together with its neighbours"
    )
