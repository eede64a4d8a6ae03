"""GFLOP/s of shapes as a picture: contestants are dots, what the machine can do at most are lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from . import contestants, rows
from .page import measured, xla_ms

LEFT, WIDTH, TOP, STEP = 290, 640, 70, 16
# a square, so that XLA is told from the others
XLA_COLOUR = "#000000"
COLOURS = ("#1f77b4", "#d62728", "#ff7f0e", "#bcbd22", "#2ca02c", "#9467bd", "#8c564b", "#7f7f7f", "#17becf")


def drawn(results: dict[str, Any]) -> str:
    """SVG, from results as `machine.read` gives them."""
    found = results["rows"]
    points = {row.name: rates(found, row.name) for row in rows.SHAPES if row.name in found}
    points = {name: each for name, each in points.items() if each}
    height = TOP + STEP * (len(points) + 1) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 30}" height="{height}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#ffffff"/>'
    ]
    parts += legend()
    if points:
        parts += chart(results, points, height)
    return "\n".join([*parts, "</svg>", ""])


def rates(found: dict[str, Any], name: str) -> dict[str, float]:
    """GFLOP/s by contestant, XLA among them."""
    every = {each.key: measured(found, name, each.key) for each in contestants.CONTESTANTS}
    got = {key: each["flops"] / each["ms"] / 1e6 for key, each in every.items() if each}
    flops = [each["flops"] for each in every.values() if each]
    return {"xla": flops[0] / xla_ms(found, name) / 1e6, **got} if flops else {}


def legend() -> list[str]:
    """Who has which colour."""
    titles = ["XLA:CPU", *(each.title for each in contestants.CONTESTANTS)]
    return [
        f'<circle cx="{20 + 185 * (number % 5)}" cy="{16 + 18 * (number // 5)}" r="4" fill="{colour}"/>'
        f'<text x="{29 + 185 * (number % 5)}" y="{20 + 18 * (number // 5)}">{escape(title)}</text>'
        for number, (title, colour) in enumerate(zip(titles, (XLA_COLOUR, *COLOURS), strict=True))
    ]


def chart(results: dict[str, Any], points: dict[str, dict[str, float]], height: int) -> list[str]:
    """Axis, lines of what is possible, and dots."""
    peaks = results["peaks"]
    every = [rate for each in points.values() for rate in each.values()]
    low = 10 ** math.floor(math.log10(min(every)))
    high = 1.15 * max([*every, peaks.get("all_gflops", 0)])

    def across(rate: float) -> float:
        return LEFT + WIDTH * math.log(rate / low) / math.log(high / low)

    bottom = height - 40
    parts = axis(low, high, across, bottom)
    for key, text in (("one_gflops", "FMA peak, 1 thread"), ("all_gflops", "FMA peak, all threads")):
        if key in peaks:
            at = across(peaks[key])
            parts.append(
                f'<path d="M{at:.1f} {TOP - 6}V{bottom}" stroke="#000000" stroke-dasharray="4 2"/>'
                f'<text x="{at:.1f}" y="{bottom + (30 if key == "one_gflops" else 18)}" text-anchor="end">{text}</text>'
            )
    for number, (name, each) in enumerate(points.items()):
        parts += line(name, each, TOP + STEP * (number + 0.5), across)
        moved = bytes_moved(results["rows"], name)
        bound = max(each["flops"] for each in measurements(results["rows"], name)) / moved * peaks.get("all_gbs", 0)
        if low < bound < high:
            at, top = across(bound), TOP + STEP * number
            parts.append(f'<path d="M{at:.1f} {top:.0f}v{STEP}" stroke="#e377c2" stroke-width="2"/>')
    note = "GFLOP/s. Pink: the memory's peak, were all operands read from memory and written to it once."
    return [*parts, f'<text x="10" y="{height - 8}">{note}</text>']


def measurements(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [each["measured"] for each in found[name].values() if "measured" in each]


def bytes_moved(found: dict[str, Any], name: str) -> int:
    return max(each["bytes"] for each in measurements(found, name))


def axis(low: float, high: float, across: Callable[[float], float], bottom: float) -> list[str]:
    """Powers of ten, and their doubles and fivefolds."""
    ticks = [factor * 10**power for power in range(round(math.log10(low)), 5) for factor in (1, 2, 5)]
    return [
        f'<path d="M{across(tick):.1f} {TOP}V{bottom}" stroke="#dddddd"/>'
        f'<text x="{across(tick):.1f}" y="{TOP - 8}" text-anchor="middle">{tick:g}</text>'
        for tick in ticks
        if low <= tick <= high
    ]


def line(name: str, points: dict[str, float], at: float, across: Callable[[float], float]) -> Sequence[str]:
    """One row."""
    colours = dict(zip((each.key for each in contestants.CONTESTANTS), COLOURS, strict=True))
    dots = [
        f'<circle cx="{across(rate):.1f}" cy="{at:.0f}" r="{5 if key in ("relay", "relax") else 3.5}" '
        f'fill="{colours[key]}" fill-opacity="0.8"><title>{key} {rate:.1f}</title></circle>'
        for key, rate in points.items()
        if key != "xla"
    ]
    square = f'<rect x="{across(points["xla"]) - 4:.1f}" y="{at - 4:.0f}" width="8" height="8" fill="{XLA_COLOUR}"/>'
    rule = f'<path d="M{LEFT} {at:.0f}h{WIDTH}" stroke="#eeeeee"/>'
    text = f'<text x="{LEFT - 8}" y="{at + 4:.0f}" text-anchor="end">{escape(name)}</text>'
    return [rule, text, square, *dots]
