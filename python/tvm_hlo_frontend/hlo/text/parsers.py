"""HLO text and MLIR to the bytes of a proto, by jaxlib in a process of its own: its parsers end the whole process on
some wrong inputs."""

from __future__ import annotations

import contextlib
import importlib
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

from ...errors import HloParseError, UnknownDimensionsError
from ..proto.newer_xla import (
    artifact_version,
    installed_stablehlo,
    mlir_hint,
    older_artifact,
    older_text,
    text_hint,
)
from .older_stablehlo import with_lists
from .unknown_dimensions import unknown_dimensions

_ELIDED_CONSTANT = re.compile(r"constant\(\{\s*\.\.\.\s*\}\)")
# MLIR prints large constants as dense_resource<__elided__> when told to, and parses that
_ELIDED_ATTRIBUTE = b"dense_resource<__elided__>"
# what a process that ends itself writes beside the reason
_NOISE = ("@", "***", "WARNING: All log messages")

# the program that lowers quantized types, and how it begins to say why it does not
_QUANTIZED = Path(__file__).with_name("quantized_script.py")
QUANTIZED_REFUSAL = "the module is quantized"

# the program that reads modules with unknown dimensions
_DYNAMIC = Path(__file__).with_name("dynamic_script.py")

# the program that parses portable artifacts and writes them anew
_ARTIFACT = Path(__file__).with_name("artifact_script.py")

# of a processor, for a module of a few lines and for larger ones: some broken modules keep the parsers at it for ever
PARSER_SECONDS, BYTES_PER_SECOND = 8, 50_000

# status of a process that refuses the input with an exception, whose text it writes
REFUSED = 3
_TEXT_TO_HLO = f"""
import importlib, sys
parse = importlib.import_module(sys.argv[1]).hlo_module_from_text
try:
    data = parse(sys.stdin.buffer.read().decode()).as_serialized_hlo_module_proto()
except Exception as error:
    sys.stdout.write(str(error))
    sys.exit({REFUSED})
sys.stdout.buffer.write(data)
"""

# Shapes inside the module may be open although main's are static: XLA's refinement infers them. It also inlines, so it
# only runs where it is needed.
_MLIR_TO_HLO = """
import importlib, re, sys
xla = importlib.import_module(sys.argv[1]).mlir
data = sys.stdin.buffer.read()
if not data.startswith(b"ML\\xefR"):
    data = data.decode()

def lower(module):
    return xla.mlir_module_to_xla_computation(module, use_tuple_args=False, return_tuple=False)

def refined():
    return lower(xla.refine_polymorphic_shapes(data if isinstance(data, bytes) else data.encode()))

def attempt(function, *arguments):
    try:
        return function(*arguments), ""
    except Exception as error:
        return None, str(error)

hlo, reason = attempt(refined) if sys.argv[2] == "refine" else attempt(lower, data)
if sys.argv[2] != "refine" and (hlo is None or re.search(r"\\[(\\d+,)*\\?", hlo.as_hlo_text())):
    hlo = attempt(refined)[0] or hlo
if hlo is None:
    sys.stdout.write(reason)
    sys.exit(int(sys.argv[3]))
sys.stdout.buffer.write(hlo.as_serialized_hlo_module_proto())
"""


def hlo_from_text(text: str) -> bytes:
    """Serialized HloModuleProto of HLO text.

    Raises
    ------
    HloParseError
        If the text elides constants, is no HLO, or there is no jaxlib.
    """
    if _ELIDED_CONSTANT.search(text):
        # jaxlib's parser accepts them and fills in numbers of its own
        raise HloParseError(
            "the HLO text elides constants as constant({...}); print it with large constants "
            "(as_hlo_text(print_large_constants=True)) or use the serialized proto"
        )
    names = ("jaxlib._hlo", "jaxlib.xla_extension")  # current and older jaxlib
    parser = _module_with("hlo_module_from_text", names, "HLO text")
    try:
        return _run(_TEXT_TO_HLO, [parser], text.encode(), "the HLO text")
    except HloParseError as error:
        older = older_text(text)
        if older == text:
            raise HloParseError(f"{error}{text_hint(str(error))}") from None
    return hlo_from_text(older)


