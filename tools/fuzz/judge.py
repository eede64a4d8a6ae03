"""Whether TVM and XLA:CPU agree on a program, and the least part of it on which they do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tools.fuzz.generator import program_of
from tools.fuzz.pasted import test_of
from tools.fuzz.program import EXACT, Program, Tolerance, finished, results_of
from tools.fuzz.shrink import Case, shrunk, with_given_constants
from tools.fuzz.sides import ROADS, on_optimized_xla, on_xla, road_of
from tools.fuzz.vote import interpreted
from tools.support.compare import DEFAULT_ULPS, wrong_elements
from tvm_hlo_frontend.errors import UnsupportedHloError
from tvm_hlo_frontend.hlo.ir.module import HloInstruction, HloModule
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.oracle.tolerance import relative_errors

AGREES, REFUSED, NO_REFERENCE, FAULT = "agrees", "refused", "no reference", "fault"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Fault:
    """A program on which both sides differ.

    Attributes
    ----------
    seed : int
    what : str
        ``"differs"``, or the name of the error that one side raised.
    text : str
        The least part of the program as a test, with the first wrong element and both values, or the error.
    """

    seed: int
    what: str
    text: str


@dataclass(frozen=True)
class Outcome:
    """What became of a program.

    Attributes
    ----------
    status : str
        `AGREES`, `REFUSED` by the frontend, `NO_REFERENCE` where XLA has none, or `FAULT`.
    why : str
        Of what is refused.
    fault : Fault or None
    results : list of numpy.ndarray
        XLA's.
    """

    status: str
    why: str = ""
    fault: Fault | None = None
    results: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class Different:
    """Where a result differs, or the error in its place."""

    what: str
    text: str
    number: int = 0


def fault_of(seed: int, steps: int) -> Fault | None:
    """What is wrong with the program of a seed; None if nothing is."""
    return outcome_of(program_of(seed, steps), seed).fault


def outcome_of(program: Program, seed: int, tell: Tell = lambda side: None) -> Outcome:
    """What becomes of a program, which is that of a seed; `tell` is told which side is at work."""
    roots = results_of(program)
    module, road = verify(finished(program, roots)), road_of(seed)
    tolerances = {value.instruction: value.tolerance for value in program.values}
    tell("XLA")
    try:
        wanted = on_xla(module, program.arguments)
    except Exception as error:
        return Outcome(NO_REFERENCE, first_line(error))
    tell(road)
    try:
        found = compared(road, module, program.arguments, wanted, [tolerances[root] for root in roots])
    except UnsupportedHloError as error:
        return Outcome(REFUSED, first_line(error), None, wanted)
    if found is None:
        return Outcome(AGREES, "", None, wanted)
    why = _unsure_of_itself(road, Case(module, program.arguments), wanted, [tolerances[root] for root in roots])
    if why:
        return Outcome(NO_REFERENCE, why, None, wanted)
    what, text = least(program, road, tolerances, found, lambda: tell(f"{road}, made small"))
    return Outcome(FAULT, "", Fault(seed, what, text), wanted)


def first_line(error: BaseException) -> str:
    """Of what an error says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:200] if lines else type(error).__name__


def compared(
    road: str,
    module: HloModule,
    arguments: Sequence[np.ndarray],
    wanted: Sequence[np.ndarray],
    tolerances: Sequence[Tolerance],
) -> Different | None:
    """How TVM's results differ from those wanted."""
    try:
        got = ROADS[road](module, arguments)
    except UnsupportedHloError:
        raise
    except Exception as error:
        return Different(type(error).__name__, str(error)[-2000:])
    for number, (ours, theirs, tolerance) in enumerate(zip(got, wanted, tolerances, strict=True)):
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            text = f"{ours.dtype}{ours.shape}, XLA {theirs.dtype}{theirs.shape}"
            return Different("differs", text, number)
        wrong = differing(ours, theirs, tolerance)
        if wrong.any():
            where = tuple(int(index) for index in np.argwhere(wrong)[0])
            text = f"first at {where}: TVM {ours[where]!r}, XLA {theirs[where]!r}"
            return Different("differs", text, number)
    return None


