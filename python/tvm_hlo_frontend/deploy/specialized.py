"""specialize(open module) -> SpecializedExecutable: one program for arrays of many shapes, compiled once for each."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.signature import Signature
from ..convert.rules import ConvertFunction
from ..errors import HloParseError, SignatureError
from ..hlo.ir.open_module import OpenModule
from ..hlo.limits import LIMITS, Limits
from ..rewrites.dimension_bounds import with_bounds
from .buckets import Buckets, buckets_of
from .donation import Donated
from .executable import Executable, tell_of_export
from .library_files import description_of
from .open_sizes import OpenSizes, check_of, open_sizes
from .saved import load_library, versions, write_library_of
from .specialization import Specialization
from .targets import cpu_target
from .variants import LIMIT, Variants
from .whole_files import written_together

INDEX = "specialized.json"
# calls whose shapes are remembered
MAX_CALLS = 4096


@dataclass(frozen=True)
class Variant:
    """A program compiled for certain sizes.

    Attributes
    ----------
    sizes : mapping of str to int
    executable : Executable
    seconds : float
        How long converting and compiling took.
    """

    sizes: Mapping[str, int]
    executable: Executable
    seconds: float


class SpecializedExecutable:
    """A program that takes arrays of many shapes and is compiled once for each of them, at its first call; any number
    of threads may call it at the same time. `specialize` and `load_specialized` make it.

    Attributes
    ----------
    signature : Signature
        Dimensions that a call tells are texts: ``"2*batch"``.
    inputs : tuple of Parameter
        What a call takes, in order.
    sizes : tuple of str
        Names of the unknown sizes.
    limit : int
        How many variants are kept. The one whose last call is longest ago goes first.
    """

    def __init__(
        self,
        signature: Signature,
        open_sizes: OpenSizes,
        make: Callable[[Mapping[str, int]], Executable],
        limit: int,
        target: Any = None,
        buckets: Buckets | None = None,
    ) -> None:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        self.signature = signature
        self.inputs = open_sizes.inputs
        self.sizes = open_sizes.names
        self.limit = limit
        self._open_sizes = open_sizes
        self._make = make
        self._target = target
        self._buckets = buckets
        self._variants: Variants[tuple[int, ...], Variant] = Variants(limit)
        # by shapes of a call its sizes, and those of the variant that it takes
        self._known: dict[tuple[Any, ...], tuple[tuple[int, ...], tuple[int, ...]]] = {}
        self._valued = tuple(open_sizes.values.values())

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What is compiled, in the order of the last calls."""
        return tuple(variant for _, variant in self._variants.items())

    def __call__(self, *arrays: Any, donate: Donated = ()) -> Any:
        """Run once, on the variant for the sizes of the arrays; compile it if there is none.

        Parameters
        ----------
        *arrays : array_like
            One per entry of `inputs`.
        donate : int, str or sequence of them
            As for `Executable`; of arrays that are padded nothing is overwritten.

        Returns
        -------
        numpy.ndarray or nested tuple of numpy.ndarray

        Raises
        ------
        SignatureError
            If number, shapes or dtypes of the arrays do not fit, or the program is none for their sizes.
        """
        given = [np.asarray(array) for array in arrays]
        call: tuple[Any, ...] = tuple([(array.shape, array.dtype) for array in given])
        if self._valued:
            call += tuple(given[position].tobytes() for position in self._valued if position < len(given))
        known = self._known.get(call)
        if known is None:
            numbers = self._open_sizes.of_call(given)
            known = tuple(numbers.values()), self._wanted(numbers)
            if len(self._known) >= MAX_CALLS:
                self._known.clear()
            self._known[call] = known
        sizes, wanted = known
        executable = self._variant(wanted).executable
        if self._buckets is None or wanted == sizes:
            return executable(*given, donate=donate)
        results = executable(*self._buckets.filled_up(given, dict(zip(self.sizes, wanted))))
        return self._buckets.without_padding(results, dict(zip(self.sizes, sizes)))

    def prepare(self, *sizes: Mapping[str, int]) -> None:
        """Compile variants ahead of the calls that need them.

        Parameters
        ----------
        *sizes : mapping of str to int
            The unknown sizes of each variant by name.

        Raises
        ------
        SignatureError
            If a size is missing or unknown, or the program is none for such sizes.
        ValueError
            If they are more than `limit`.
        """
        if len(sizes) > self.limit:
            raise ValueError(f"{len(sizes)} variants are more than the limit of {self.limit}")
        for numbers in [self._open_sizes.of_numbers(each) for each in sizes]:
            self._variant(self._wanted(numbers))

    def save(self, folder: str | Path) -> None:
        """Write the variants that there are as libraries, for `load_specialized`.

        Parameters
        ----------
        folder : path
            Is made if need be; gets ``specialized.json``, and for each variant a library and a JSON file.

        Raises
        ------
        ValueError
            If there is no variant, or this was loaded itself.
        """
        variants, folder = self.variants, Path(folder)
        if not variants:
            raise ValueError("there is no variant to save; `prepare` makes some")
        if self._target is None:
            raise ValueError("libraries that were loaded cannot be saved; copy their folder")
        files = [f"variant_{number}.so" for number in range(len(variants))]
        about = {
            "signature": asdict(self.signature),
            "values": dict(self._open_sizes.values),
            "sizes": list(self.sizes),
            "buckets": {} if self._buckets is None else dict(self._buckets.sizes),
            "variants": [
                {"library": file, "sizes": dict(variant.sizes), "seconds": variant.seconds}
                for file, variant in zip(files, variants)
            ],
            "versions": versions(),
        }
        for file, variant in zip(files, variants):
            tell_of_export(variant.executable, folder / file)
        folder.mkdir(parents=True, exist_ok=True)
        beside = [description_of(Path(file)).name for file in files]
        with written_together([folder / name for name in (*files, *beside, INDEX)]) as made:
            for path, variant in zip(made, variants):
                write_library_of(variant.executable, path, self._target, self.signature.source)
            made[-1].write_text(json.dumps(about, indent=1) + "\n")

    def _wanted(self, numbers: Mapping[str, int]) -> tuple[int, ...]:
        """Sizes of the variant for these sizes."""
        return tuple((numbers if self._buckets is None else self._buckets.of(numbers)).values())

    def _variant(self, sizes: tuple[int, ...]) -> Variant:
        return self._variants.found(sizes) or self._variants.found_or_made(sizes, lambda: self._made(sizes))

    def _made(self, sizes: tuple[int, ...]) -> Variant:
        numbers, start = dict(zip(self.sizes, sizes)), time.perf_counter()
        executable = self._make(numbers)
        return Variant(numbers, executable, time.perf_counter() - start)

    def _take(self, variant: Variant) -> None:
        """Have a variant that is made already."""
        self._variants.found_or_made(tuple(variant.sizes.values()), lambda: variant)


