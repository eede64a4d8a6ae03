"""A module of unknown sizes to one of known sizes: every `Size` in shapes and attributes becomes its number."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..hlo.ir.builder import RewriteBuilder, transform
from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.ir.open_module import OpenModule, SizeCheck
from ..hlo.ir.shape import Dimension
from ..hlo.ir.size_numbers import number_of
from ..hlo.ir.sizes import Integer, Size, substituted, variables

Replace = Callable[[Size], Integer]


def with_sizes(open_module: OpenModule, numbers: Mapping[str, int]) -> HloModule:
    """The module of an open one for these sizes. It checks nothing: neither `checks` nor the shapes that result.

    Parameters
    ----------
    open_module : OpenModule
    numbers : mapping of str to int
        One number for each unknown size.

    Returns
    -------
    HloModule
        With the same parameters, also those whose value tells a size.

    Raises
    ------
    KeyError
        If an unknown size has no number.
    ZeroDivisionError
        If a size divides by 0.
    """
    return _with_replaced(open_module.module, lambda size: number_of(size, numbers))


def with_some_sizes(open_module: OpenModule, numbers: Mapping[str, int]) -> OpenModule:
    """An open module in which these of the unknown sizes are known."""

    def replace(size: Dimension) -> Any:
        return substituted(size, numbers)

    checks = tuple(
        SizeCheck(replace(check.left), check.relation, replace(check.right), check.origin)
        for check in open_module.checks
    )
    values = {name: parameter for name, parameter in open_module.values.items() if name not in numbers}
    return OpenModule(_with_replaced(open_module.module, replace), checks, values)


def sizes_of_shapes(module: HloModule) -> dict[Size, HloInstruction]:
    """Each `Size` in the shapes of instructions, with the first one that has it."""
    found: dict[Size, HloInstruction] = {}
    for instruction in module.instructions:
        for size in _sizes(instruction.shape):
            found.setdefault(size, instruction)
    return found


def unknown_sizes(open_module: OpenModule) -> list[str]:
    """Names of all unknown sizes in shapes, attributes and checks."""
    found = {size for each in open_module.module.instructions for size in _sizes((each.shape, each.attributes))}
    found |= {size for check in open_module.checks for size in (check.left, check.right) if isinstance(size, Size)}
    return sorted({name for size in found for name in variables(size)} | set(open_module.values))


def _with_replaced(module: HloModule, replace: Replace) -> HloModule:
    known: dict[Size, Integer] = {}

    def once(size: Size) -> Integer:
        if size not in known:
            known[size] = replace(size)
        return known[size]

    def rewrite(
        builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        shape, attributes = _replaced(instruction.shape, once), _replaced(instruction.attributes, once)
        if shape is instruction.shape and attributes is instruction.attributes:
            return None
        changed = dataclasses.replace(instruction, shape=shape, attributes=attributes)
        return builder.copy(changed, operands, [builder.rewritten(callee) for callee in changed.called_computations])

    return transform(module, rewrite)


def _replaced(value: Any, replace: Replace) -> Any:
    """A shape, attributes, or a part of them with other sizes; itself if it has none."""
    if isinstance(value, Size):
        return replace(value)
    if isinstance(value, tuple):
        parts = tuple(_replaced(part, replace) for part in value)
        return value if all(new is old for new, old in zip(parts, value)) else parts
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    changes = {name: _replaced(old, replace) for name, old in fields.items()}
    changes = {name: new for name, new in changes.items() if new is not fields[name]}
    return dataclasses.replace(value, **changes) if changes else value


def _sizes(value: Any) -> Iterator[Size]:
    """The sizes in a shape, attributes, or a part of them."""
    if isinstance(value, Size):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _sizes(part)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _sizes(getattr(value, field.name))
