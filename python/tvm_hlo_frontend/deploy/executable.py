"""build(mod, params, target) -> Executable: the right executor behind one call. Adds comfort and speed; exactness is
in the emitted IR."""

from __future__ import annotations

import functools
import os
import shutil
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..backends.base import Compiled, InPlace, RunBorrowed, RunFlat
from ..backends.executors import processors
from ..backends.select import compile_module, mod_and_params, parameter_names, run_borrowed, run_library
from ..backends.signature import Parameter, Signature, signature_of
from ..backends.thread_pool import uses_thread_pool
from ..backends.timings import BuildTimings, PassClock
from ..convert.report import host_note, process_functions, refuse_to_save, report_of
from ..errors import HloParseError, HostFunctionError, SignatureError, TargetError
from ..hlo.ir.shape import BY_NAME, array_shape
from ..hlo.ir.storage import from_storage, storage_shape, to_storage
from .build_cache import BuildCache, cache_of
from .cache_key import key_of
from .donation import Donated, given_away
from .library_files import LibraryFacts, export, read_library, write_facts
from .open_sizes import OpenSizes, sizes_of_signature
from .targets import cpu_target, refuse_unknown
from .whole_files import written_whole

# TVM's passes recurse on the depth of the graph; a chain of 20,000 operators needs about 400 MB
BUILD_STACK_BYTES = 1 << 30
# DLPack's number of memory of the host
OF_CPU = 1
# TVM's compiler has state of the process: autotvm's context, options of LLVM
_compiling = threading.Lock()
# by library in a cache: one that is loaded twice is one to the system, but not to TVM; changed while `_compiling`
_loaded: weakref.WeakValueDictionary[Path, Executable] = weakref.WeakValueDictionary()
# the stack size of new threads belongs to the process
_starting = threading.Lock()
# the ends of builds whose callers were interrupted, which go on until TVM comes back
_left_alone: list[threading.Event] = []

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
        What `relay.build`, `relay.vm.compile` or `tvm.compile` returned, or what was loaded from a file.
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
    file : pathlib.Path or None
        What the library was loaded from, of a cache or by `load_library`.
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
    file: Path | None = None
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

    def on_device(self, *arrays: Any) -> Any:
        """Run once on a device, and leave the results there.

        Parameters
        ----------
        *arrays : tvm.runtime.Tensor, DLPack array or array_like
            One per entry of `inputs`. What is on the device is taken as it is, with the carrier as its dtype (see
            `Parameter`) and, of complex numbers, a last dimension of 2; other arrays are as for a call, and copied
            there. None of them changes.

        Returns
        -------
        tvm.runtime.Tensor or nested tuple of tvm.runtime.Tensor
            In HLO's result structure, as main has them: bf16 as words of 16 bits, complex numbers as pairs.

        Raises
        ------
        SignatureError
            If number, shape or dtype of the arrays do not fit.
        TargetError
            If the program is one for a CPU, or an array is on another device.
        """
        if self.device == "cpu":
            raise TargetError("the program is compiled for a CPU; build with target= for a device")
        results = self._run_kept(check_placed(self.inputs, arrays))
        return structured(self.signature.result, iter(results), lambda tensor, element_type: tensor)

    @functools.cached_property
    def _run_kept(self) -> RunBorrowed:
        return run_of_arrays(self)

    def export_library(self, path: str | Path) -> None:
        """Write a shared library that TVM's runtime loads without this package or any framework; a library that was
        loaded from a file is copied.

        Warns if `host_functions` is not empty: the process that loads the library must have them. HostFunctionError if
        no other process can. ValueError if a library from a file shall get another suffix.
        """
        tell_of_export(self, Path(path))
        with written_whole(Path(path)) as made:
            write_code(self, made)