def differing(ours: np.ndarray, theirs: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    """Where two arrays of one type differ; NaN is NaN."""
    name = theirs.dtype.name
    if theirs.dtype.kind == "c" and tolerance.rtol:
        return np.asarray(relative_errors(ours, theirs) > tolerance.rtol)
    if name in DEFAULT_ULPS or theirs.dtype.kind == "c":
        return wrong_elements(ours, theirs, tolerance.ulps, tolerance.rtol or None)
    if not name.startswith("float"):
        return ours != theirs
    a, b = ours.astype(np.float64), theirs.astype(np.float64)  # of at most 8 bits
    return ~((a == b) | (np.isnan(a) & np.isnan(b)))


def _unsure_of_itself(road: str, case: Case, wanted: Sequence[np.ndarray], tolerances: Sequence[Tolerance]) -> str:
    """How XLA differs from itself: when LLVM optimizes, or from TVM's results only by what it computes in advance."""

    def differs(found: Sequence[np.ndarray]) -> bool:
        return any(differing(*each).any() for each in zip(found, wanted, tolerances))

    if differs(on_optimized_xla(case.module, case.arguments)):
        return "XLA differs from itself by level of optimization"
    given = with_given_constants(case)
    found = on_xla(given.module, given.arguments)
    if differs(found) and compared(road, case.module, case.arguments, found, tolerances) is None:
        return "XLA computes constants otherwise than arguments"
    return ""


def least(
    program: Program,
    road: str,
    tolerances: Mapping[HloInstruction, Tolerance],
    found: Different,
    begin: Callable[[], None] = lambda: None,
) -> tuple[str, str]:
    """What is wrong with the first value that is, and a test of it in which all that may be is a parameter."""
    for value in program.values:
        if value.instruction.opcode in ("parameter", "constant") or not value.shape.is_array:
            continue
        case = Case(verify(finished(program, [value.instruction])), program.arguments)
        begin()
        allowed = [tolerances.get(value.instruction, EXACT)]
        different = judged(road, case, allowed)
        if different is not None:
            case = made_small(case, road, allowed, different.what, begin)
            return told(case, road, judged(road, case, allowed) or different)
    return told(Case(finished(program, results_of(program)), program.arguments), road, found)


def made_small(case: Case, road: str, tolerances: Sequence[Tolerance], what: str, begin: Callable[[], None]) -> Case:
    """A smaller case that is wrong in the same way; `begin` is called before each try."""

    def is_wrong(smaller: Case) -> bool:
        begin()
        different = judged(road, smaller, tolerances)
        return different is not None and different.what == what

    return shrunk(case, is_wrong, on_xla)


def told(case: Case, road: str, found: Different) -> tuple[str, str]:
    """What is wrong with a case, and all there is to read of it."""
    text = test_of(case.module, case.arguments, road)
    return found.what, "\n".join([found.text, vote_on(case, found), text])


def judged(road: str, case: Case, tolerances: Sequence[Tolerance]) -> Different | None:
    """How results of a part differ; None as well where XLA has none or the frontend refuses it."""
    try:
        return compared(road, case.module, case.arguments, on_xla(case.module, case.arguments), tolerances)
    except Exception:
        return None


def vote_on(case: Case, found: Different) -> str:
    """What the interpreter of StableHLO finds."""
    try:
        third = interpreted(case.module, case.arguments)[found.number]
    except RuntimeError as error:
        return f"no third vote: {first_line(error)}"
    first = on_xla(case.module, case.arguments)[found.number]
    wrong = differing(third, first, EXACT)
    if not wrong.any():
        return "StableHLO's interpreter agrees with XLA"
    where = tuple(int(index) for index in np.argwhere(wrong)[0])
    return f"StableHLO's interpreter differs from XLA, first at {where}: {third[where]!r}, XLA {first[where]!r}"
