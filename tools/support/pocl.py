"""PoCL, which runs OpenCL on the CPU, as the device ``opencl`` of a TVM that has no runtime for it.

TVM's own executors and host code run: device memory is memory of the host, which PoCL's kernels take as it is, and a
kernel's launch goes to PoCL by way of pyopencl.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyopencl
import tvm
from tvm import te

try:
    from tvm_ffi import register_global_func as register
    from tvm_ffi.registry import remove_global_func as remove

    # what TVM's code generator asks for a module of kernels
    HOOK = "ffi.Module.create.opencl"
except ImportError:  # TVM 0.17, whose code generator is asked
    from tvm import register_func as register
    from tvm._ffi.registry import remove_global_func as remove

    HOOK = "target.build.opencl"

DEVICE_API = "device_api.opencl"


class Pocl:
    """Kernels of modules that were built while `opened`.

    Parameters
    ----------
    lacking : sequence of str
        Extensions of OpenCL that its compiler is to lack.

    Attributes
    ----------
    sources : list of str
        What was compiled, a text for each module.
    launches : list of (str, dict of str to int)
        Every launch until now: the kernel, and the extents of blocks and threads.
    """

    def __init__(self, lacking: Sequence[str] = ()) -> None:
        self._lacking = "".join(f"#undef {each}\n" for each in lacking)
        self.sources: list[str] = []
        self.launches: list[tuple[str, dict[str, int]]] = []
        self._context, self._queue = device()

    @contextlib.contextmanager
    def opened(self) -> Iterator[Pocl]:
        """While this is open, `build` for opencl makes Executables that run on PoCL, one at a time: names of kernels
        belong to the process."""
        before = tvm.get_global_func(HOOK, allow_missing=True)
        register(HOOK, self._created if "create" in HOOK else functools.partial(self._built, before), override=True)
        try:
            yield self
        finally:
            remove(HOOK)
            if before is not None:
                register(HOOK, before)

    def _created(self, data: Any, kind: str, kernels: Any, sources: Any) -> Any:
        """The module of kernels that today's TVM has generated."""
        text = data if isinstance(data, str) else bytes(data).decode()
        return self._module(text, [(name, each.arg_types, each.launch_param_tags) for name, each in kernels.items()])

    def _built(self, build: Callable[..., Any], mod: Any, target: Any) -> Any:
        """The module of kernels that TVM 0.17 generates."""
        functions = mod.functions.values()
        return self._module(
            build(mod, target).get_source(),
            [
                (each.attrs["global_symbol"], [x.dtype for x in each.params], each.attrs["tir.kernel_launch_params"])
                for each in functions
            ],
        )

    def _module(self, text: str, kernels: Iterable[tuple[Any, Any, Any]]) -> Any:
        """A module of kernels, each with the types of its parameters and the names of its extents. It has none, so the
        host's code looks for them among the functions of the process."""
        self.sources.append(text)
        program = functools.cache(lambda: pyopencl.Program(self._context, self._lacking + text).build())
        for name, types, tags in kernels:
            launch = functools.partial(self._launch, program, str(name), list(map(str, types)), list(map(str, tags)))
            register(str(name), launch, override=True)
        return empty_module()

    def _launch(self, program: Any, name: str, types: list[str], tags: list[str], *arguments: Any) -> None:
        kernel = pyopencl.Kernel(program(), name)
        for number, (kind, value) in enumerate(zip(types, arguments)):
            kernel.set_arg(number, memory(value) if kind == "handle" else np.dtype(kind).type(value))
        extents = dict(zip(tags, map(int, arguments[len(types) :])))
        self.launches.append((name, extents))
        threads = [extents.get(f"threadIdx.{axis}", 1) for axis in "xyz"]
        total = [extents.get(f"blockIdx.{axis}", 1) * count for axis, count in zip("xyz", threads)]
        pyopencl.enqueue_nd_range_kernel(self._queue, kernel, total, threads)
        self._queue.finish()


@functools.cache
def device() -> tuple[Any, Any]:
    """Context and queue of PoCL; TVM takes memory of the host for that of the device from now on."""
    found = [each for each in pyopencl.get_platforms() if "Portable Computing Language" in each.name]
    if not found:
        raise ImportError("pyopencl finds no PoCL: pip install -e '.[pocl]'")
    context = pyopencl.Context(found[0].get_devices()[:1])
    register(DEVICE_API, tvm.get_global_func("device_api.cpu"), override=True)
    return context, pyopencl.CommandQueue(context)


@functools.cache
def empty_module() -> Any:
    """A module in which no kernel is found."""
    x = te.placeholder((1,), "float32")
    function = te.create_prim_func([x, te.compute((1,), lambda i: x[i])]).with_attr("global_symbol", "hlo_nothing")
    mod = tvm.IRModule({"hlo_nothing": function})
    with tvm.transform.PassContext():  # not with the passes of the build that asks for it
        return tvm.compile(mod, target="llvm").mod if hasattr(tvm, "compile") else tvm.build(mod, target="llvm")


def memory(address: Any) -> Any:
    """Memory of the host that begins at an address, for a kernel; arrays without elements have none."""
    if not address.value:
        return None
    return pyopencl.SVM(np.ctypeslib.as_array((ctypes.c_uint8 * 1).from_address(address.value)))