def build(
    mod: Any,
    params: Mapping[str, Any] | None = None,
    target: Any = None,
    *,
    timings: bool = False,
    cache: str | Path | BuildCache | bool | None = None,
) -> Executable:
    """Compile a converted module. Threads that call it at the same time wait for each other.

    Parameters
    ----------
    mod : tvm.IRModule
        From `from_hlo` (also after save and load).
    params : mapping of str to array, optional
        Values for parameters of main by variable or by name (see `signature.Parameter`), bound at compile time.
    target : str or tvm.target.Target, optional
        By default the CPU of this machine, with an ``-mcpu`` that TVM's LLVM knows; also a GPU, see
        docs/gpu.md.
    timings : bool
        Whether to measure where the time of the build goes, print that and keep it as `Executable.timings`.
    cache : str, pathlib.Path, BuildCache or False, optional
        A directory of what was compiled before, in this process or another: what is there is loaded, and what is not is
        kept there. By default that of the environment variable ``TVM_HLO_FRONTEND_BUILD_CACHE``, and none if it is not
        set or `cache` is False. Programs for other machines are not kept.

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
    PermissionError
        If others can write the directory of the cache: what is there is code.
    TargetError
        If there is no code for `target`, or the module cannot be compiled for it.
    """
    target = cpu_target() if target is None else target
    refuse_unknown(target)
    signature, kept = signature_of(mod), cache_of(cache)
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
        wait_for_builds()
        clock = PassClock() if timings else None

        def compiled() -> Executable:
            made = with_deep_stack(lambda: compile_module(mod, values, target, signature, clock))
            return executable_of(signature, made, host_functions, uses_thread_pool(made.library))

        if kept is None or process_functions(host_functions):
            executable = compiled()
        else:
            key = with_deep_stack(lambda: key_of(mod, values, target))
            executable = compiled() if key is None else cached(kept, key, compiled)
    if clock is None:
        return executable
    found = clock.timings()
    print(found)
    return replace(executable, timings=found)


def cached(kept: BuildCache, key: str, compiled: Callable[[], Executable]) -> Executable:
    """The program of a key from a cache; else what `compiled` makes, as the cache has kept it."""
    made, file = None, kept.found(key)
    if file is None:
        made = compiled()
        file = kept.store(key, functools.partial(write_library, made))
    try:
        return (made or compiled()) if file is None else loaded(file)
    except HloParseError:  # another process has just removed it
        return made or compiled()


def executable_of(signature: Signature, made: Compiled, host_functions: tuple[str, ...], parallel: bool) -> Executable:
    """What calls a compiled module."""
    run_flat = run_library(made, signature, parallel)
    return Executable(
        signature,
        made.executor,
        made.library,
        run_flat,
        host_functions,
        parallel,
        made.in_place,
        made.own,
        device=made.device,
    )


def run_of_arrays(executable: Executable) -> RunBorrowed:
    """What runs it on arrays as main takes them, of its device or of other frameworks, and leaves results where main
    makes them."""
    compiled = Compiled(executable.executor, executable.library, own=executable.own, device=executable.device)
    return run_borrowed(compiled, executable.signature, executable.parallel)


def tell_of_export(executable: Executable, path: Path) -> None:
    """What `Executable.export_library` warns of and refuses."""
    functions, file = executable.host_functions, executable.file
    refuse_to_save(functions, path)
    if functions:
        warnings.warn(f"{path} {host_note(functions)}", stacklevel=3)
    if file is not None and file.suffix != path.suffix:
        raise ValueError(f"{file} cannot become {path}: a library from a file keeps its suffix")


def write_code(executable: Executable, path: Path) -> None:
    """Write the library alone, in place."""
    if executable.file is None:
        export(executable.executor, executable.library, path)
    else:
        shutil.copyfile(executable.file, path)


def facts_of(executable: Executable) -> LibraryFacts:
    """What is written beside its library."""
    return LibraryFacts(
        executable.signature,
        executable.executor,
        executable.host_functions,
        executable.parallel,
        executable.in_place,
        executable.own,
        executable.device,
    )


def write_library(executable: Executable, path: Path) -> None:
    """Write a library and the JSON file beside it."""
    export(executable.executor, executable.library, path)
    write_facts(facts_of(executable), path, {})


