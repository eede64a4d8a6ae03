"""What JAX keeps of its earlier years: `jax._src.internal_test_util.export_back_compat_test_data`.

Most of it are modules with inputs and results; some are whole serialized exports, with neither.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

PACKAGE = "jax._src.internal_test_util.export_back_compat_test_data"
_MAIN = re.compile(r"func\.func public @main\((.*?)\) ->", re.DOTALL)
_ARGUMENT = re.compile(r"%arg\d+: tensor<([^>]*)>")


@dataclass(frozen=True)
class SavedModule:
    """An export with inputs and the results that it had on its platform.

    Attributes
    ----------
    name : str
        File of the data and the place in it, for instance ``cuda_qr_cusolver_geqrf.data_2024_09_26.f32``.
    platform, date : str
    devices, version : int
        Number of devices that it was made for; version of the calling convention, or of the serialization.
    data : bytes
        A portable artifact of StableHLO, or a serialized jax.export.Exported.
    argument_types : tuple of str
        As MLIR writes them, ``4x?xf32``.
    inputs : tuple of numpy.ndarray
    expected : tuple of numpy.ndarray or None
        None for serialized exports, with which no results are kept.
    """

    name: str
    platform: str
    date: str
    devices: int
    version: int
    data: bytes
    argument_types: tuple[str, ...]
    inputs: tuple[np.ndarray, ...]
    expected: tuple[np.ndarray, ...] | None

    @property
    def family(self) -> str:
        """File of the data."""
        return self.name.split(".data_")[0].split(".serializations")[0]

    @property
    def is_dynamic(self) -> bool:
        """Whether sizes of its arguments are open."""
        return any("?" in each for each in self.argument_types)


def load_saved() -> dict[str, SavedModule]:
    """All saved modules by name."""
    package = importlib.import_module(PACKAGE)
    modules = {}
    for info in pkgutil.walk_packages(package.__path__, f"{PACKAGE}."):
        if info.ispkg:
            continue
        file = info.name.removeprefix(f"{PACKAGE}.")
        for attribute, value in vars(importlib.import_module(info.name)).items():
            for place, data in _entries(value, attribute):
                modules[f"{file}.{place}"] = _module(f"{file}.{place}", data)
    return modules


def _entries(value: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The dictionaries of test data in nested ones and in lists, and where they are."""
    if isinstance(value, dict) and ("mlir_module_serialized" in value or "exported_serialized" in value):
        yield place, value
    elif isinstance(value, (dict, list, tuple)) and not place.startswith("_"):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in pairs:
            yield from _entries(part, f"{place}.{key}")


def _module(name: str, data: dict[str, Any]) -> SavedModule:
    if "exported_serialized" in data:
        return _serialized(name, bytes(data["exported_serialized"]), data["serialization_version"])
    main = _MAIN.search(data["mlir_module_text"])
    return SavedModule(
        name,
        data["platform"],
        str(data["serialized_date"]),
        data.get("nr_devices", 1),
        data["xla_call_module_version"],
        data["mlir_module_serialized"],
        tuple(_ARGUMENT.findall(main[1])) if main else (),
        tuple(np.asarray(array) for array in data["inputs"]),
        tuple(np.asarray(array) for array in data["expected_outputs"]),
    )


def _serialized(name: str, data: bytes, version: int) -> SavedModule:
    from jax import export

    exported = export.deserialize(bytearray(data))
    rng = np.random.default_rng(version)
    inputs = tuple(rng.standard_normal(each.shape).astype(each.dtype) for each in exported.in_avals)
    platform, saved = exported.platforms[0], f"serialization {version}"
    return SavedModule(name, platform, saved, exported.nr_devices, version, data, (), inputs, None)


def exported_of(saved: SavedModule) -> Any:
    """`saved` as the jax.export.Exported that it once was; open sizes have names of their own."""
    from jax import export, tree_util
    from jax.core import ShapedArray

    assert saved.expected is not None
    scope = export.SymbolicScope()
    arguments = tuple(
        ShapedArray(export.symbolic_shape(_named_sizes(number, text), scope=scope), array.dtype)
        for number, (text, array) in enumerate(zip(saved.argument_types, saved.inputs, strict=True))
    )
    results = tuple(ShapedArray(array.shape, array.dtype) for array in saved.expected)
    unknown_in, unknown_out = (None,) * len(arguments), (None,) * len(results)
    return export.Exported(
        fun_name=saved.name,
        in_tree=tree_util.tree_structure((arguments, {})),
        in_avals=arguments,
        out_tree=tree_util.tree_structure(results),
        out_avals=results,
        _has_named_shardings=True,
        _in_named_shardings=unknown_in,
        _out_named_shardings=unknown_out,
        in_shardings_hlo=unknown_in,
        out_shardings_hlo=unknown_out,
        platforms=(saved.platform,),
        ordered_effects=(),
        unordered_effects=(),
        disabled_safety_checks=(),
        mlir_module_serialized=saved.data,
        calling_convention_version=saved.version,
        nr_devices=saved.devices,
        module_kept_var_idx=tuple(range(len(arguments))),
        uses_global_constants=False,
        _get_vjp=None,
    )


def _named_sizes(number: int, text: str) -> str:
    """``4, size_0_1`` of ``4x?xf32``."""
    sizes = text.split("x")[:-1]
    return ", ".join(f"size_{number}_{axis}" if size == "?" else size for axis, size in enumerate(sizes))
