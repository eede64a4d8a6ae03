"""Modules with unknown dimensions to open ones: every size is a number, or computed from those of the parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from ..analysis.size_values import Facts, scalar
from ..analysis.solved_sizes import bounding, composed, lower_bound, solution
from ..errors import HloVerificationError, LoweringError
from ..hlo.ir.attributes import CustomCallAttributes, ParameterAttributes, TupleIndexAttributes
from ..hlo.ir.builder import ComputationBuilder
from ..hlo.ir.builder import module as module_of
from ..hlo.ir.module import HloComputation, HloInstruction, HloModule
from ..hlo.ir.names import Names
from ..hlo.ir.open_module import OpenModule, SizeCheck
from ..hlo.ir.shape import Dimension, Shape, Symbol, array_shape
from ..hlo.ir.sizes import Size, product_of, substituted, variable, variables
from ..hlo.shape_inference import infer_shape
from ..hlo.shape_inference.rules import one_or_tuple
from .dynamic_operations import DYNAMIC_OPERATIONS, SIZED, sized_custom_call
from .size_walk import UnknownSize, Walk, origin, unknown

ASSERTION = "shape_assertion"
# each round knows more sizes than the one before; those of real programs end after two or three
MAX_ROUNDS = 16
# of an array; no memory holds as many
MAX_ELEMENTS = 1 << 40

Operands = Sequence[HloInstruction]
Dimensions = Mapping[tuple[int, int], Dimension]


def open_module(raw: HloModule, given: Dimensions | None = None, facts: Facts | None = None) -> OpenModule:
    """`raw` with every dimension a number or a `Size`.

    Parameters
    ----------
    raw : HloModule
        Dimensions that are no numbers are `Symbol`s of which nothing is known.
    given : mapping, optional
        Sizes by the numbers of the parameter and its dimension; other unknown dimensions of parameters become unknown
        sizes of their own, until what the module does says that they are equal.
    facts : Facts, optional
        What is known of the sizes that are given.

    Returns
    -------
    OpenModule

    Raises
    ------
    LoweringError
        If sizes are computed from data, or in other ways that are not known; it names the instructions.
    """
    known: dict[str, Any] = {}
    facts = Facts() if facts is None else facts
    for _ in range(MAX_ROUNDS):
        walk = Walk(Facts(facts.at_least))
        parameters = _parameters(raw.entry, given or {}, known)
        entry, values = _entry(walk, raw.entry, parameters, known)
        walk.checks += walk.facts.assumed
        found = _solved(walk.checks, tuple(values))
        kept = [SizeCheck(substituted(variable(name), found), ">=", bound) for name, bound in facts.at_least.items()]
        more = Facts(_bounds([*kept, *walk.checks]))
        if not found and more == facts:
            break
        known, facts = composed(known, found), more
    if entry is None or walk.refusals:
        raise LoweringError(
            f"the sizes of some instructions cannot be told from those of the arguments: {'; '.join(walk.refusals)}; "
            "give the module static shapes"
        )
    bounds = [SizeCheck(variable(name), ">=", bound) for name, bound in facts.at_least.items() if bound > 0]
    told = [SizeCheck(variable(name), "==", known[name]) for name in values if name in known]
    limits = _limits(entry, frozenset(values) - frozenset(known))
    checks = tuple({str(check): check for check in (*bounds, *told, *walk.checks, *limits)}.values())
    used = {name for i in entry.instructions for name in _variables(i.shape)}
    used |= {name for check in checks for side in (check.left, check.right) for name in variables(side)}
    kept_values = {name: number for name, number in values.items() if name in used}
    return OpenModule(module_of(raw.name, entry, raw.aliases), checks, kept_values)


def _limits(entry: HloComputation, values: Set[str]) -> list[SizeCheck]:
    """That arrays whose sizes are values have no more elements than TVM can count in bytes: no array of a call bounds
    them."""
    shapes = {
        array.dimensions: instruction
        for instruction in reversed(entry.instructions)
        for array in instruction.shape.arrays()
        if _variables(array) & values
    }
    return [SizeCheck(product_of(sizes), "<=", MAX_ELEMENTS, origin(each)) for sizes, each in shapes.items()]


def _variables(shape: Shape) -> set[str]:
    return {name for a in shape.arrays() for size in a.dimensions if isinstance(size, Size) for name in variables(size)}


def _solved(checks: Sequence[SizeCheck], values: Sequence[str]) -> dict[str, Any]:
    """What the equalities say of unknown sizes."""
    known: dict[str, Any] = {}
    for check in checks:
        found = solution(
            replace(check, left=substituted(check.left, known), right=substituted(check.right, known)), values
        )
        known = composed(known, found)
    return known


def _bounds(checks: Sequence[SizeCheck]) -> dict[str, int]:
    """Lower bounds that the checks say."""
    found: dict[str, int] = {}
    for check in checks:
        bound = lower_bound(check)
        if bound is not None:
            name, least = bound
            found[name] = max(least, found.get(name, 0))
    return found


# ---- the entry


def _parameters(entry: HloComputation, given: Dimensions, known: Mapping[str, Any]) -> list[HloInstruction]:
    """Parameters of the entry with their names and sizes."""
    names, found = Names(), []
    for number, parameter in enumerate(entry.parameters):
        name = names.take(_name(entry, parameter) or f"arg{number}")

        def sized(array: Shape, number: int = number, name: str = name) -> Shape:
            sizes = [
                substituted(given.get((number, axis), variable(_identifier(f"{name}_{axis}"))), known)
                if isinstance(size, Symbol)
                else size
                for axis, size in enumerate(array.dimensions)
            ]
            return array_shape(array.element_type, sizes)

        metadata = replace(parameter.metadata, op_name=name)
        found.append(replace(parameter, shape=parameter.shape.map_arrays(sized), metadata=metadata))
    return found


def _name(entry: HloComputation, parameter: HloInstruction) -> str:
    """What the module calls a parameter: exports of JAX name those of a function that main calls with them."""
    if parameter.metadata.op_name:
        return parameter.metadata.op_name
    for instruction in entry.instructions:
        if instruction.opcode == "call" and parameter in instruction.operands:
            callee = instruction.called_computations[0].parameters[instruction.operands.index(parameter)]
            return callee.metadata.op_name
    return ""


def _identifier(name: str) -> str:
    text = re.sub(r"\W+", "_", name).strip("_")
    return text if text.isidentifier() else f"size_{text}"


def _entry(
    walk: Walk, entry: HloComputation, parameters: Sequence[HloInstruction], known: Mapping[str, Any]
) -> tuple[HloComputation | None, dict[str, int]]:
    """The entry of known sizes, None if some are not; and the unknown sizes that values of parameters may tell."""
    builder, values, arguments = walk.builder(entry.name), {}, []
    for number, parameter in enumerate(parameters):
        new = walk.add(builder, parameter, (), parameter.shape)
        if new.shape.is_array and new.shape.kind in ("signed", "unsigned") and not new.shape.dimensions:
            size = variable(_identifier(new.metadata.op_name))
            values[size.name] = number
            walk.elements[new] = scalar(substituted(size, known))
            walk.valued.add(new)
        arguments.append(new)
    root = _computation(walk, builder, entry, arguments)
    return (None if root is None else builder.build(root)), values


# ---- computations


def _computation(
    walk: Walk, builder: ComputationBuilder, computation: HloComputation, arguments: Operands
) -> HloInstruction | None:
    """Add the computation's instructions; its root, or None if its sizes are not known."""
    new: dict[HloInstruction, HloInstruction | None] = {}
    for old in computation.instructions:
        if isinstance(old.attributes, ParameterAttributes):
            new[old] = arguments[old.attributes.number]
            continue
        operands = [new[operand] for operand in old.operands]
        known = [operand for operand in operands if operand is not None]
        new[old] = None
        if len(known) < len(operands) and old.opcode != "tuple":
            continue
        try:
            new[old] = _instruction(walk, builder, old, known) if len(known) == len(operands) else None
        except (UnknownSize, HloVerificationError, ValueError) as error:
            walk.refusals.append(f"{old.opcode} {origin(old)}: {error}")
        except (KeyError, IndexError) as error:
            walk.refusals.append(f"{old.opcode} {origin(old)}: an operand or attribute is missing ({error})")
    return new[computation.root]


