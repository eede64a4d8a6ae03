"""What was converted, how, and what was not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any

from ..analysis.refused import refusal_of
from ..analysis.symbolic import free_sizes, has_known_sizes, may_be_symbolic
from ..backends.signature import REPORT, attribute_of_main
from ..errors import HostFunctionError, Refusal
from ..hlo.ir.builder import callees_of
from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.ir.open_module import OpenModule
from ..hlo.ir.ordering import dependency_order
from ..hlo.opcodes import CUSTOM_CALL_PREFIX
from ..rewrites.linalg.kernel_calls import TARGET_PREFIX
from ..rewrites.pipeline import REWRITTEN_OPCODES
from .context import ConversionContext
from .driver import converter_key
from .refusals import PRIVATE_TARGET, SPECIALIZE, is_expanded, missing_reason
from .rules import Converter

DYNAMIC_SHAPE = f"its shape {{shape}} is known only at run time; {SPECIALIZE}"
# names of functions of a process that compute parts of a program in TensorFlow
TENSORFLOW_PREFIX = "tvm_hlo_frontend.tensorflow."
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
    host_functions : tuple of str
        Functions of the host that the module calls while it runs: its LAPACK's, see `host_lapack`, and TensorFlow's,
        see `hybrid.from_tensorflow`.
    notes : tuple of str
        What the module's source tells of it besides, for instance what its results are.
    """

    name: str
    converted: dict[str, int]
    host_functions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[tuple[str, str, int]]:
        """(opcode, how, count), most frequent first."""
        keys = {key: key.split(": ", 1) for key in self.converted}
        rows = [(opcode, how, self.converted[key]) for key, (opcode, how) in keys.items()]
        return sorted(rows, key=lambda row: (-row[2], row[0]))

    def __str__(self) -> str:
        lines = [f"{self.name}: {sum(self.converted.values())} instructions converted"]
        lines += [f"  {count:6d}  {opcode}  ({how})" for opcode, how, count in self.rows]
        return "\n".join([*lines, *([host_note(self.host_functions)] if self.host_functions else []), *self.notes])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{opcode}</td><td>{how}</td><td>{count}</td></tr>" for opcode, how, count in self.rows)
        note = f"<p>{host_note(self.host_functions)}</p>" if self.host_functions else ""
        note += "".join(f"<p>{text}</p>" for text in self.notes)
        return f"<table><caption>{self.name}</caption><tr><th>opcode<th>how<th>count</tr>{rows}</table>{note}"


def host_note(functions: tuple[str, ...]) -> str:
    """What a user must know of a module that calls `functions`."""
    bound = process_functions(functions)
    notes = [f"works in the process that converted it alone: it calls TensorFlow ({', '.join(bound)})"] if bound else []
    rest = [name for name in functions if name not in bound]
    if rest:
        notes.append(
            f"needs the host's LAPACK: it calls {', '.join(rest)} while it runs. A process that loads an exported "
            "library has to `import tvm_hlo_frontend.deploy.host_lapack` (which needs SciPy), or register functions of "
            "these names"
        )
    return "; ".join(notes)


def process_functions(functions: Sequence[str]) -> tuple[str, ...]:
    """Those of `functions` that are of one process, which no other can have."""
    return tuple(name for name in functions if name.startswith(TENSORFLOW_PREFIX))


def refuse_to_save(functions: Sequence[str], path: object) -> None:
    """HostFunctionError if what calls `functions` is of no use outside of this process."""
    bound = process_functions(functions)
    if bound:
        raise HostFunctionError(
            f"{path}: what calls TensorFlow in this process ({', '.join(bound)}) cannot be saved; convert the program "
            "without allow_extern, or save the part that needs none"
        )


def report_text(ctx: ConversionContext, module: HloModule, notes: Sequence[str] = ()) -> str:
    """The report as JSON, the attribute `hlo.report` of main."""
    counts = Counter({f"{opcode}: {how}": count for (opcode, how), count in ctx.counts.items()})
    data = {
        "name": module.name,
        "converted": counts,
        "host_functions": sorted(set(ctx.dialect.host_functions)),
        "host_calls": [asdict(each) for each in ctx.host_calls],
        "notes": list(notes),
    }
    return json.dumps(data)


def report_of(mod: Any) -> ConversionReport:
    """Report of a converted module, also after save and load.

    Raises
    ------
    ValueError
        If the module was not made by `from_hlo`.
    """
    data = json.loads(attribute_of_main(mod, REPORT))
    return ConversionReport(data["name"], data["converted"], tuple(data["host_functions"]), tuple(data["notes"]))


def missing_converters(converters: Mapping[str, Converter], module: HloModule) -> list[Refusal]:
    """Instructions of all reachable computations that no converter is registered for, in the module's order."""
    return [
        refusal_of(computation, instruction, missing_reason(instruction))
        for computation in dependency_order([module.entry], callees_of)
        for instruction in computation.instructions
        if converter_key(instruction) not in converters and _stays(instruction)
    ]


def private_calls(module: HloModule) -> list[Refusal]:
    """Custom-calls to kernels that are for this package's rewrites, which know what shapes those may trust."""
    return [
        refusal_of(computation, instruction, PRIVATE_TARGET)
        for computation in module.computations
        for instruction in computation.instructions
        if converter_key(instruction).startswith(CUSTOM_CALL_PREFIX + TARGET_PREFIX)
    ]


def _stays(instruction: HloInstruction) -> bool:
    """Whether no rewrite takes an instruction that is still there after the expansions."""
    if instruction.opcode not in NEED_NO_CONVERTER:
        return True
    return is_expanded(instruction) and not has_known_sizes(instruction)


def dynamic_instructions(module: HloModule, any_opcode: bool = False, told: Set[str] = frozenset()) -> list[Refusal]:
    """Instructions whose shape is known only at run time and that no converter takes so; a bound is never taken for the
    size (rule 90). `any_opcode`: as of `may_be_symbolic`; `told`: unknown sizes that calls tell beside dimensions of
    parameters."""
    free = free_sizes(module) | told
    return [
        refusal_of(computation, instruction, DYNAMIC_SHAPE.format(shape=instruction.shape))
        for computation in dependency_order([module.entry], callees_of)
        for instruction in computation.instructions
        if not instruction.shape.is_static and not may_be_symbolic(instruction, free, any_opcode)
    ]


def sizes_by_value(opened: OpenModule) -> list[Refusal]:
    """Parameters whose value is a size, which no compiled module reads as one."""
    parameters = opened.module.entry.parameters
    return [
        refusal_of(opened.module.entry, parameters[number], f"its value is the size {name}; {SPECIALIZE}")
        for name, number in opened.values.items()
    ]


def raise_refusals(ctx: ConversionContext) -> None:
    """Raise one UnsupportedHloError that lists every refused instruction, if there is any."""
    if ctx.refusals:
        raise ctx.dialect.unsupported_error(tuple(ctx.refusals))
