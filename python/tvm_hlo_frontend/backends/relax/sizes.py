"""Variables of sizes: one for each, computed or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm
from tvm import sym, tirx

from ...hlo.ir.shape import Symbol
from ...hlo.ir.size_text import Arithmetic, evaluated

# what TVM's analysis has for integers about which it knows nothing, and nearly that
UNBOUNDED = 1 << 62


class SizeVariables:
    """Variables of the sizes of one module.

    Those that are computed from others have variables too, as FuseTIR compares dimensions as they are written: to
    it ``2 * n`` and ``n + n`` are two sizes.
    """

    def __init__(self) -> None:
        self._unknown: dict[str, Any] = {}
        self._computed: dict[str, Any] = {}
        self._values: dict[Any, Any] = {}
        # of unknown sizes, where they are known
        self.highest: Mapping[str, int] = {}
        self._arithmetic = Arithmetic(
            name=self.unknown,
            number=lambda number: tirx.IntImm("int64", number),
            floor_divide=tirx.floordiv,
            modulo=tirx.floormod,
            calls={"max": tirx.max, "min": tirx.min},
        )

    def all(self) -> list[Any]:
        """All there are by now."""
        return [*self._unknown.values(), *self._computed.values()]

    def unknown(self, name: str) -> Any:
        """The variable of an unknown size."""
        return self._unknown.setdefault(name, tirx.Var(name, "int64"))

    def of(self, size: Symbol) -> Any:
        """The variable of a size."""
        if size.name.isidentifier():
            return self.unknown(size.name)
        if size.name not in self._computed:
            variable = tirx.Var(f"size_{len(self._computed)}", "int64")
            self._computed[size.name], self._values[variable] = variable, self.written(size)
        return self._computed[size.name]

    def written(self, size: Symbol) -> Any:
        """A size as an expression of unknown ones."""
        return evaluated(size.name, self._arithmetic)

    @property
    def computed(self) -> bool:
        """Whether any size is computed."""
        return bool(self._computed)

    def computes(self, variable: Any) -> bool:
        """Whether a variable is that of a computed size."""
        return variable in self._values

    def upper_bounds(self) -> dict[str, int]:
        """The greatest number by name of a variable, as far as that follows from `highest`."""
        if not self.highest:
            return {}
        analyzer = sym.Analyzer()
        for name, variable in self._unknown.items():
            if name in self.highest:
                analyzer.bind(variable, tvm.ir.Range(0, self.highest[name] + 1))
        found = dict(self.highest)
        for variable, value in self._values.items():
            most = analyzer.const_int_bound(value).max_value
            if most < UNBOUNDED:
                found[variable.name] = most
        return found

    def value(self, variable: Any) -> Any:
        """The expression of a computed size, by its variable."""
        return self._values[variable]
