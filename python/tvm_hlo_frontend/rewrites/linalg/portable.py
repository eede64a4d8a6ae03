"""Custom-calls that XLA itself expands on every backend: TensorFlow's, and JAX's for the TPU."""

from __future__ import annotations

from ...hlo.ir.attributes import CustomCallAttributes
from ...hlo.ir.module import HloInstruction
from . import factorizations as lapack
from .factorizations import Site


def expand_portable(
    site: Site, instruction: HloInstruction, target: str, operands: tuple[HloInstruction, ...]
) -> list[HloInstruction] | None:
    """Results of a portable custom-call, or None if it is none."""
    match target:
        case "LuDecomposition":
            factors, pivots, _, permutation = lapack.getrf(site, operands[0], one_based=False)
            return [factors, pivots, permutation]
        case "Qr":
            return lapack.geqrf(site, operands[0])
        case "ProductOfElementaryHouseholderReflectors":
            return [lapack.orgqr(site, *operands)]
        case "Eigh":
            vectors, values, _ = lapack.syevd(site, operands[0], _eigh_is_lower(instruction))
            return [vectors, values]
    return None


def _eigh_is_lower(instruction: HloInstruction) -> bool:
    """First field of ``lower,sort_eigenvalues,max_iter,tolerance`` (XLA: EighExpander); values are always sorted."""
    config = instruction.attributes_as(CustomCallAttributes).backend_config
    return not config.decode("ascii", errors="replace").startswith("0")
