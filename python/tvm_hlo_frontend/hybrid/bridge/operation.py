"""The TensorFlow operation `TvmCluster`, which runs libraries that Relax exported: compiled once on a machine, loaded
once in a process."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ...errors import HloFrontendError

SOURCE = Path(__file__).with_name("tvm_cluster.cc")
INCLUDED = (Path(__file__).with_name("tvm_runtime.h"),)
COMPILERS = ("g++", "c++", "clang++")
# in the order in which they need each other; the last ones only where a TVM has them
RUNTIME = (("tvm_ffi", "lib/libtvm_ffi.so"), ("tvm", "lib/libtvm_runtime.so"))
OPTIONAL_RUNTIME = (("tvm", "lib/libtvm_runtime_extra.so"),)

CACHE = "$TVM_HLO_FRONTEND_CACHE or ~/.cache/tvm_hlo_frontend"

_loading = threading.Lock()


class OperationError(HloFrontendError):
    """The operation cannot be compiled or loaded on this machine."""


class CompilerMissingError(OperationError):
    """There is no C++ compiler that could compile the operation."""


def load_operation() -> Any:
    """Module of TensorFlow that has the operation as ``tvm_cluster``; its gradient is registered then, too.

    Raises
    ------
    OperationError
        If it cannot be compiled or loaded.
    """
    with _loading:
        return _loaded()


def tvm_cluster(
    inputs: Sequence[Any],
    library: str | os.PathLike[str],
    output_types: Sequence[Any],
    output_shapes: Sequence[Any] = (),
    cuts: Sequence[tuple[int, int, int]] = (),
    sizes: bool = False,
    label: str = "",
) -> list[Any]:
    """Outputs of a library for tensors.

    Parameters
    ----------
    inputs : sequence of tensor
        In main's order.
    library : str or path
        What `Executable.export_library` wrote.
    output_types, output_shapes : sequence of tf.DType, sequence of tf.TensorShape
        Of the results without the sizes of cuts; without shapes none is known.
    cuts : sequence of (int, int, int)
        `Signature.cuts`.
    sizes : bool
        Whether the first of `inputs` is a vector of int64 with the values of `Signature.sizes`.
    label : str
        For messages.
    """
    return load_operation().tvm_cluster(
        inputs=inputs,
        library=os.path.abspath(library),
        Tout=output_types,
        output_shapes=list(output_shapes),
        cuts=[number for cut in cuts for number in cut],
        sizes=sizes,
        label=label,
    )


@functools.cache
def tvm_libraries() -> tuple[str, ...]:
    """Paths of TVM's shared libraries that the operation needs; they are looked up without an import of TVM.

    Raises
    ------
    OperationError
        If there is no TVM with Relax.
    """
    needed = [_package_file(package, file) for package, file in RUNTIME]
    missing = [str(path) for path in needed if not path.is_file()]
    if missing:
        raise OperationError(f"there is no {', '.join(missing)}: TvmCluster runs what TVM 0.27 compiles")
    optional = [_package_file(package, file) for package, file in OPTIONAL_RUNTIME]
    return tuple(str(path) for path in (*needed, *(path for path in optional if path.is_file())))


def compiled_operation() -> Path:
    """Path of the compiled operation, for this TensorFlow and this TVM; compiles it if that has not been done.

    Raises
    ------
    CompilerMissingError
        If it has to be compiled and there is no compiler.
    OperationError
        If the compiler fails; the message has what it said.
    """
    import tensorflow as tf

    flags = [
        *("-O2", "-w", "-fPIC", "-shared", "-Wl,--no-undefined", f"-I{_package_file('tvm_ffi', 'include')}"),
        f"-DTVM_RUNTIME={','.join(map(json.dumps, tvm_libraries()))}",
        *tf.sysconfig.get_compile_flags(),
    ]
    links = tf.sysconfig.get_link_flags()
    libraries = [Path(path).stat() for path in tvm_libraries()]
    versions = [tf.__version__, *(f"{each.st_size} {each.st_mtime_ns}" for each in libraries)]
    texts = [file.read_text() for file in (SOURCE, *INCLUDED)]
    key = hashlib.sha256("\0".join((*texts, *versions, *flags, *links)).encode())
    try:
        path = cache_directory() / f"tvm_cluster-{key.hexdigest()[:16]}.so"
        if not path.exists():
            _compile(path, flags, links)
    except (OSError, RuntimeError) as error:  # no folder can be made there, or there is no home
        raise OperationError(f"the operation cannot be kept in {CACHE}: {error}") from error
    return path


def cache_directory() -> Path:
    """Where compiled operations are: ``$TVM_HLO_FRONTEND_CACHE`` or ``~/.cache/tvm_hlo_frontend``."""
    given = os.environ.get("TVM_HLO_FRONTEND_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "tvm_hlo_frontend"


def compiler() -> str:
    """The C++ compiler: ``$CXX`` or the first of `COMPILERS` that is there.

    Raises
    ------
    CompilerMissingError
        If there is none.
    """
    given = os.environ.get("CXX")
    wanted = (given,) if given else COMPILERS
    for name in wanted:
        found = shutil.which(name)
        if found:
            return found
    raise CompilerMissingError(
        f"there is no C++ compiler ({', '.join(wanted)}), which TvmCluster needs once on a machine: install one or set "
        "CXX, or set TVM_HLO_FRONTEND_CACHE to where it has been compiled for the same packages at the same place"
    )


def _compile(path: Path, flags: Sequence[str], links: Sequence[str]) -> None:
    """Compile to a name of its own, then rename: other processes may do the same."""
    command = compiler()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tvm_cluster-", dir=path.parent) as folder:
        made = os.path.join(folder, path.name)
        done = subprocess.run(
            [command, *flags, str(SOURCE), "-o", made, *links, "-ldl"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise OperationError(f"{command} cannot compile {SOURCE}:\n{done.stderr[-4000:]}")
        os.replace(made, path)


@functools.cache
def _loaded() -> Any:
    import tensorflow as tf

    path = compiled_operation()
    try:
        operations = tf.load_op_library(str(path))
    except (tf.errors.OpError, RuntimeError) as error:
        raise OperationError(f"TensorFlow cannot load {path}: {error}") from error
    tf.RegisterGradient("TvmCluster")(_no_gradient)
    return operations


def _no_gradient(operation: Any, *gradients: Any) -> NoReturn:
    """What TensorFlow calls for the gradient of a cluster."""
    label = operation.get_attr("label")
    name = label.decode() if isinstance(label, bytes) else label
    raise LookupError(
        f"a TvmCluster{' ' + name if name else ''} was compiled for inference and has no gradient; take that of the "
        "function which it was made from"
    )


def _package_file(package: str, file: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise OperationError(f"there is no package {package}: TvmCluster runs what TVM 0.27 compiles")
    return Path(spec.submodule_search_locations[0], file)
