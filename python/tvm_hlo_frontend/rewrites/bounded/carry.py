"""Bounded dimensions (``<=N``) as XLA's DynamicPadder has them: arrays are as large as their bounds, and the sizes are
scalars that are computed beside them (rule 90).

Inside the module an array of bounded dimensions is a tuple of the padded array and its sizes, so tuples, loops and
branches carry them as they are. The sizes of results become results of their own, and `Carried.cuts` says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...analysis.known_sizes import at_bounds
from ...analysis.refused import refusal_of
from ...errors import Refusal, UnsupportedInstruction
from ...hlo.ir.attributes import CustomCallAttributes, TupleIndexAttributes
from ...hlo.ir.builder import RewriteBuilder, transform
from ...hlo.ir.module import Alias, HloComputation, HloInstruction, HloModule
from ...hlo.ir.shape import Shape, Symbol
from ...hlo.opcodes import ELEMENTWISE, MOVES_VALUES
from ...hlo.shape_inference.rules import has_unbounded
from ...hlo.verifier import verify
from ..capabilities import Capabilities
from ..emit import Emitter
from ..inline_calls import called_body, inline_calls
from ..known_dimensions import settle_known_dimensions
from . import contraction, indexing, movement, reshaping
from .numbers import held
from .padded import SIZE, Case, Padded, Rule, carried_shape, open_axes, packed, unpacked

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, movement.elementwise),
    **contraction.RULES,
    **indexing.RULES,
    **movement.RULES,
    **reshaping.RULES,
}
PARAMETER = "a tuple with arrays of bounded dimensions cannot be a parameter: pass the arrays themselves"
VARIES = "a dimension varies where the shape of the tuple says that it does not"
NO_RULE = "no rule says what it does with sizes that are known only at run time"


@dataclass(frozen=True)
class Carried:
    """A module of static shapes, and what became of its bounded dimensions.

    Attributes
    ----------
    module : HloModule
        Its result is a tuple of the result as it was and of sizes, if there are `cuts`.
    result : Shape
        Of the result as it was.
    cuts : tuple of (int, int, int)
        Results that are longer than what was asked for: number of the array among the arrays of the result, its
        dimension, and number of the scalar that is its size.
    added : tuple of (int, int)
        Parameters behind those that there were: sizes, as (number of a parameter, its dimension).
    flat : HloModule
        The module as it was, with calls in place.
    refusals : tuple of Refusal
        Instructions of `flat` that cannot be said in this way; with them the module means nothing.
    """

    module: HloModule
    result: Shape
    flat: HloModule
    cuts: tuple[tuple[int, int, int], ...] = ()
    added: tuple[tuple[int, int], ...] = ()
    refusals: tuple[Refusal, ...] = ()


def has_bounded_dimensions(module: HloModule) -> bool:
    """Whether all sizes of `module` are numbers or bounded, and some are the latter."""
    sizes = [
        size
        for instruction in module.instructions
        for array in instruction.shape.arrays()
        for size in array.dimensions
        if not isinstance(size, int)
    ]
    return bool(sizes) and all(isinstance(size, Symbol) and size.bound is not None for size in sizes)


def carry_sizes(module: HloModule, capabilities: Capabilities) -> Carried:
    """`module` with static shapes: those that follow from known sizes, or where others are bounded, the bounds, and the
    sizes as scalars. What is not bounded stays."""
    settled = settle_known_dimensions(module, capabilities)
    if not has_bounded_dimensions(settled):
        return Carried(settled, settled.entry.root.shape, settled)
    # not of what is settled: an array that is shorter than its bound stands next to others that are as long
    while any(called_body(instruction) is not None for instruction in module.instructions):
        module = inline_calls(module, capabilities)
    return _Pass(module).run()


class _Pass:
    """One traversal; collects what it cannot say."""

    def __init__(self, module: HloModule) -> None:
        self.old = module
        self.holders = {each: computation for computation in module.computations for each in computation.instructions}
        self.wanted = _wanted_roots(module)
        self.parameters = module.entry.parameters
        self.added = tuple(
            (number, axis)
            for number, parameter in enumerate(self.parameters)
            if parameter.shape.is_array
            for axis in open_axes(parameter.shape)
        )
        self.refusals: list[Refusal] = []
        self.cuts: tuple[tuple[int, int, int], ...] = ()

    def run(self) -> Carried:
        made = transform(self.old, self._replacement)
        aliases = tuple(map(self._moved, self._kept_aliases())) if self.cuts else made.aliases
        made = replace(made, aliases=aliases)
        if not self.refusals:
            verify(made)  # an array that varies may stand where a module says that it does not
        return Carried(made, self.old.entry.root.shape, self.old, self.cuts, self.added, tuple(self.refusals))

    def _kept_aliases(self) -> list[Alias]:
        """Those of results that are not cut: others are copies."""
        paths = self.old.entry.root.shape.paths()
        cut = {paths[leaf] for leaf, _, _ in self.cuts}
        return [alias for alias in self.old.aliases if alias.result not in cut]

    @staticmethod
    def _moved(alias: Alias) -> Alias:
        """The result as it was is the first element of the new one."""
        return replace(alias, result=(0, *alias.result))

    def _replacement(
        self, builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        emit = Emitter(builder, old.metadata)
        try:
            value = self._value(builder, emit, old, operands)
            if old.opcode == "tuple" and not value.shape.same_type(carried_shape(old.shape)):
                raise UnsupportedInstruction(VARIES)
            if old in self.wanted:
                value = _as_declared(emit, value, old.shape, self.wanted[old])
        except UnsupportedInstruction as refusal:
            self.refusals.append(refusal_of(self.holders[old], old, str(refusal)))
            value = _placeholder(emit, self.wanted.get(old, old.shape))
        if old is self.old.entry.root and not old.shape.is_static:
            value, self.cuts = _with_sizes(emit, value, old.shape)
        return value

    def _value(
        self, builder: RewriteBuilder, emit: Emitter, old: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction:
        called = tuple(map(builder.rewritten, old.called_computations))
        if isinstance(old.attributes, TupleIndexAttributes):
            return emit.element(operands[0], old.attributes.index)
        if old in self.parameters and not old.shape.is_static:
            return self._entry_parameter(emit, old)
        if old.opcode in MOVES_VALUES:
            return self._structure(emit, old, operands, called)
        shapes = [old.shape, *(operand.shape for operand in old.operands)]
        if all(shape.is_static for shape in shapes):
            return builder.copy(old, operands, called)
        rule = _rule_of(old)
        # nobody has verified what takes operands of which nothing is known
        unverified = any(operand.shape.is_tuple or has_unbounded(operand.shape) for operand in old.operands)
        if rule is None or unverified:
            raise UnsupportedInstruction(NO_RULE)
        given = tuple(unpacked(emit, new, each.shape) for new, each in zip(operands, old.operands))
        made = rule(Case(emit, old, given, called))
        if isinstance(made, Padded):
            return packed(emit, made, old.shape)
        return emit.tuple([packed(emit, part, shape) for part, shape in zip(made, old.shape.tuple_shapes)])

    def _entry_parameter(self, emit: Emitter, old: HloInstruction) -> HloInstruction:
        """A parameter at its bounds, and one for each size."""
        if old.shape.is_tuple:
            raise UnsupportedInstruction(PARAMETER)
        shape, own = at_bounds(old.shape), self.parameters.index(old)
        value = emit.builder.add("parameter", (), shape, old.attributes, name=old.name, metadata=old.metadata)
        sizes = {}
        for place, (number, axis) in enumerate(self.added, len(self.parameters)):
            if number == own:
                size = emit.builder.parameter(place, SIZE, size_name(old.name, axis))
                sizes[axis] = held(emit, size, shape.sizes[axis])
        return packed(emit, Padded(value, sizes), old.shape)

    def _structure(
        self,
        emit: Emitter,
        old: HloInstruction,
        operands: tuple[HloInstruction, ...],
        called: tuple[HloComputation, ...],
    ) -> HloInstruction:
        """What carries values as they are."""
        declared = [operand.shape for operand in old.operands]
        bodies = [body.parameters[0].shape for body in old.called_computations]
        if old.opcode == "while":
            declared = bodies[:1]
        elif old.opcode == "conditional":
            declared[1:] = bodies
        given = [
            _as_declared(emit, new, each.shape, shape) for new, each, shape in zip(operands, old.operands, declared)
        ]
        if old.opcode == "tuple":
            return emit.tuple(given)
        shape = carried_shape(old.shape)
        return emit.builder.add(old.opcode, given, shape, old.attributes, called, name=old.name, metadata=old.metadata)


def size_name(parameter: str, axis: int) -> str:
    """Name of the parameter that is the size of a dimension of another one."""
    return f"{parameter}_size_{axis}"


def _wanted_roots(module: HloModule) -> dict[HloInstruction, Shape]:
    """Shapes that the caller says roots of bodies and branches have: some of their sizes may be numbers."""
    wanted = {}
    for instruction in module.instructions:
        bodies = {"while": instruction.called_computations[:1], "conditional": instruction.called_computations}
        for body in bodies.get(instruction.opcode, ()):
            wanted[body.root] = instruction.shape
    return wanted


def _rule_of(instruction: HloInstruction) -> Rule | None:
    if isinstance(instruction.attributes, CustomCallAttributes):
        return movement.CUSTOM_CALLS.get(instruction.attributes.target)
    return RULES.get(instruction.opcode)


def _as_declared(emit: Emitter, value: HloInstruction, have: Shape, want: Shape) -> HloInstruction:
    """A value with sizes for all dimensions that have one in `want`; those that are numbers stand for themselves."""
    if carried_shape(have).same_type(carried_shape(want)):
        return value
    if have.is_tuple:
        parts = enumerate(zip(have.tuple_shapes, want.tuple_shapes))
        return emit.tuple([_as_declared(emit, emit.element(value, place), *pair) for place, pair in parts])
    padded = unpacked(emit, value, have)
    bounds = {axis: emit.full(padded.bounds[axis], SIZE) for axis in open_axes(want)}
    return packed(emit, Padded(padded.value, {**bounds, **padded.sizes}), want)


def _with_sizes(
    emit: Emitter, value: HloInstruction, shape: Shape
) -> tuple[HloInstruction, tuple[tuple[int, int, int], ...]]:
    """A tuple of a result of `shape` at its bounds and its sizes, each once; and the cuts."""
    count, sizes, cuts = len(shape.arrays()), [], []
    numbers = iter(range(count))

    def plain(value: HloInstruction, shape: Shape) -> HloInstruction:
        if shape.is_tuple:
            parts = enumerate(shape.tuple_shapes)
            return emit.tuple([plain(emit.element(value, place), part) for place, part in parts])
        if not shape.is_array:
            return value
        leaf, padded = next(numbers), unpacked(emit, value, shape)
        for axis, size in padded.sizes.items():
            if size not in sizes:
                sizes.append(size)
            cuts.append((leaf, axis, count + sizes.index(size)))
        return padded.value

    return emit.tuple([plain(value, shape), *sizes]), tuple(cuts)


def _placeholder(emit: Emitter, shape: Shape) -> HloInstruction:
    """Stands for what was refused, so that the traversal can go on and find the rest."""
    if shape.is_tuple:
        return emit.tuple([_placeholder(emit, part) for part in shape.tuple_shapes])
    if not shape.is_array:
        return emit("after-all", shape=shape)
    static = at_bounds(shape)
    sizes = {axis: emit.full(static.sizes[axis], SIZE) for axis in open_axes(shape)}
    return packed(emit, Padded(emit.full(0, static), sizes), shape)
