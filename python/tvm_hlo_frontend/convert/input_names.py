"""Names of main's inputs: the framework's, which the signature shows, and its variables', which TVM can bear."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Sequence

from ..errors import SignatureError
from ..hlo.ir.module import HloInstruction
from ..hlo.ir.names import Names

_C_WORDS = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl
    concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete
    do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable
    namespace new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast
    requires restrict return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor
    xor_eq
"""
# macros of the headers that C code from TVM includes, and of compilers
_C_MACROS = "NULL EOF NAN INFINITY HUGE_VAL HUGE_VALF HUGE_VALL linux unix i386 arm mips sparc sun"
_WORDS = frozenset((*keyword.kwlist, *_C_WORDS.split(), *_C_MACROS.split()))
# names that TVM gives out itself in the scope of main's parameters, and such as are reserved in C
_PATTERNS = re.compile(
    r"p\d+"  # constants of the graph executor
    r"|constant_\d+|sid_\d+|output\d*"  # constants, buffers and results of the AOT executor
    r"|global_(const_)?workspace_\w*|device_context_\w*"  # its pools and devices
    r"|tvmgen_\w*|TVM_\w*|DLPACK_\w*"  # functions, constants of external code generators, macros
    r"|u?int\d+_t|size_t|M_[A-Z0-9_]+|FP_[A-Z_]+"  # types and macros of C's headers
    r"|[^A-Za-z].*"  # C, Python and TVM's text want a letter first; C keeps __ and _X to itself
)
_VARIABLE = "v_"
_UNCLEAN = re.compile(r"[^A-Za-z0-9_.:/]")


class VariableNames:
    """Names of main's variables given out so far.

    No two are the same for the AOT executor and for C, which replace what is no letter or digit by ``_``; there a
    clash is wrong numbers, not an error.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, wanted: str) -> str:
        """`wanted`, or another name like it where some part of TVM cannot bear it or where it is taken."""
        base = _UNCLEAN.sub("_", wanted) or "value"
        base = _VARIABLE + base if is_reserved(base) else base
        name, number = base, 0
        while _as_in_c(name) in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(_as_in_c(name))
        return name

    def take_all(self, wanted: Sequence[str]) -> list[str]:
        """`take` for each of different names; no variable gets a name that another one wanted."""
        kept: dict[str, str] = {}
        for name in wanted:
            if name and not _UNCLEAN.search(name) and not is_reserved(name) and _as_in_c(name) not in self._taken:
                kept[name] = self.take(name)
        return [kept[name] if name in kept else self.take(name) for name in wanted]


def is_reserved(name: str) -> bool:
    """Whether an executor, a code generator or the text of modules has another use for `name`."""
    in_c = _as_in_c(name)
    return in_c in _WORDS or _PATTERNS.fullmatch(in_c) is not None


def _as_in_c(name: str) -> str:
    return re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9]", "_", name))


def parameter_names(parameters: Sequence[HloInstruction], chosen: Sequence[str] | None) -> list[str]:
    """A unique name for each entry parameter, as the framework or the caller calls it.

    Raises
    ------
    SignatureError
        If `chosen` has another length or repeats a name.
    """
    if chosen is not None:
        if len(chosen) != len(parameters) or len(set(chosen)) != len(chosen):
            raise SignatureError(
                f"input_names must be {len(parameters)} different names, one per HLO parameter; got {list(chosen)}"
            )
        return list(chosen)
    wanted = [_identifier(parameter.metadata.op_name) for parameter in parameters]
    counts = Counter(wanted)
    names = [
        name if name and counts[name] == 1 else _identifier(parameter.name)
        for name, parameter in zip(wanted, parameters)
    ]
    unique = Names()
    return [unique.take(name) for name in names]


def _identifier(text: str) -> str:
    """`x['a'][0]` becomes `x_a_0`."""
    return re.sub(r"[^A-Za-z0-9_.:/]+", "_", text).strip("_")