def load_executable(path: Path) -> Executable:
    """What was written; HloParseError if a file is missing or something else."""
    facts, made = read_library(path)
    use_all_cores()
    return replace(executable_of(facts.signature, made, facts.host_functions, facts.parallel), file=path)


def loaded(file: Path) -> Executable:
    """`load_executable`, once while it is in use."""
    found = _loaded.get(file)
    if found is None:
        found = _loaded[file] = load_executable(file)
    return found


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


def wait_for_builds() -> None:
    """Until the builds of interrupted callers have ended; the caller holds `_compiling`."""
    while _left_alone:
        _left_alone[0].wait()
        del _left_alone[0]


def after_fork() -> None:
    """In the child no other thread compiles."""
    global _compiling, _starting
    _compiling, _starting = threading.Lock(), threading.Lock()
    _left_alone.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork)


def with_deep_stack(function: Callable[[], Result]) -> Result:
    """`function()` in a thread whose stack is deep enough for TVM's recursive passes. Where the caller is interrupted
    it goes on alone: TVM cannot be stopped.

    Raises
    ------
    MemoryError
        If there is no memory for the stack.
    """
    outcome: list[Any] = []
    ended = threading.Event()  # Python takes a thread for stopped whose `join` was interrupted
    turn = [function]  # the thread takes it, or the caller that is interrupted before

    def run() -> None:
        try:
            outcome.append((turn.pop()(), None))
        except BaseException as error:
            outcome.append((None, error))
        finally:
            ended.set()

    thread = threading.Thread(target=run, name="tvm-hlo-build")
    try:
        start_with_deep_stack(thread)
        ended.wait()
    except BaseException:
        try:
            turn.pop()
        except IndexError:
            _left_alone.append(ended)
        raise
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def start_with_deep_stack(thread: threading.Thread) -> None:
    """Start a thread with a deep stack; MemoryError if there is no memory for it."""
    with _starting:
        before = threading.stack_size(BUILD_STACK_BYTES)
        try:
            thread.start()
        except RuntimeError as refused:
            raise MemoryError(
                f"no thread with a stack of {BUILD_STACK_BYTES >> 20} MiB to compile in: {refused}"
            ) from refused
        finally:
            threading.stack_size(before)


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


def check_placed(inputs: tuple[Parameter, ...], arrays: tuple[Any, ...]) -> list[Any]:
    """`arrays` as main takes them, those of a device as they are, or a SignatureError."""
    if len(arrays) != len(inputs):
        return check_arguments(inputs, arrays)
    kept: list[Any] = []
    for parameter, array in zip(inputs, arrays):
        if not is_of_device(array):
            kept += check_arguments((parameter,), (array,))
            continue
        own = array_shape(parameter.element_type, [int(size) for size in parameter.dimensions])
        wanted = own if parameter.element_type == parameter.carrier else storage_shape(own, {parameter.element_type})
        if str(array.dtype).rpartition(".")[2] != str(wanted.numpy_dtype) or tuple(array.shape) != wanted.sizes:
            raise SignatureError(
                f"input {parameter.name} takes {wanted.numpy_dtype}{list(wanted.sizes)} on a device, not "
                f"{array.dtype}{list(array.shape)}"
            )
        kept.append(array)
    return kept


def is_of_device(array: Any) -> bool:
    """Whether an array is one of TVM's, or of memory that is no CPU's."""
    if not hasattr(array, "__dlpack_device__"):
        return False
    return not hasattr(array, "__array__") or array.__dlpack_device__()[0] != OF_CPU


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


def structured(tree: Any, arrays: Iterator[Any], own: Callable[[Any, str], Any] = from_storage) -> Any:
    """Arrays in the structure of a result tree of the signature, each as ``own(array, element_type)``: in HLO's
    dtypes."""
    if isinstance(tree, dict):
        return tuple([structured(part, arrays, own) for part in tree["tuple"]])
    return None if tree[0] == "token" else own(next(arrays), tree[0])
