"""Whether TVM and XLA:CPU agree on a program, and the least part of it on which they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.fuzz import arithmetic, indices, movement, sums
from tools.fuzz.program import Program, finished, random_program, results_of
from tools.support.compare import describe, run_tvm, wrong_elements
from tools.support.oracle import run_xla
from tvm_hlo_frontend.hlo.ir.module import HloInstruction
from tvm_hlo_frontend.hlo.verifier import verify

TABLE = (*arithmetic.STEPS, *movement.STEPS, *sums.STEPS, *indices.STEPS)


@dataclass(frozen=True)
class Fault:
    """A program on which both sides differ.

    Attributes
    ----------
    seed : int
    what : str
        ``"differs"``, or the name of the error that one side raised.
    text : str
        The least part of the program, with the first wrong element and both values, or the error.
    """

    seed: int
    what: str
    text: str


def program_of(seed: int, steps: int) -> Program:
    """The program of a seed."""
    return random_program(seed, steps, TABLE)


def fault_of(seed: int, steps: int) -> Fault | None:
    """What is wrong with the program of a seed; None if nothing is."""
    return fault_in(program_of(seed, steps), seed)


def fault_in(program: Program, seed: int) -> Fault | None:
    """What is wrong with a program, which is that of a seed."""
    what, text = judged(program, results_of(program))
    if what is None:
        return None
    for value in [*(each.instruction for each in program.values), *program.rounded]:
        if value.opcode in ("parameter", "constant"):
            continue
        least, least_text = judged(program, [value])
        if least is not None:
            return Fault(seed, least, least_text)
    return Fault(seed, what, text)


def judged(program: Program, roots: Sequence[HloInstruction]) -> tuple[str | None, str]:
    """What is wrong with some results of a program, and what to read of it."""
    module = finished(program, roots)
    verify(module)
    arguments = program.arguments

    def described(number: int, where: tuple[int, ...] = ()) -> str:
        return describe(module, arguments, number, where)

    wanted = run_xla(module, arguments)
    try:
        got = run_tvm(module, arguments)
    except Exception as error:
        return type(error).__name__, f"{str(error)[-2000:]}\n{described(0)}"
    for number, (ours, theirs, root) in enumerate(zip(got, wanted, roots)):
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            types = f"{ours.dtype}{ours.shape}, XLA {theirs.dtype}{theirs.shape}"
            return "differs", f"{types}\n{described(number)}"
        wrong = wrong_elements(ours, theirs, program.rounded.get(root, 0), None)
        if wrong.any():
            where = tuple(int(index) for index in np.argwhere(wrong)[0])
            values = f"first at {where}: TVM {ours[where]!r}, XLA {theirs[where]!r}"
            return "differs", f"{values}\n{described(number, where)}"
    return None, ""
