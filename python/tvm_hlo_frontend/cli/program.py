"""From FILE and the sizes that --dim gives to something that converts or runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command import NO_DIMS, Dims, Unusable

if TYPE_CHECKING:
    from ..deploy.executable import Executable
    from ..deploy.open_sizes import OpenSizes
    from ..errors import Refusal
    from ..hlo.ir.module import HloModule
    from ..hlo.ir.open_module import OpenModule

LIBRARIES = (".so", ".dylib", ".dll")


@dataclass(frozen=True)
class Program:
    """What an HLO file holds.

    Attributes
    ----------
    module : HloModule
    opened : OpenModule or None
        It with what must hold of its unknown sizes; None if all sizes are numbers.
    sizes : OpenSizes or None
        What tells the unknown sizes, likewise.
    values : dict of int to int or str
        Inputs whose value is a size, by position: the number that --dim gives, the name of one that is unknown.
    proto : object
        HloModuleProto that the module was read from; None if its sizes were unknown in the file.
    """

    module: HloModule
    opened: OpenModule | None = None
    sizes: OpenSizes | None = None
    values: Mapping[int, int | str] = field(default_factory=dict)
    proto: Any = None

    @property
    def source(self) -> Any:
        """What `from_hlo` takes."""
        return self.module if self.opened is None else self.opened


def read_program(file: Path, dims: Dims = NO_DIMS) -> Program:
    """The module of an HLO file with the sizes that --dim gives; every command reads FILE by this.

    Parameters
    ----------
    file : pathlib.Path
    dims : Dims
        Sizes without a number stay unknown.

    Raises
    ------
    Unusable
        If `dims` names a size that is not unknown.
    SignatureError
        If the program is none for such sizes, or nothing tells one of them.
    """
    from ..errors import UnknownDimensionsError
    from ..hlo.proto.reader import module_from_proto, parse_module_proto
    from ..hlo.proto.sources import mlir_of, to_bytes
    from .sizes import check_names, said

    try:
        proto = parse_module_proto(to_bytes(file))
        module = module_from_proto(proto)
        is_open = any(not each.shape.is_static for each in module.entry.parameters) and mlir_of(file) is not None
    except UnknownDimensionsError:
        is_open = True
    if is_open:
        return _open_program(file, dims)
    check_names((), said(dims), file)
    return Program(module, proto=proto)


def _open_program(file: Path, dims: Dims) -> Program:
    """`read_program` of StableHLO with unknown sizes."""
    from ..frameworks.stablehlo import lower_stablehlo
    from .sizes import sizes_of, valued_inputs, with_dims

    whole: OpenModule = lower_stablehlo(file).hlo
    sizes = sizes_of(whole)
    opened = with_dims(whole, sizes, dims, file)
    values = valued_inputs(sizes, dims.numbers)
    if len(dims.numbers) == len(sizes.names):
        return Program(opened.module, values=values)
    return Program(opened.module, opened, sizes_of(opened), values)


def unsupported_of(
    program: Program, custom_converters: Mapping[str, Any] | None = None, rng_seed: int | None = None
) -> list[Refusal]:
    """What `from_hlo` refuses before it converts anything; of unknown sizes, what it refuses whatever they are."""
    from ..convert.support import unsupported, unsupported_for_all_sizes

    if program.opened is not None:
        return unsupported_for_all_sizes(program.opened, custom_converters, rng_seed)
    return unsupported(program.module, custom_converters, rng_seed)


def is_compiled(file: Path) -> bool:
    """Whether FILE is a library of `tvm-hlo build` or a folder of `tvm-hlo convert`."""
    from ..deploy.saved import is_saved_module

    return file.suffix in LIBRARIES or is_saved_module(file)


def load_executable(
    file: Path,
    options: Mapping[str, Any],
    target: str | None = None,
    dims: Dims = NO_DIMS,
    cache: bool | None = None,
) -> Executable:
    """One build of an HLO file or of a folder of `tvm-hlo convert`; what a library of `tvm-hlo build` holds. `cache` as
    of `build`."""
    from ..deploy.executable import build, mod_and_params
    from ..deploy.saved import load_library, load_module
    from ..frontend import from_hlo
    from .output import quiet_tvm

    quiet_tvm()
    if is_compiled(file) and dims:
        raise Unusable(f"{file} is converted already, and --dim cannot change it: give --dim where it is made")
    if file.suffix in LIBRARIES:
        return load_library(file)
    if is_compiled(file):
        return build(*load_module(file), target, cache=cache)
    program = read_program(file, dims)
    converted = from_hlo(program.source, dimension_bounds=dims.bounds, **options)
    return build(*mod_and_params(converted), target, cache=cache)


@dataclass(frozen=True)
class Runnable:
    """What `tvm-hlo run` calls.

    Attributes
    ----------
    executable : Executable or SpecializedExecutable
    values : dict of int to int or str
        See `Program`.
    dims : dict of str to int
        Sizes of its inputs that --dim gives, where they are unknown in what was compiled.
    """

    executable: Any
    values: Mapping[int, int | str] = field(default_factory=dict)
    dims: Mapping[str, int] = field(default_factory=dict)


def load_runnable(file: Path, options: Mapping[str, Any], dims: Dims = NO_DIMS) -> Runnable:
    """What runs FILE: the build of a module, with unknown sizes one for the sizes of the call."""
    from ..deploy.executable import build, mod_and_params
    from ..deploy.open_sizes import sizes_of_signature
    from ..deploy.specialized import specialize
    from ..frontend import from_hlo
    from .output import quiet_tvm
    from .sizes import check_dims, valued_inputs

    quiet_tvm()
    if is_compiled(file):
        executable = load_executable(file, options)
        sizes = sizes_of_signature(executable.signature)
        if dims.bounds:
            raise Unusable(f"{file} is compiled already, and --dim cannot bound its sizes: give --dim where it is made")
        check_dims(sizes, dims.numbers, file)
        return Runnable(executable, valued_inputs(sizes, dims.numbers), dims.numbers)
    program = read_program(file, dims)
    if program.opened is not None:
        return Runnable(specialize(program.opened, **options), program.values)
    return Runnable(build(*mod_and_params(from_hlo(program.module, **options))), program.values)


@dataclass(frozen=True)
class BothSides:
    """A module for TVM and for XLA.

    Attributes
    ----------
    module : HloModule
    original : HloModule or bytes
        What XLA runs: the bytes that the module was read from, not what this package understood of them, unless XLA's
        client cannot run them as they are, or --dim has set their sizes.
    executable : Executable
    weights : dict of int to int
        See `analysis.weights.products_per_sum`, by position among the inputs.
    values : dict of int to int or str
        See `Program`.
    """

    module: HloModule
    original: HloModule | bytes
    executable: Executable
    weights: dict[int, int]
    values: Mapping[int, int | str]


def build_for_both(
    file: Path,
    options: Mapping[str, Any],
    target: str | None = None,
    dims: Dims = NO_DIMS,
    cache: bool | None = None,
) -> BothSides:
    """Read, convert and build an HLO file that XLA shall run as well; `cache` as of `build`.

    Raises
    ------
    Unusable
        If sizes are unknown, or those of parameters or results are told by data.
    """
    from ..deploy.executable import build, mod_and_params
    from ..frontend import from_hlo
    from ..hlo.ir.extract import flat_parameters
    from ..oracle.inputs import weights_of
    from .sizes import wanted_dims

    program = read_program(file, dims)
    if program.sizes is not None:
        raise Unusable(f"{file} has unknown sizes, and XLA needs numbers; give {wanted_dims(program.sizes.names)}")
    entry = program.module.entry
    if not all(each.shape.is_static for each in (entry.root, *entry.parameters)):
        raise Unusable(f"{file} has arrays whose sizes data tell, which XLA's client neither takes nor gives back")
    module = program.module  # its opcodes and comparisons, and those of its proto, have the names that any XLA knows
    executable = build(*mod_and_params(from_hlo(module, **options)), target, cache=cache)
    flat = flat_parameters(module)
    as_read = flat is module and program.proto is not None
    original = program.proto.SerializeToString() if as_read else flat
    return BothSides(module, original, executable, weights_of(module), program.values)
