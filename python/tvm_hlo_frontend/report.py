"""What was converted, how, and what was not."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from .conversion import ConversionContext, converter_key, refusal_of
from .errors import Refusal, UnsupportedHloError
from .hlo.builder import callees_of
from .hlo.module import HloModule
from .hlo.ordering import dependency_order
from .refusals import missing_reason
from .rewrites.pipeline import REWRITTEN_OPCODES

DYNAMIC_SHAPE = "its shape {shape} is known only at run time; give the program static shapes"
NEED_NO_CONVERTER = frozenset({"parameter", *REWRITTEN_OPCODES})


@dataclass(frozen=True)
class ConversionReport:
    """What `from_hlo` did with a module.

    Attributes
    ----------
    name : str
        Name of the HLO module.
    converted : dict of str to int
        Number of instructions by opcode and how, for instance ``{"dot: native": 3}``.
    """

    name: str
    converted: dict[str, int]

    @property
    def rows(self) -> list[tuple[str, str, int]]:
        """(opcode, how, count), most frequent first."""
        split = [(*key.split(": "), count) for key, count in self.converted.items()]
        return sorted(split, key=lambda row: (-row[2], row[0]))  # type: ignore[return-value]

    def __str__(self) -> str:
        lines = [f"{self.name}: {sum(self.converted.values())} instructions converted"]
        return "\n".join(lines + [f"  {count:6d}  {opcode}  ({how})" for opcode, how, count in self.rows])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{opcode}</td><td>{how}</td><td>{count}</td></tr>" for opcode, how, count in self.rows)
        return f"<table><caption>{self.name}</caption><tr><th>opcode<th>how<th>count</tr>{rows}</table>"


def report_text(ctx: ConversionContext, module: HloModule) -> str:
    """The report as JSON, the attribute `hlo.report` of main."""
    counts = Counter({f"{opcode}: {how}": count for (opcode, how), count in ctx.counts.items()})
    return json.dumps({"name": module.name, "converted": counts})


def report_of(mod: Any) -> ConversionReport:
    """Report of a converted module, also after save and load.

    Raises
    ------
    ValueError
        If the module was not made by `from_hlo`.
    """
    attributes = mod["main"].attrs
    if attributes is None or "hlo.report" not in attributes:
        raise ValueError("the module has no hlo.report: it was not made by tvm_hlo_frontend.from_hlo")
    data = json.loads(str(attributes["hlo.report"]))
    return ConversionReport(data["name"], data["converted"])


def missing_converters(ctx: ConversionContext, module: HloModule) -> list[Refusal]:
    """Instructions of all reachable computations that no converter is registered for, in the module's order."""
    return [
        refusal_of(computation, instruction, missing_reason(instruction))
        for computation in dependency_order([module.entry], callees_of)
        for instruction in computation.instructions
        if instruction.opcode not in NEED_NO_CONVERTER and converter_key(instruction) not in ctx.converters
    ]


def dynamic_instructions(ctx: ConversionContext, module: HloModule) -> list[Refusal]:
    """Instructions whose shape is known only at run time; a bound is never taken for the size (rule 90)."""
    return [
        refusal_of(computation, instruction, DYNAMIC_SHAPE.format(shape=instruction.shape))
        for computation in dependency_order([module.entry], callees_of)
        for instruction in computation.instructions
        if not instruction.shape.is_static
    ]


def raise_refusals(ctx: ConversionContext) -> None:
    """Raise one UnsupportedHloError that lists every refused instruction, if there is any."""
    if ctx.refusals:
        raise error_class(ctx)(tuple(ctx.refusals))


def error_class(ctx: ConversionContext) -> type[UnsupportedHloError]:
    """UnsupportedHloError that is also the error TVM's own frontends raise."""
    return type("UnsupportedHloError", (UnsupportedHloError, ctx.dialect.not_implemented_error), {})
