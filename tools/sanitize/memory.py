"""Memory for the buffers of kernels, whose ends are watched.

Compiled code takes aligned beginnings for granted, so where the end of an array touches a page that cannot be read up
to 63 bytes lie between; they hold a pattern, which must be there afterwards. AddressSanitizer watches each byte.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from tvm_hlo_frontend.backends.arguments import ALIGNMENT

PATTERN = 0xA5
_NOTHING_ALLOWED, _READ_AND_WRITE = 0, 3
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.posix_memalign.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t, ctypes.c_size_t]
_libc.free.argtypes = [ctypes.c_void_p]


class OverwrittenError(Exception):
    """What lies between an array and its guard has changed."""


class GuardPages:
    """Blocks that touch a page which cannot be read or written.

    Parameters
    ----------
    at_end : bool
        Whether it is the end of a block that touches it, else its beginning.
    """

    def __init__(self, at_end: bool) -> None:
        self._at_end = at_end
        self._blocks: dict[int, tuple[int, int, int]] = {}  # address: whole mapping, its size, bytes of the block

    def allocate(self, count: int) -> int:
        """Address of a new block of `count` bytes."""
        page = mmap.PAGESIZE
        rounded = max(1, -(-count // ALIGNMENT)) * ALIGNMENT
        inner = -(-rounded // page) * page
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        whole = _libc.mmap(None, inner + 2 * page, _READ_AND_WRITE, flags, -1, 0)
        if whole in (None, ctypes.c_void_p(-1).value):
            raise MemoryError(f"{inner + 2 * page} bytes cannot be mapped")
        ctypes.memset(whole + page, PATTERN, inner)
        for guard in (whole, whole + page + inner):
            if _libc.mprotect(guard, page, _NOTHING_ALLOWED):
                raise OSError(ctypes.get_errno(), "mprotect")
        address = whole + page + (inner - rounded if self._at_end else 0)
        self._blocks[address] = whole, inner, count
        return address

    def free(self, address: int) -> None:
        """Give a block back; OverwrittenError if what surrounds it has changed."""
        whole, inner, count = self._blocks.pop(address)
        page = mmap.PAGESIZE
        before = ctypes.string_at(whole + page, address - whole - page)
        after = ctypes.string_at(address + count, whole + page + inner - address - count)
        _libc.munmap(whole, inner + 2 * page)
        for name, found in (("before", before), ("behind", after)):
            if found.strip(bytes([PATTERN])):
                raise OverwrittenError(f"bytes {name} an array of {count} bytes were written")


class ExactBlocks:
    """Blocks of the C library's allocator, which AddressSanitizer surrounds with zones that it watches."""

    def allocate(self, count: int) -> int:
        """Address of a new block of `count` bytes."""
        address = ctypes.c_void_p()
        if _libc.posix_memalign(ctypes.byref(address), ALIGNMENT, max(count, 1)):
            raise MemoryError(f"no {count} bytes")
        ctypes.memset(address.value, PATTERN, count)
        return int(address.value or 0)

    def free(self, address: int) -> None:
        """Give a block back."""
        _libc.free(address)


Blocks = GuardPages | ExactBlocks


@contextmanager
def placed(blocks: Blocks, arrays: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Copies of arrays in blocks of their own, whose contents the arrays have afterwards; arrays on the same memory
    stay so."""
    addresses: dict[tuple[int, int], int] = {}
    copies = []
    for array in arrays:
        key = array.ctypes.data, array.nbytes
        if key not in addresses or not array.nbytes:
            addresses[key] = blocks.allocate(array.nbytes)
        buffer = (ctypes.c_char * array.nbytes).from_address(addresses[key])
        copy = np.ndarray(array.shape, array.dtype, buffer)
        np.copyto(copy, array, casting="no")
        copies.append(copy)
    yield copies
    for array, copy in zip(arrays, copies):
        np.copyto(array, copy, casting="no")
    for address in addresses.values():
        blocks.free(address)
