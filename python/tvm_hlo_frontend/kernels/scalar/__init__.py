"""HLO's scalar semantics as TIR expressions: each element-wise opcode once, for every dialect."""

from .evaluate import evaluate, supports

__all__ = ["evaluate", "supports"]
