"""What a framework hands over: the bytes of an HLO module, names of its inputs and values of its weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import SignatureError
from ..hlo.ir.names import Names
from ..hlo.ir.open_module import OpenModule
from ..hlo.limits import Limits
from ..oracle.check import Checked, check_program


@dataclass(frozen=True)
class LoweredModule:
    """A program of a framework as HLO.

    Attributes
    ----------
    hlo : bytes, HloModule or OpenModule
        Serialized HloModuleProto, or a module that was read already; unoptimised.
    input_names : tuple of str
        One unique name per HLO entry parameter, weights included, for the signature.
    parameter_values : mapping of int to numpy.ndarray
        Values of the entry parameters that are weights, by parameter number.
    source : str
        Name of the framework.
    result_structure : object
        The framework's own description of how its flat results nest (JAX: a PyTreeDef, TensorFlow: a structure for
        `tf.nest`), None where it has none.
    notes : tuple of str
        What the report should tell of the program, for instance what its results are.
    limits : Limits, optional
        How large it may be; None for a program of the user's own.
    """

    hlo: Any
    input_names: tuple[str, ...]
    parameter_values: Mapping[int, np.ndarray] = field(default_factory=dict)
    source: str = ""
    result_structure: Any = None
    notes: tuple[str, ...] = ()
    limits: Limits | None = None


def convert_lowered(
    lowered: LoweredModule,
    *,
    dialect: str | Any = None,
    freeze_params: bool | None = None,
    custom_converters: Mapping[str, Any] | None = None,
    rng_seed: int | None = None,
    specialize: bool = False,
    dimension_bounds: Mapping[str, tuple[int, int]] | None = None,
    buckets: Mapping[str, Sequence[int]] | None = None,
    checked: Checked | None = None,
) -> Any:
    """`from_hlo` of a LoweredModule; parameters, result and errors as there.

    With `specialize` a `SpecializedExecutable` instead, which is built for each shape that it is called with. What is
    `checked` is compared on example inputs, and a CheckError says what differs.
    """
    options: dict[str, Any] = {
        "dialect": dialect,
        "input_names": lowered.input_names,
        "parameter_values": lowered.parameter_values,
        "freeze_params": freeze_params,
        "custom_converters": custom_converters,
        "rng_seed": rng_seed,
        "dimension_bounds": dimension_bounds,
        "source": lowered.source,
        "notes": lowered.notes,
        "limits": lowered.limits,
    }
    # TVM is imported by these; lowering alone works without it
    if specialize:
        from ..deploy.specialized import specialize as specialized

        converted = specialized(open_of(lowered.hlo), buckets=buckets, **options)
    elif buckets:
        raise SignatureError("buckets are of builds for sizes: give specialize=True")
    else:
        from ..frontend import from_hlo

        converted = from_hlo(lowered.hlo, **options)
    if checked is not None:
        of_parts = {name: options[name] for name in ("dialect", "custom_converters", "rng_seed")}
        check_program(checked, lowered.hlo, lowered.parameter_values, lowered.input_names, converted, of_parts)
    return converted


def open_of(hlo: Any) -> OpenModule:
    """What a LoweredModule holds as an open module, also where all its sizes are numbers."""
    from ..hlo.proto.reader import read

    return hlo if isinstance(hlo, OpenModule) else OpenModule(read(hlo))


def unique_identifiers(wanted: Iterable[str]) -> tuple[str, ...]:
    """Each name with only characters that variables of main have; repeated ones get ``.N`` behind them."""
    names = Names()
    return tuple(names.take(re.sub(r"[^A-Za-z0-9_.:/]+", "_", name).strip("_.") or "input") for name in wanted)


def parameter_shapes(hlo: bytes) -> list[Any]:
    """Shape of each entry parameter, in order, without reading the instructions."""
    from ..hlo.proto.reader import parse_module_proto
    from ..hlo.proto.shapes import shape_from_proto

    program = parse_module_proto(hlo).host_program_shape
    return [shape_from_proto(shape, f"parameter {number}") for number, shape in enumerate(program.parameters)]


def result_shapes(hlo: Any) -> list[Any]:
    """Shape of each result of bytes or an HloModule: the elements of a tuple result, else the one result."""
    from ..hlo.ir.module import HloModule
    from ..hlo.proto.reader import parse_module_proto
    from ..hlo.proto.shapes import shape_from_proto

    if isinstance(hlo, OpenModule):
        hlo = hlo.module
    if isinstance(hlo, HloModule):
        shape = hlo.entry.root.shape
    else:
        shape = shape_from_proto(parse_module_proto(hlo).host_program_shape.result, "result")
    return list(shape.parts)
