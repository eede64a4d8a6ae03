"""Numbers for people."""

from __future__ import annotations

_UNITS = ("", "k", "M", "G", "T", "P", "E")


def quantity(number: float, unit: str = "") -> str:
    """`number` with at most four digits and a decimal prefix: 3.1 GFLOP."""
    power = 0
    while abs(number) >= 1000 and power < len(_UNITS) - 1:
        number, power = number / 1000, power + 1
    digits = f"{number:.0f}" if float(number).is_integer() else f"{float(f'{number:.3g}'):g}"  # no 1e+03
    return f"{digits} {_UNITS[power]}{unit}".strip()
