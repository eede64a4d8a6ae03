"""Programs that are built for devices, as both TVMs have them."""

from __future__ import annotations

import tvm

from tests.support.dialect_marks import DIALECT
from tvm_hlo_frontend.tensor_ir.compat import tir

# programs of `tests.support.programs` with f16, which Relay has for CPUs alone
OF_HALF = ("f16", "a loop over f16")
Tensor = tvm.runtime.Tensor if DIALECT == "relax" else tvm.nd.NDArray


def device_code(executable):
    """The text of all kernels of an Executable."""
    if DIALECT == "relax":
        (host,) = executable.library.mod.imports
        return "".join(device.inspect_source() for device in host.imports)
    library = executable.library
    host = library.lib if executable.executor == "vm" else library.get_lib()
    return "".join(device.get_source() for device in host.imported_modules)


def tensor(array, kind="cpu"):
    """One of TVM's arrays on a device."""
    device = tvm.device(kind)
    return tvm.runtime.tensor(array, device) if DIALECT == "relax" else tvm.nd.array(array, device)


def address_of(array):
    """Where one of TVM's arrays begins."""
    return array.data_ptr() if DIALECT == "relax" else array.handle.contents.data


def function_of(statement, *buffers):
    """A PrimFunc of buffers."""
    if DIALECT == "relax":
        return tir.PrimFunc(list(buffers), statement)
    handles = [tir.Var(buffer.name, "handle") for buffer in buffers]
    return tir.PrimFunc(handles, statement, None, dict(zip(handles, buffers)))