def hlo_from_mlir(data: bytes, refine: bool = False) -> bytes:
    """Serialized HloModuleProto of a module in StableHLO, MHLO, CHLO or VHLO: MLIR text, bytecode, portable artifact.

    Parameters
    ----------
    data : bytes
    refine : bool
        Propagate main's static shapes through the module first; it also folds what depends on shapes alone. Without it
        that happens only to modules which have open shapes inside.

    Raises
    ------
    HloParseError
        If XLA cannot parse or translate the module, or there is no jaxlib; an `UnknownDimensionsError` if it has
        dimensions that are no numbers. Dimensions of main's arguments may stay
        open in the result.
    """
    if _ELIDED_ATTRIBUTE in data:
        raise HloParseError(
            "the MLIR text elides constants as dense_resource<__elided__>; print it with large elements"
        )
    xla = _module_with("mlir", ("jaxlib._jax",), "StableHLO")
    integers = _without_quantized_types(data) if b"!quant." in data else b""
    if integers:
        return hlo_from_mlir(integers, refine)
    arguments = [xla, "refine" if refine else "plain", str(REFUSED)]
    try:
        return _run(_MLIR_TO_HLO, arguments, older_artifact(data), "the MLIR module")
    except HloParseError as error:
        integers = _without_quantized_types(data) if data.startswith(b"ML\xefR") else b""
        if integers:
            return hlo_from_mlir(integers, refine)
        newer = with_lists(data, str(error))
        if newer is not None:
            return hlo_from_mlir(newer, refine)
        hint = mlir_hint(data, str(error))
        unknown = unknown_dimensions(data, str(error), "; from_stablehlo leaves them open")
        if unknown is not None:
            raise UnknownDimensionsError(f"{unknown}{hint}") from None
        raise HloParseError(f"{error}{hint}") from None


def settled_artifact(data: bytes) -> bytes:
    """A portable artifact of StableHLO as jaxlib itself writes it, so that its parser reads it in any process.

    Raises
    ------
    HloParseError
        If jaxlib cannot read it, or there is no jaxlib.
    """
    xla = _module_with("mlir", ("jaxlib._jax",), "StableHLO")
    versions = [version for version in (artifact_version(data), installed_stablehlo()) if version is not None]
    target = ".".join(map(str, min(versions))) if versions else ""
    return _run(_ARTIFACT.read_text(), [xla, target], older_artifact(data), "the portable artifact")


def open_hlo_from_mlir(data: bytes) -> bytes:
    """Serialized HloModuleProto of a module with unknown dimensions: custom calls, whose targets
    `rewrites.dynamic_operations` lists, stand for what XLA does not translate.

    Raises
    ------
    HloParseError
        If XLA cannot parse or translate the module, or there is no jaxlib; an `UnknownDimensionsError` if that is for
        what computes shapes.
    """
    xla = _module_with("mlir", ("jaxlib._jax",), "StableHLO")
    try:
        return _run(_DYNAMIC.read_text(), [xla], older_artifact(data), "the MLIR module")
    except HloParseError as error:
        newer = with_lists(data, str(error))
        if newer is not None:
            return open_hlo_from_mlir(newer)
        hint = mlir_hint(data, str(error))
        unknown = unknown_dimensions(data, str(error))
        if unknown is not None:
            raise UnknownDimensionsError(f"{unknown}{hint}") from None
        raise HloParseError(f"{error}{hint}") from None


def _without_quantized_types(data: bytes) -> bytes:
    """MLIR of integers for a module with quantized types, empty if it has none; HloParseError if it cannot be had.

    XLA's translation ends its process on some of them, so it sees no text that has any; bytecode does not tell.
    """
    try:
        return _run(_QUANTIZED.read_text(), [], older_artifact(data), "the quantized MLIR module")
    except HloParseError as error:
        if QUANTIZED_REFUSAL in str(error):
            raise
        return b""  # XLA says what is wrong


def _module_with(attribute: str, names: tuple[str, ...], what: str) -> str:
    """The first of `names` that can be imported and has the attribute."""
    for name in names:
        try:
            if hasattr(importlib.import_module(name), attribute):
                return name
        except ImportError:
            continue
    raise HloParseError(f"{what} needs jaxlib to parse it: pip install jaxlib, or use the serialized HloModuleProto")


def _run(script: str, arguments: list[str], data: bytes, what: str) -> bytes:
    """What the script writes for `data`; HloParseError with its last words if it fails."""
    seconds = PARSER_SECONDS + len(data) // BYTES_PER_SECOND
    status, output, errors = _ended([sys.executable, "-c", script, *arguments], data, seconds)
    if status == -signal.SIGXCPU:
        raise HloParseError(f"jaxlib cannot parse {what}: it took more than {seconds} seconds of a processor")
    if status:
        words = output if status == REFUSED else errors
        lines = [line.strip() for line in words.decode("utf-8", "replace").splitlines()]
        told = [line for line in lines if line and not line.startswith(_NOISE)]
        raise HloParseError(f"jaxlib cannot parse {what}: " + " ".join(told[:3] or ["it ended without a word"]))
    if not output:
        raise HloParseError(f"jaxlib cannot parse {what}: it wrote nothing")
    return output


def _ended(command: list[str], data: bytes, seconds: int) -> tuple[int, bytes, bytes]:
    """Status and output of a program; it is stopped after `seconds` of a processor, however busy the machine is."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            with contextlib.suppress(ProcessLookupError):  # it has ended already
                resource.prlimit(process.pid, resource.RLIMIT_CPU, (seconds, seconds + 1))
            output, errors = process.communicate(data)
        except BaseException:
            process.kill()
            raise
    return process.returncode, output, errors
