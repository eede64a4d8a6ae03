"""build(mod, params, target) -> Executable: the right executor behind one call. Adds comfort and speed; exactness is
in the emitted IR."""

from __future__ import annotations

import functools
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..backends.base import InPlace, RunFlat
from ..backends.executors import processors
from ..backends.select import compile_module, mod_and_params, parameter_names, run_library
from ..backends.signature import Parameter, Signature, signature_of
from ..backends.thread_pool import uses_thread_pool
from ..backends.timings import BuildTimings, PassClock
from ..convert.report import host_note, process_functions, refuse_to_save, report_of
from ..errors import HostFunctionError, SignatureError
from ..hlo.ir.shape import BY_NAME
from ..hlo.ir.storage import from_storage, to_storage
from .donation import Donated, given_away
from .open_sizes import OpenSizes, sizes_of_signature
from .targets import cpu_target, refuse_unknown

# TVM's passes recurse on the depth of the graph; a chain of 20,000 operators needs about 400 MB
BUILD_STACK_BYTES = 1 << 30
# TVM's compiler has state of the process: autotvm's context, options of LLVM
_compiling = threading.Lock()
# the stack size of new threads belongs to the process
_starting = threading.Lock()

Result = TypeVar("Result")


@dataclass(frozen=True)
class Executable:
    """A compiled module that takes and returns numpy arrays; any number of threads may call it at the same time.

    Attributes
    ----------
    signature : Signature
    executor : str
        ``"graph"`` or ``"vm"`` for Relay, ``"relax"``.
    library : object
        What `relay.build`, `relay.vm.compile` or `tvm.compile` returned.
    host_functions : tuple of str
        Functions of the host that it calls, see `ConversionReport`; none for all but a few modules.
    parallel : bool
        Whether a call may use TVM's thread pool; else it stays in the thread that makes it.
    in_place : tuple of InPlace
        Results that are computed in the memory of arguments, if those are donated.
    own : tuple of int
        Results that the virtual machine of Relax makes in memory of their own, which large ones are handed out in.
    timings : BuildTimings or None
        Where the time of the build went, if it was asked to measure that.
    device : str
        Kind of the device that it runs on, as TVM calls it: ``"cpu"``, ``"cuda"``, ``"opencl"`` …
    """

    signature: Signature
    executor: str
    library: Any
    run_flat: RunFlat
    host_functions: tuple[str, ...] = ()
    parallel: bool = True
    in_place: tuple[InPlace, ...] = ()
    own: tuple[int, ...] = ()
    timings: BuildTimings | None = None
    device: str = "cpu"

    @functools.cached_property
    def inputs(self) -> tuple[Parameter, ...]:
        """Parameters that a call takes, in order."""
        return tuple(parameter for parameter in self.signature.parameters if not parameter.bound)

    @functools.cached_property
    def _open_sizes(self) -> OpenSizes | None:
        """How unknown sizes follow from the arrays of a call; None if all are known."""
        signature = self.signature
        texts = any(isinstance(size, str) for parameter in self.inputs for size in parameter.dimensions)
        if not texts and not signature.values:
            return None
        return sizes_of_signature(signature)

    def __call__(self, *arrays: Any, donate: Donated = ()) -> Any:
        """Run once.

        Parameters
        ----------
        *arrays : array_like
            One per entry of `inputs`, with its dimensions and dtype.
        donate : int, str or sequence of them
            Positions or names of arrays that the call may overwrite with results, which then are the same memory. It
            copies those that are read-only, not contiguous or do not begin at a multiple of 64 bytes, and what it
            returns for them can be donated to the next call without a copy. No other array ever changes.

        Returns
        -------
        numpy.ndarray or nested tuple of numpy.ndarray
            In HLO's result structure and dtypes.

        Raises
        ------
        SignatureError
            If number, shape or dtype of the arrays do not fit, if `donate` names none of them, or if arrays that are
            donated share memory.

        Warns
        -----
        UserWarning
            If no result can be computed in the memory of an array that is donated.
        """
        numbers: dict[str, int] = {}
        if self._open_sizes is not None:
            numbers = self._open_sizes.of_call([np.asarray(array) for array in arrays])
        checked = check_arguments(self.inputs, arrays)
        if self.in_place or donate != ():
            checked = given_away(self.inputs, self.in_place, arrays, checked, donate)
        passed = tuple(numbers[name] for name in self.signature.sizes)
        results = self.run_flat([passed, *checked] if passed else checked)
        return structured(self.signature.result, iter(within_sizes(self.signature.cuts, results)))

    def export_library(self, path: str | Path) -> None:
        """Write a shared library that TVM's runtime loads without this package or any framework.

        Warns if `host_functions` is not empty: the process that loads the library must have them. HostFunctionError if
        no other process can.
        """
        refuse_to_save(self.host_functions, path)
        if self.host_functions:
            warnings.warn(f"{path} {host_note(self.host_functions)}", stacklevel=2)
        library = self.library.mod if self.executor == "vm" else self.library
        library.export_library(str(path))


