"""Custom-calls that frameworks emit for linear algebra, in terms of opcodes and kernels (rule 75)."""

from __future__ import annotations

from ...errors import HloVerificationError, StaticSizeError
from ...hlo.ir.attributes import CustomCallAttributes
from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Shape
from ..expansion import Expansion, has_known_matrices
from .factorizations import Site
from .gpu import expand_gpu, expands_gpu_target
from .lapack import ROUTINES, expand_lapack, routine_of
from .portable import expand_portable

PORTABLE_TARGETS = ("LuDecomposition", "Qr", "ProductOfElementaryHouseholderReflectors", "Eigh")


def _is_known(instruction: HloInstruction) -> bool:
    return has_known_matrices(instruction) and expands_target(instruction.attributes_as(CustomCallAttributes).target)


def expands_target(target: str) -> bool:
    """Whether custom-calls to `target` are known here."""
    found = routine_of(target)
    is_lapack = found is not None and found[0] in ROUTINES
    return is_lapack or target in PORTABLE_TARGETS or expands_gpu_target(target)


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """Layouts that the calls ask for are physical and play no part. Workspace results of old calls become zeros."""
    site, target = Site(builder, instruction.metadata), instruction.attributes_as(CustomCallAttributes).target
    roads = (expand_portable, expand_lapack, expand_gpu)
    try:
        made = (road(site, instruction, target, operands) for road in roads)
        results = next((each for each in made if each is not None), None)
    except StaticSizeError:
        raise
    except (LookupError, TypeError, ValueError, HloVerificationError):
        return None  # other operands or options than a call to this target has
    if results is None:
        return None
    shapes = instruction.shape.parts
    if not all(_same(made.shape, shape) for made, shape in zip(results, shapes)):
        return None  # another interface under the same name
    if not instruction.shape.is_tuple:
        return results[0]
    workspace = [site.filled(0, shape) for shape in shapes[len(results) :]]
    return site.add("tuple", [*results, *workspace])


def _same(made: Shape, declared: Shape) -> bool:
    return (made.element_type, made.dimensions) == (declared.element_type, declared.dimensions)


# targets come in families, by patterns
EXPANSIONS = {"custom-call": Expansion(_expand, _is_known)}