def _instruction(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Operands
) -> HloInstruction | None:
    rule = _RULES.get(old.opcode)
    if rule is not None:
        return rule(walk, builder, old, operands)
    walk.equal_operands(old, old.opcode, old.attributes, operands)
    return walk.add(builder, old, operands, _shape(old, operands))


def _shape(old: HloInstruction, operands: Operands) -> Shape:
    """Shape of an instruction that means what it meant, of operands with these shapes."""
    if old.opcode == "scatter":  # what is declared is not its shape, see hlo/text/dynamic_script.py
        return one_or_tuple([operand.shape for operand in operands[: len(operands) // 2]])
    if old.shape.is_static:
        return old.shape
    shapes = [operand.shape for operand in operands]
    found = infer_shape(old.opcode, shapes, old.attributes, old.called_computations, old.shape)
    if found is None or any(type(size) is Symbol for array in found.arrays() for size in array.dimensions):
        unknown(f"nothing tells the sizes of {old.shape}")
    return found


def _reshape(walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Operands) -> HloInstruction:
    """To numbers: those say how many elements the operand has."""
    shape = _shape(old, operands)
    walk.equal(product_of(operands[0].shape.dimensions), product_of(shape.dimensions), old)
    return walk.add(builder, old, operands, shape)


def _call(walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Operands) -> HloInstruction | None:
    return _computation(walk, builder, old.called_computations[0], operands)


def _tuple_element(walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Operands) -> HloInstruction:
    (operand,), index = operands, old.attributes_as(TupleIndexAttributes).index
    if operand.opcode == "tuple":
        return operand.operands[index]
    new = walk.add(builder, old, operands, operand.shape.tuple_shapes[index])
    elements = walk.elements.get(operand)
    if elements is not None and elements[index] is not None:
        walk.elements[new] = elements[index]
    return new


def _while(walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Operands) -> HloInstruction:
    (state,) = operands
    body, condition = old.called_computations
    new = [_called(walk, each, state.shape, _invariant(walk, body, state)) for each in (body, condition)]
    walk.equal_shapes(state.shape, new[0].root.shape, old)
    return walk.add(builder, old, operands, state.shape, called=new)


def _invariant(walk: Walk, body: HloComputation, state: HloInstruction) -> list[Any] | None:
    """Elements of those parts of a loop's state that no trip changes."""
    elements, root = walk.elements.get(state), body.root
    if not isinstance(elements, list) or root.opcode != "tuple":
        return None
    return [
        known if _is_element(part, index) else None for index, (part, known) in enumerate(zip(root.operands, elements))
    ]


def _is_element(part: HloInstruction, index: int) -> bool:
    attributes = part.attributes
    return isinstance(attributes, TupleIndexAttributes) and (
        attributes.index == index and part.operands[0].opcode == "parameter"
    )


def _called(walk: Walk, computation: HloComputation, shape: Shape, elements: Any) -> HloComputation:
    """A computation with one parameter."""
    builder = walk.builder(computation.name)
    (parameter,) = computation.parameters
    new = walk.add(builder, parameter, (), shape)
    if elements is not None:
        walk.elements[new] = elements
    root = _computation(walk, builder, computation, [new])
    if root is None:
        unknown(f"sizes in {computation.name} are not known")
    return builder.build(root)


def _conditional(walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Operands) -> HloInstruction:
    branches = [
        _called(walk, branch, operand.shape, walk.elements.get(operand))
        for branch, operand in zip(old.called_computations, operands[1:])
    ]
    shape = branches[0].root.shape
    for branch in branches[1:]:
        shape = walk.equal_shapes(shape, branch.root.shape, old)
    return walk.add(builder, old, operands, shape, called=branches)


def _custom_call(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Operands
) -> HloInstruction | None:
    target = old.attributes_as(CustomCallAttributes).target
    if target == ASSERTION:
        return _assertion(walk, builder, old, operands)
    operation = DYNAMIC_OPERATIONS.get(target)
    if operation is not None:
        return operation(walk, builder, old, operands)
    if target.startswith(SIZED):
        return sized_custom_call(walk, builder, old, operands)
    if not old.shape.is_static or not all(operand.shape.is_static for operand in operands):
        unknown(f"nothing tells what {target} does with unknown sizes")
    return walk.add(builder, old, operands, old.shape)


def _assertion(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Operands
) -> HloInstruction | None:
    """Note what must hold; calls check it before they run."""
    known = walk.elements.get(operands[0])
    said = None if known is None else known[()]
    if said is False:
        unknown("what is asserted of sizes never holds")
    if isinstance(said, SizeCheck):
        walk.checks.append(replace(bounding(said) or said, origin=origin(old)))
    elif said is None:
        unknown("what is asserted of sizes is computed from data")
    return builder.add("tuple", ())


_RULES: Mapping[str, Callable[[Walk, ComputationBuilder, HloInstruction, Operands], HloInstruction | None]] = {
    "call": _call,
    "reshape": _reshape,
    "get-tuple-element": _tuple_element,
    "while": _while,
    "conditional": _conditional,
    "custom-call": _custom_call,
}
