"""Converts an HLO module, builds and runs it, and compares with XLA:CPU; shared by the tests of all opcode families."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tools.support.oracle import run_xla
from tvm_hlo_frontend.backends.select import installed_dialect, mod_and_params

DIALECT = installed_dialect()

# of the result's own type; f16 results are rounded from f32 by both sides
DEFAULT_ULPS = {"float16": 1, "float32": 4, "float64": 4, "bfloat16": 1}
MAX_TEXT_LINES = 80


def check(
    module: Any,
    args: Sequence[Any],
    *,
    ulps: float | None = None,
    rtol: float | None = None,
    plain: bool | str = False,
    **options: Any,
) -> list[np.ndarray]:
    """Assert that a module means in TVM what it means on XLA:CPU.

    Parameters
    ----------
    module : HloModule or bytes
    args : sequence of arrays
        One per entry parameter.
    ulps : float, optional
        Tolerance of floats in units of the last place of XLA's result; default by dtype. Integers, NaN, infinities
        and shapes must be equal; denormals may be flushed.
    rtol : float, optional
        Instead of `ulps`: relative to an element's magnitude plus the root mean square of its array.
    plain : bool or str
        False for `tvm_hlo_frontend.build`; True or ``"vm"`` for unmodified `relay.build(opt_level=3)` and the graph
        executor or the VM; either for unmodified `tvm.compile` in Relax.
    **options
        For `from_hlo`.

    Returns
    -------
    list of numpy.ndarray
        TVM's results.
    """
    wanted = run_xla(module, args)
    got = run_tvm(module, args, plain=plain, **options)
    compare(got, wanted, ulps=ulps, rtol=rtol, describe=lambda *at: describe(module, args, *at))
    return got


def run_tvm(module: Any, args: Sequence[Any], *, plain: bool | str = False, **options: Any) -> list[np.ndarray]:
    """Flat results of the converted module."""
    import tvm_hlo_frontend
    from tools.support.oracle import serialized

    mod, params = converted(serialized(module), **options)
    if plain:
        return run_plain(mod, params, args, plain == "vm")
    return _flat(tvm_hlo_frontend.build(mod, params)(*args))


def converted(proto: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
    """`from_hlo` as a module and the values of its parameters, in either dialect."""
    import tvm_hlo_frontend

    return mod_and_params(tvm_hlo_frontend.from_hlo(proto, **options))


def _run_plain_relax(mod: Any, params: Any, args: Sequence[Any]) -> list[np.ndarray]:
    import tvm
    from tvm import relax

    if params:
        mod = relax.transform.BindParams("main", params)(mod)
    machine = relax.VirtualMachine(tvm.compile(mod, tvm.target.Target("llvm")), tvm.cpu())
    return _flat(machine["main"](*[tvm.runtime.tensor(np.asarray(arg, order="C")) for arg in args]))


def run_plain(mod: Any, params: Any, args: Sequence[Any], use_vm: bool) -> list[np.ndarray]:
    """Flat results of a module that unmodified TVM has compiled; `params` are bound."""
    if DIALECT == "relax":
        return _run_plain_relax(mod, params, args)
    import tvm
    from tvm import relay

    names = [variable.name_hint for variable in mod["main"].params if variable.name_hint not in params]
    arrays = [tvm.nd.array(np.asarray(arg, order="C")) for arg in args]
    target = "llvm"
    with tvm.transform.PassContext(opt_level=3):
        if use_vm:
            library = relay.vm.compile(mod, target=target, params=params)
            result = tvm.runtime.vm.VirtualMachine(library, tvm.cpu()).invoke("main", *arrays)
            return _flat(result)
        library = relay.build(mod, target=target, params=params)
    executor = tvm.contrib.graph_executor.GraphModule(library["default"](tvm.cpu()))
    for name, array in zip(names, arrays):
        executor.set_input(name, array)
    executor.run()
    return [executor.get_output(index).numpy() for index in range(executor.get_num_outputs())]


def _flat(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        return [value]
    if hasattr(value, "numpy"):
        return [value.numpy()]
    return [array for part in value for array in _flat(part)]


def compare(
    got: Sequence[np.ndarray],
    wanted: Sequence[np.ndarray],
    *,
    ulps: float | None = None,
    rtol: float | None = None,
    describe: Any = lambda *at: "",
) -> None:
    """Assert that results are equal within a tolerance; all wrong results are listed, each with its first element."""
    assert len(got) == len(wanted), f"{len(got)} results instead of {len(wanted)}"
    failures = []
    for index, (ours, theirs) in enumerate(zip(got, wanted)):
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            failures.append(
                f"result {index}: {ours.dtype}{ours.shape} instead of {theirs.dtype}{theirs.shape}\n{describe(index)}"
            )
            continue
        wrong = wrong_elements(ours, theirs, ulps, rtol)
        if wrong.any():
            where = tuple(int(i) for i in np.argwhere(wrong)[0])
            failures.append(
                f"result {index}: {int(wrong.sum())} of {wrong.size} elements differ, first at {where}: "
                f"TVM {ours[where]!r}, XLA {theirs[where]!r}\n{describe(index, where)}"
            )
    assert not failures, "\n" + "\n".join(failures)


def wrong_elements(got: np.ndarray, wanted: np.ndarray, ulps: float | None, rtol: float | None) -> np.ndarray:
    """Where `got` is not `wanted` within the tolerance."""
    name = got.dtype.name
    if got.dtype.kind == "c":
        return wrong_elements(got.real, wanted.real, ulps, rtol) | wrong_elements(got.imag, wanted.imag, ulps, rtol)
    if name not in DEFAULT_ULPS:
        return got != wanted
    wide = np.float64 if name != "float64" else np.longdouble
    a, b = got.astype(wide), wanted.astype(wide)
    with np.errstate(all="ignore"):
        if rtol is not None:
            finite = b[np.isfinite(b)]
            scale = np.sqrt(np.mean(np.square(finite))) if finite.size else 0.0
            allowed = rtol * (np.abs(b) + scale)
        else:
            allowed = (DEFAULT_ULPS[name] if ulps is None else ulps) * spacing(wanted)
        if name in ("float32", "float64"):
            allowed = np.maximum(allowed, np.finfo(got.dtype).tiny)
        close = np.abs(a - b) <= allowed
    both_nan = np.isnan(a) & np.isnan(b)
    return ~np.where(np.isfinite(a) & np.isfinite(b), close, (a == b) | both_nan)


def spacing(x: np.ndarray) -> np.ndarray:
    """Distance of each magnitude to the next float of its dtype, in a wider type."""
    import ml_dtypes

    info = ml_dtypes.finfo(x.dtype)
    magnitude = np.abs(x.astype(np.longdouble))
    _, exponent = np.frexp(np.maximum(magnitude, np.longdouble(float(info.tiny))))
    return np.ldexp(np.longdouble(float(info.eps)), exponent - 1)


def describe(module: Any, args: Sequence[Any], index: int, where: tuple[int, ...] = ()) -> str:
    """The instruction of a result, its arguments at an index, and the module as HLO text."""
    from tvm_hlo_frontend.hlo.ir.module import HloModule
    from tvm_hlo_frontend.hlo.proto.reader import read
    from tvm_hlo_frontend.hlo.text.printer import instruction_to_text, to_text

    if not isinstance(module, HloModule):
        module = read(module)
    root = module.entry.root
    lines = []
    if root.opcode == "tuple" and index < len(root.operands):
        lines.append(instruction_to_text(root.operands[index]))
    for number, arg in enumerate(args):
        array = np.asarray(arg)
        if len(where) == array.ndim and all(i < size for i, size in zip(where, array.shape)):
            lines.append(f"parameter {number} there: {array[where]!r}")
    text = to_text(module).splitlines()
    if len(text) > MAX_TEXT_LINES:
        text = [*text[:MAX_TEXT_LINES], f"... {len(text) - MAX_TEXT_LINES} more lines"]
    return "\n".join(lines + text)
