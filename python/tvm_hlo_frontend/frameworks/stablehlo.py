"""StableHLO and MHLO modules to HLO and to TVM, through jaxlib's MLIR."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..convert.input_names import parameter_names
from ..errors import HloParseError, LoweringError, SignatureError, UnknownDimensionsError
from ..hlo.ir.module import HloModule
from ..hlo.ir.open_module import OpenModule
from ..hlo.limits import LIMITS, Limits
from ..hlo.proto.reader import read
from ..hlo.proto.sources import mlir_of
from ..hlo.text.parsers import hlo_from_mlir, open_hlo_from_mlir
from ..oracle.check import Check, Checked, chosen
from ..rewrites.symbolic_shapes import open_module
from .lowered import LoweredModule, convert_lowered

# the argument that jax.export adds to choose between platforms; only the export itself says what its numbers mean
_PLATFORM_ARGUMENT = b"_platform_index"


def from_stablehlo(
    module: Any,
    *,
    dialect: str | None = None,
    input_names: Sequence[str] | None = None,
    parameter_values: Mapping[int, np.ndarray] | None = None,
    freeze_params: bool | None = None,
    custom_converters: Mapping[str, Any] | None = None,
    specialize: bool = False,
    dimension_bounds: Mapping[str, tuple[int, int]] | None = None,
    buckets: Mapping[str, Sequence[int]] | None = None,
    limits: Limits | None = LIMITS,
    check: bool | Check | None = None,
) -> Any:
    """Convert a StableHLO module to a TVM module.

    Parameters
    ----------
    module : str, bytes, pathlib.Path, MLIR module or jax.export.Exported
        MLIR text or bytecode of the dialects StableHLO, MHLO, CHLO or VHLO (portable artifacts), the path of a file
        with it, a module of MLIR's Python bindings (``jax.jit(f).lower(x).compiler_ir("stablehlo")``), or an export of
        JAX, also serialized. Its public function ``main`` is converted.
    dialect : str, optional
        ``"relay"`` or ``"relax"``; by default what the installed TVM has.
    input_names, parameter_values, freeze_params, custom_converters
        As for `from_hlo`. By default inputs have the names that the module's locations give its arguments.
    specialize : bool
        Give an executable that is built for each shape it is called with: for unknown dimensions that one build cannot
        leave open.
    dimension_bounds : mapping of str to (int, int), optional
        Least and greatest number of unknown sizes, as for `from_hlo`.
    buckets : mapping of str to sequence of int, optional
        With `specialize`, numbers to which unknown sizes are padded, as for `deploy.specialized.specialize`.
    limits : Limits, optional
        How large the module may be, as for `from_hlo`.
    check : bool or Check, optional
        Whether XLA and TVM run the program and are compared. Inputs get numbers of a
        fixed seed. A warning says why a program cannot be compared.

    Returns
    -------
    (tvm.IRModule, dict of str to tvm.nd.NDArray), tvm.IRModule or SpecializedExecutable
        As `from_hlo`: in Relax the module alone, with weights as constants by default. With `specialize` an executable.

    Raises
    ------
    HloParseError
        If `module` holds no MLIR, XLA cannot translate it, or there is no jaxlib.
    LoweringError
        If sizes of main's arguments are unknown and nothing tells those of the operations, or if the module chooses
        between platforms.
    UnsupportedHloError
        If some instructions cannot be converted.
    CheckError
        If XLA and TVM differ.

    Examples
    --------
    >>> mod, params = from_stablehlo(Path("model.mlir"))
    >>> mod, params = from_stablehlo(jax.export.export(jax.jit(f))(x))
    """
    how = chosen(check)
    lowered = lower_stablehlo(module)
    changes: dict[str, Any] = {"parameter_values": parameter_values or {}, "limits": limits}
    if input_names is not None:
        changes["input_names"] = tuple(input_names)
    lowered = dataclasses.replace(lowered, **changes)
    return convert_lowered(
        lowered,
        dialect=dialect,
        freeze_params=freeze_params,
        custom_converters=custom_converters,
        specialize=specialize,
        dimension_bounds=dimension_bounds,
        buckets=buckets,
        checked=Checked.of(how),
    )


def from_stablehlo_module(stablehlo_module: Any, input_info: Any = None, **options: Any) -> Any:
    """`from_stablehlo` behind the signature of `tvm.relax.frontend.stablehlo.from_stablehlo`.

    Parameters
    ----------
    stablehlo_module
        `module` of `from_stablehlo`.
    input_info : optional
        Must be left out: the module says shapes and types of its inputs. TVM's own importer does not look at it.
    **options
        Other options of `from_stablehlo`.

    Raises
    ------
    SignatureError
        If `input_info` is given; otherwise as for `from_stablehlo`.
    """
    if input_info is not None:
        raise SignatureError(
            'input_info has no meaning with via="hlo": the module itself says shapes and types of its inputs; leave it '
            "out"
        )
    return from_stablehlo(stablehlo_module, **options)


def lower_stablehlo(module: Any) -> LoweredModule:
    """HLO of a StableHLO module with names of its parameters; needs no TVM. Parameters and errors as for
    `from_stablehlo`."""
    mlir = mlir_of(module)
    if mlir is None:
        return _lower_export(module)
    if _PLATFORM_ARGUMENT in mlir:
        raise LoweringError(
            "the module was exported for several platforms and takes the platform as an argument; give the "
            "jax.export.Exported or its serialized bytes instead of its MLIR, or export it for one platform"
        )
    hlo = _static_or_open(mlir)
    entry = (hlo.module if isinstance(hlo, OpenModule) else hlo).entry
    return LoweredModule(hlo, tuple(parameter_names(entry.parameters, None)), source="stablehlo")


def _static_or_open(mlir: bytes) -> HloModule | OpenModule:
    """HLO of a module: XLA's translation if its dimensions are numbers, else an open module."""
    try:
        hlo = read(hlo_from_mlir(mlir))
    except UnknownDimensionsError:
        return open_module(read(open_hlo_from_mlir(mlir)))
    static = all(parameter.shape.is_static for parameter in hlo.entry.parameters)
    return hlo if static else open_module(read(open_hlo_from_mlir(mlir)))


def _lower_export(module: Any) -> LoweredModule:
    """`module` as what jax.export makes."""
    try:
        from .jax import exported_of, lower_jax

        exported = exported_of(module)
    except ImportError:
        exported = None
    except HloParseError as error:
        raise HloParseError(f"neither MLIR (text or bytecode) nor an export of JAX: {error}") from error
    if exported is None:
        raise HloParseError(
            f"cannot read a StableHLO module from {type(module).__name__}; give MLIR text or bytecode, the path of a "
            "file with it, an MLIR module, or with JAX installed a jax.export.Exported"
        )
    return lower_jax(exported)