def specialize(
    open_module: OpenModule,
    *,
    target: Any = None,
    dialect: str | None = None,
    limit: int = LIMIT,
    input_names: Sequence[str] | None = None,
    parameter_values: Mapping[int, np.ndarray] | None = None,
    freeze_params: bool | None = None,
    custom_converters: Mapping[str, ConvertFunction] | None = None,
    rng_seed: int | None = None,
    dimension_bounds: Mapping[str, tuple[int, int]] | None = None,
    buckets: Mapping[str, Sequence[int]] | None = None,
    source: str = "",
    notes: Sequence[str] = (),
    limits: Limits | None = LIMITS,
) -> SpecializedExecutable:
    """An executable of a module with unknown sizes, which compiles a variant for each shape that it is called with.

    Parameters
    ----------
    open_module : OpenModule
    target : str or tvm.target.Target, optional
        As for `build`.
    limit : int
        How many variants are kept.
    dialect, input_names, parameter_values, freeze_params, custom_converters, rng_seed, dimension_bounds, source, notes
        As for `from_hlo`. Sizes that the shapes of `parameter_values` tell are known from then on.
    limits : Limits, optional
        How large each variant may be, as for `from_hlo`.
    buckets : mapping of str to sequence of int, optional
        Numbers to which unknown sizes are padded, in ascending order: there are variants for those alone, and for sizes
        beyond the last one. Only of sizes to which padding is proved to make no difference, such as of a batch.

    Returns
    -------
    SpecializedExecutable

    Raises
    ------
    SignatureError
        If nothing tells one of the unknown sizes, names or values do not fit the parameters, or padding to `buckets`
        may change results.
    """
    target = cpu_target() if target is None else target
    options = {
        "dialect": dialect,
        "freeze_params": freeze_params,
        "custom_converters": custom_converters,
        "rng_seed": rng_seed,
        "notes": notes,
        "limits": limits,
    }
    bounded = with_bounds(open_module, dimension_bounds or {})
    program = Specialization.of(bounded, input_names, parameter_values or {}, source, options)
    make = functools.partial(program.build, target=target)
    chosen = buckets_of(buckets, program.signature, program.sizes, program.open_module) if buckets else None
    return SpecializedExecutable(program.signature, program.sizes, make, limit, target, chosen)


def load_specialized(folder: str | Path) -> SpecializedExecutable:
    """What `SpecializedExecutable.save` has written: an executable for the shapes that were compiled by then.

    Parameters
    ----------
    folder : path

    Raises
    ------
    HloParseError
        If the folder holds something else, or files are missing.
    """
    folder = Path(folder)
    try:
        about = json.loads((folder / INDEX).read_text())
        signature = Signature.from_json(json.dumps(about["signature"]))
        checks = [check_of(row) for row in signature.checks]
        inputs = tuple(parameter for parameter in signature.parameters if not parameter.bound)
        sizes = open_sizes(inputs, about["values"], checks, about["sizes"])
        entries = [(folder / each["library"], each["sizes"], each["seconds"]) for each in about["variants"]]
        buckets = buckets_of(about.get("buckets", {}), signature, sizes, None) if about.get("buckets") else None
        known = [{name: int(numbers[name]) for name in sizes.names} for _, numbers, _ in entries]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SignatureError) as error:
        raise HloParseError(f"{folder} holds no specialized executable that can be read: {error!r}") from error
    run = SpecializedExecutable(signature, sizes, _refusing(known), max(1, len(entries)), buckets=buckets)
    for (path, _, seconds), numbers in zip(entries, known):
        run._take(Variant(numbers, load_library(path), seconds))
    return run


def _refusing(known: Sequence[Mapping[str, int]]) -> Callable[[Mapping[str, int]], Executable]:
    """What takes the compiler's place where there is no program."""

    def refuse(numbers: Mapping[str, int]) -> Executable:
        there = "; ".join(map(_text, known)) or "none"
        raise SignatureError(
            f"there is no variant for {_text(numbers)}, only for {there}; where the program is, "
            f"prepare({dict(numbers)}) and save again"
        )

    return refuse


def _text(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {number}" for name, number in numbers.items()) or "no unknown sizes"
