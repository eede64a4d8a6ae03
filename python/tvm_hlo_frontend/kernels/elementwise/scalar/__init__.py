"""HLO's scalar semantics as TIR expressions: each element-wise opcode once, for every dialect."""

from .evaluate import check_supported, evaluate, supports

__all__ = ["check_supported", "evaluate", "supports"]