def build(
    mod: Any, params: Mapping[str, Any] | None = None, target: Any = None, *, timings: bool = False
) -> Executable:
    """Compile a converted module. Threads that call it at the same time wait for each other.

    Parameters
    ----------
    mod : tvm.IRModule
        From `from_hlo` (also after save and load).
    params : mapping of str to array, optional
        Values for parameters of main by variable or by name (see `signature.Parameter`), bound at compile time.
    target : str or tvm.target.Target, optional
        By default the CPU of this machine, with an ``-mcpu`` that TVM's LLVM knows; on Relax also a GPU, see
        docs/gpu.md.
    timings : bool
        Whether to measure where the time of the build goes, print that and keep it as `Executable.timings`.

    Returns
    -------
    Executable

    Raises
    ------
    ValueError
        If `mod` was not made by `from_hlo`.
    SignatureError
        If a parameter that holds a weight has no value in `params`.
    HostFunctionError
        If it calls TensorFlow in the process that converted it, and this is another one.
    TargetError
        If there is no code for `target`, or the module cannot be compiled for it.
    """
    target = cpu_target() if target is None else target
    refuse_unknown(target)
    signature = signature_of(mod)
    host_functions = report_of(mod).host_functions
    refuse_missing(process_functions(host_functions))
    given = mod_and_params(mod)[1] if params is None else params
    values = {signature.variables.get(name, name): value for name, value in given.items()}
    taken = set(parameter_names(mod))  # fewer once `bind_params_by_name` has run
    bound = [parameter for parameter in signature.parameters if parameter.bound and parameter.variable in taken]
    missing = [parameter.name for parameter in bound if parameter.variable not in values]
    if missing:
        raise SignatureError(f"params has no value for {', '.join(missing)}; pass the params that from_hlo returned")
    use_all_cores()

    with _compiling:
        clock = PassClock() if timings else None
        made = with_deep_stack(lambda: compile_module(mod, values, target, signature, clock))
    parallel = uses_thread_pool(made.library)
    run_flat = run_library(made, signature, parallel)
    found = None if clock is None else clock.timings()
    if found is not None:
        print(found)
    return Executable(
        signature,
        made.executor,
        made.library,
        run_flat,
        host_functions,
        parallel,
        made.in_place,
        made.own,
        found,
        made.device,
    )


def refuse_missing(functions: Sequence[str]) -> None:
    """HostFunctionError if this process has not registered functions that a module calls."""
    import tvm

    missing = [name for name in functions if tvm.get_global_func(name, allow_missing=True) is None]
    if missing:
        raise HostFunctionError(f"the module calls functions of the process that converted it: {', '.join(missing)}")


def use_all_cores() -> None:
    """Let TVM's thread pool have every CPU that the process may use, unless the user has set its size; by itself it
    takes half of them on x86. Without effect once the pool has started."""
    if "TVM_NUM_THREADS" not in os.environ:
        os.environ["TVM_NUM_THREADS"] = str(len(processors()))


def with_deep_stack(function: Callable[[], Result]) -> Result:
    """`function()` in a thread whose stack is deep enough for TVM's recursive passes."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((function(), None))
        except BaseException as error:
            outcome.append((None, error))

    with _starting:
        before = threading.stack_size(BUILD_STACK_BYTES)
        try:
            thread = threading.Thread(target=run, name="tvm-hlo-build")
            thread.start()
        finally:
            threading.stack_size(before)
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def check_arguments(inputs: tuple[Parameter, ...], arrays: tuple[Any, ...]) -> list[np.ndarray]:
    """`arrays` as main takes them, or a SignatureError."""
    if len(arrays) != len(inputs):
        names = ", ".join(parameter.name for parameter in inputs)
        raise SignatureError(f"the module takes {len(inputs)} arrays ({names}), not {len(arrays)}")
    checked = []
    for parameter, value in zip(inputs, arrays):
        array = np.asarray(value, order="C")
        dtype = BY_NAME[parameter.element_type].numpy_dtype
        if array.dtype != dtype or not fits(array.shape, parameter.dimensions):
            wanted = f"{dtype}{list(parameter.dimensions)}"
            raise SignatureError(f"input {parameter.name} takes {wanted}, not {array.dtype}{list(array.shape)}")
        same = parameter.element_type == parameter.carrier
        checked.append(array if same else to_storage(array, parameter.element_type, parameter.carrier))
    return checked


def fits(shape: tuple[int, ...], dimensions: tuple[int | str, ...]) -> bool:
    """Whether a shape has these dimensions; those that are text may have any size."""
    if shape == dimensions:
        return True
    return len(shape) == len(dimensions) and all(isinstance(b, str) or a == b for a, b in zip(shape, dimensions))


def within_sizes(cuts: Sequence[tuple[int, int, int]], arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Arrays without what lies behind the sizes that a call has told; the sizes stay."""
    if not cuts:
        return arrays
    within = list(arrays)
    for array, dimension, size in cuts:
        whole = (slice(None),) * dimension
        within[array] = np.ascontiguousarray(within[array][(*whole, slice(int(arrays[size])))])
    return within


def structured(tree: Any, arrays: Iterator[np.ndarray]) -> Any:
    """Arrays in HLO's dtypes and the structure of a result tree of the signature."""
    if isinstance(tree, dict):
        return tuple([structured(part, arrays) for part in tree["tuple"]])
    return None if tree[0] == "token" else from_storage(next(arrays), tree[0])
