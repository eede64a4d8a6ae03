"""How the repackaged TVM finds and loads its library; becomes ``tvm/_ffi/repackaged.py``."""

import ctypes
import os
import re
import sys

_PACKAGE_DIR = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def library_path():
    """Return the path of the libtvm.so of this package; no variable redirects it."""
    return os.path.join(_PACKAGE_DIR, "libtvm.so")


def other_tvm():
    """Name what has already brought another TVM into this process, or return None."""
    if "tvm_ffi" in sys.modules:
        return "the module tvm_ffi (TVM 0.20 or later)"
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            paths = {line.split(None, 5)[5].strip() for line in maps if "/libtvm" in line}
    except OSError:
        return None
    for path in sorted(paths):
        folder, name = os.path.split(path)
        is_tvm = re.match(r"libtvm(_ffi|_runtime|_compiler)?\.so", name)
        if is_tvm and os.path.realpath(folder) != _PACKAGE_DIR:
            return path
    return None


def load(path):
    """Load libtvm.so, invisible to the other libraries of the process.

    Parameters
    ----------
    path : str
        The library.

    Returns
    -------
    ctypes.CDLL
        The loaded library.

    Raises
    ------
    ImportError
        If the process holds another TVM (C++ would abort) or a system library is missing.
    """
    other = other_tvm()
    if other is not None:
        raise ImportError(
            f"cannot load the TVM with Relay ({_PACKAGE_DIR}): this process already holds another "
            f"TVM, {other}, and a process can hold only one TVM. Use each in a process of its own, "
            "or, if only tvm_ffi is wanted besides, import tvm before it."
        )
    # Generated code for a target without F16C calls these conversions by their global names.
    ctypes.CDLL(os.path.join(_PACKAGE_DIR, "libtvm_fp16.so"), ctypes.RTLD_GLOBAL)
    try:
        # Not RTLD_GLOBAL: the LLVM symbols inside would clash with those of TensorFlow.
        return ctypes.CDLL(path, ctypes.RTLD_LOCAL)
    except OSError as error:
        raise ImportError(
            f"cannot load {path}: {error}. It needs libz.so.1, libtinfo.so.6 and libstdc++.so.6 of "
            "the system, and a glibc no older than that of the machine the wheel was built on."
        ) from error


def fp16_archive(triple):
    """Return what to link into a library so that its fp16 conversions are those of LLVM 10.

    The ``__truncdfhf2`` of a newer libgcc returns its result in another register.

    Parameters
    ----------
    triple : str or None
        The target of the compiler; the archive holds x86-64 code only.
    """
    if triple is None or not re.match(r"x86_64-.*linux", triple):
        return []
    return [os.path.join(_PACKAGE_DIR, "libtvm_fp16.a")]
