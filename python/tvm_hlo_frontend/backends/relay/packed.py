"""Calls of TVM's packed functions whose arguments are converted once: TVM's Python does that at every call, which takes
longer than a small program."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import tvm
from tvm._ffi.base import _LIB, raise_last_ffi_error
from tvm._ffi.runtime_ctypes import ArgTypeCode, TVMArray, TVMArrayHandle


class PreparedCall:
    """A packed function with its arguments, which one thread at a time calls.

    Parameters
    ----------
    function : tvm.runtime.PackedFunc
    *arguments : int, str or TVMArray
    """

    def __init__(self, function: Any, *arguments: Any) -> None:
        count = len(arguments)
        values, codes, texts = (ctypes.c_int64 * count)(), (ctypes.c_int * count)(), []
        for place, each in enumerate(arguments):
            if isinstance(each, str):
                texts.append(ctypes.create_string_buffer(each.encode()))
                values[place], codes[place] = ctypes.addressof(texts[-1]), ArgTypeCode.STR
            elif isinstance(each, TVMArray):
                values[place], codes[place] = ctypes.addressof(each), ArgTypeCode.DLTENSOR_HANDLE
            else:
                values[place], codes[place] = each, ArgTypeCode.INT
        self._result = ctypes.c_void_p()
        self._code = ctypes.c_int()
        self._given = (
            *(function.handle, values, codes, ctypes.c_int(count)),
            *(ctypes.byref(self._result), ctypes.byref(self._code)),
        )
        self._held = (function, texts, arguments)
        self._call = _LIB.TVMFuncCall

    def __call__(self) -> int | None:
        """Call it; what it returns as a handle, if that is one. Raises what the function raised."""
        if self._call(*self._given) != 0:
            raise_last_ffi_error()
        return self._result.value


class Binding:
    """A function of an executor that binds one of its arrays to memory.

    Parameters
    ----------
    function : tvm.runtime.PackedFunc
    which : int or str
        Its first argument.
    like : numpy.ndarray
        An array of the dimensions and the type that it takes.
    """

    def __init__(self, function: Any, which: int | str, like: np.ndarray) -> None:
        self._array, self._shape = tvm.nd.numpyasarray(like)
        self._call = PreparedCall(function, which, self._array)

    def to(self, address: int) -> None:
        """Bind it to the memory there."""
        self._array.data = address
        self._call()


class ArrayResult:
    """The array that a function without a state of its own returns, of the same dimensions at every call.

    Parameters
    ----------
    call : PreparedCall
    like : numpy.ndarray
        An array of those dimensions and that type.
    """

    def __init__(self, call: PreparedCall, like: np.ndarray) -> None:
        self._call = call
        self._shape, self._dtype = like.shape, like.dtype
        self._bytes = ctypes.c_char * like.nbytes

    def copied(self) -> np.ndarray:
        """Call it; a copy of the array."""
        handle = ctypes.cast(ctypes.c_void_p(self._call()), TVMArrayHandle)
        try:
            held = handle.contents
            buffer: Any = self._bytes.from_address((held.data or 0) + held.byte_offset)
            return np.ndarray(self._shape, self._dtype, buffer).copy()
        finally:
            _LIB.TVMArrayFree(handle)
