"""Arrays of the command line: npz files, random numbers, names of results."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.signature import Parameter
from ..errors import SignatureError
from ..hlo.ir.shape import BY_NAME
from ..oracle.inputs import random_array
from .command import Unusable
from .sizes import with_known_dimensions

NO_VALUES: Mapping[Any, Any] = {}
# what zipfile, zlib and numpy say of files that are damaged or claim more than they hold
_UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip


def given_inputs(
    inputs: Sequence[Parameter],
    path: Path | None,
    seed: int | None,
    weights: Mapping[int, int] | None = None,
    values: Mapping[int, int | str] = NO_VALUES,
    dims: Mapping[str, int] = NO_VALUES,
) -> list[np.ndarray]:
    """An array for each input, from an npz file or drawn.

    Parameters
    ----------
    inputs : sequence of Parameter
    path : pathlib.Path, optional
        An .npz file with arrays by name.
    seed : int, optional
        Of the generator for what the file does not give; None if everything has to be given.
    weights : mapping of int to int, optional
        What is known of the inputs, by position: see `analysis.weights.products_per_sum`.
    values : mapping of int to int or str
        Inputs whose value is a size: see `cli.program.Program`.
    dims : mapping of str to int
        Sizes that --dim gives, where dimensions of `inputs` are texts.

    Raises
    ------
    Unusable
        If an input is not given, or is to be drawn and its sizes are unknown.
    SignatureError
        If the file has another name, or an array of another dtype or shape.
    """
    given = {} if path is None else read_npz(path)
    known = {parameter.name: parameter for parameter in inputs}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SignatureError(f"{path} has arrays that the module does not take: {', '.join(unknown)}; {listed(inputs)}")
    missing = [parameter for parameter in inputs if parameter.name not in given]
    if missing and seed is None:
        raise Unusable(f"give --inputs X.npz, or --random SEED to draw them; not given: {listed(missing)}")
    given = {name: with_dtype(array, known[name]) for name, array in given.items()}
    numbers = {inputs[number].name: size for number, size in values.items() if isinstance(size, int)}
    for name, number in numbers.items():
        if name in given and np.any(given[name] != number):
            raise SignatureError(f"the value of `{name}` is {given[name]}; --dim says that it is {number}")
    missing = with_known_dimensions(inputs, given, values, dims)
    generator = np.random.default_rng(seed)
    products = {parameter.name: None if weights is None else weights.get(i, 1) for i, parameter in enumerate(inputs)}
    for parameter in missing:
        given[parameter.name] = random_array(parameter, generator, products[parameter.name])
        if parameter.name in numbers:
            given[parameter.name] = np.full_like(given[parameter.name], numbers[parameter.name])
    return [given[name] for name in known]


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an .npz file by name."""
    if not zipfile.is_zipfile(path):
        raise SignatureError(f"{path} is no .npz file: numpy.savez writes them")
    try:
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except _UNREADABLE as error:
        raise SignatureError(f"{path} cannot be read as an .npz file of arrays: {error}") from error


def with_dtype(array: np.ndarray, parameter: Parameter) -> np.ndarray:
    """`array` seen as what the input is, if its file has not kept the dtype: bfloat16 and the like come back as raw
    bytes."""
    dtype = BY_NAME[parameter.element_type].numpy_dtype
    if array.dtype.kind == "V" and dtype is not None and array.dtype.itemsize == dtype.itemsize:
        return array.view(dtype)
    return array


def listed(inputs: Sequence[Parameter]) -> str:
    """Names, element types and dimensions."""
    return ", ".join(
        f"{parameter.name} {parameter.element_type}{list(parameter.dimensions)}" for parameter in inputs[:20]
    ) + (f" and {len(inputs) - 20} more" if len(inputs) > 20 else "")


def named_results(value: Any, name: str = "result") -> dict[str, np.ndarray]:
    """Arrays of what an Executable returns by name: ``result``, of a tuple ``result_0``, ``result_1_0`` and so on."""
    if isinstance(value, tuple):
        named: dict[str, np.ndarray] = {}
        for index, part in enumerate(value):
            named.update(named_results(part, f"{name}_{index}"))
        return named
    return {} if value is None else {name: value}
