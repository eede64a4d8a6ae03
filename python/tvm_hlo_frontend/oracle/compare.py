"""`tvm-hlo compare` from Python: a module on TVM and on XLA:CPU, with a picture of the outcome for notebooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ..deploy.executable import build, mod_and_params
from ..errors import SignatureError
from ..frontend import from_hlo
from ..hlo.ir.extract import flat_parameters
from ..hlo.ir.module import HloModule
from ..hlo.ir.open_module import OpenModule
from ..hlo.proto.reader import module_from_proto, parse_module_proto
from ..hlo.proto.sources import to_bytes
from .comparison import Comparison, Side, WrongInstruction, compared, first_difference, flat_arrays, run_on_xla
from .inputs import drawn_inputs
from .report import lines_of, rows_of

HEADS = ("result", "shape", "wrong elements", "largest error", "")


@dataclass(frozen=True)
class ComparisonReport:
    """What `compare` found; prints as a table, and in a notebook shows as one.

    Attributes
    ----------
    comparison : Comparison
        Results of both sides, and how each differs.
    first : WrongInstruction or None
        The first instruction that differs; None if no result does, or if none is found.
    """

    comparison: Comparison
    first: WrongInstruction | None = None

    @property
    def same(self) -> bool:
        """Whether every result is XLA's within the tolerance."""
        return self.comparison.same

    @property
    def differing(self) -> list[str]:
        """Lines about the first instruction that differs; none if no result does."""
        return [] if self.same else lines_of(self.first)

    def __str__(self) -> str:
        rows = [HEADS, *(tuple(map(str, row)) for row in rows_of(self.comparison))]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
        more = ["", "first instruction that differs:", *(f"  {line}" for line in self.differing)]
        return "\n".join([*lines, *(more if self.differing else [])])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(text)}</th>" for text in HEADS)
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(str(value))}</td>' for value in row)}</tr>" for row in rows_of(self.comparison)
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        if not self.differing:
            return table
        return f"{table}<p>first instruction that differs:</p><pre>{escape(chr(10).join(self.differing))}</pre>"


def compare(
    program: Any,
    *arrays: Any,
    rtol: float | None = None,
    target: Any = None,
    seed: int = 0,
    dialect: str | None = None,
    custom_converters: Mapping[str, Any] | None = None,
    rng_seed: int | None = None,
    tell: Callable[[str], Any] | None = None,
) -> ComparisonReport:
    """Run an HLO module on TVM and on XLA:CPU with the same inputs, and find the first instruction that differs.

    Parameters
    ----------
    program : bytes, str, pathlib.Path or object
        What `from_hlo` takes, with sizes that are numbers; of a program of a framework ``lower_jax(…).hlo``.
    *arrays : array_like
        One per array among the entry parameters, in order; drawn if there are none.
    rtol : float, optional
        Error that floats may have, relative to their magnitude and the root mean square of their array; by default that
        of their type in `oracle.tolerance.TOLERANCES`. All else must be equal.
    target : str or tvm.target.Target, optional
        As for `build`.
    seed : int
        Of the numbers that are drawn.
    dialect, custom_converters, rng_seed
        As for `from_hlo`.
    tell : callable, optional
        Is told what is about to be done.

    Returns
    -------
    ComparisonReport

    Raises
    ------
    SignatureError
        If sizes are unknown, or the arrays do not fit.
    UnsupportedHloError, XlaMissingError
        If TVM or XLA cannot run it.

    Examples
    --------
    >>> report = compare(jax.jit(f).lower(x).compiler_ir("hlo"), x)
    >>> assert report.same, report
    """
    if isinstance(program, OpenModule):
        raise SignatureError("the program has unknown sizes, and XLA needs numbers; lower it with example inputs")
    proto = None if isinstance(program, HloModule) else parse_module_proto(to_bytes(program))
    module = program if proto is None else module_from_proto(proto)
    _refuse_unknown_sizes(module)
    tell = tell or (lambda text: None)
    side = Side({"dialect": dialect, "custom_converters": custom_converters, "rng_seed": rng_seed}, target, rtol)
    tell("building for TVM")
    executable = build(*mod_and_params(from_hlo(module, **side.options)), target)
    values = [np.asarray(array) for array in arrays] or drawn_inputs(module, executable.inputs, seed)
    tell("running on TVM and on XLA")
    # what the program was read from, not what this package understood of it, unless XLA's client takes no tuples
    original = module if proto is None or flat_parameters(module) is not module else proto.SerializeToString()
    by_xla = run_on_xla(original, values)
    found = compared(flat_arrays(executable(*values)), by_xla, rtol)
    return ComparisonReport(found, None if found.same else first_difference(module, values, side, tell))


def _refuse_unknown_sizes(module: HloModule) -> None:
    entry = module.entry
    if not all(each.shape.is_static for each in (entry.root, *entry.parameters)):
        raise SignatureError("the program has arrays whose sizes data tell, which XLA's client does not take or give")
