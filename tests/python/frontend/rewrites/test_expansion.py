"""rewrites/expansion.py: tables of rules, their order, and that they end."""

from __future__ import annotations

import pytest

from tvm_hlo_frontend.hlo.ir.attributes import CustomCallAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites.capabilities import Capabilities
from tvm_hlo_frontend.rewrites.emit import Emitter
from tvm_hlo_frontend.rewrites.expansion import Expansion, assembled, expand

NOTHING = Capabilities(frozenset())


def into(*opcodes, **options):
    """The opcodes one after the other."""

    def rule(builder, old, operands):
        value, emit = operands[0], Emitter(builder, old.metadata)
        for opcode in opcodes:
            value = emit(opcode, value)
        return value

    return Expansion(rule, **options)


def stays(builder, old, operands):
    return None


def program(*opcodes, target=""):
    builder = ComputationBuilder("main")
    value = builder.parameter(0, array_shape("f32", (3,)))
    for opcode in opcodes:
        attributes = CustomCallAttributes(target) if opcode == "custom-call" else None
        value = builder.add(opcode, [value], value.shape, attributes)
    return module("program", builder.build(value))


def opcodes_of(hlo):
    return [instruction.opcode for instruction in verify(hlo).entry.instructions[1:]]


# id -> (table, opcodes of the program, what they become)
CASES = {
    "one": ({"sine": into("cosine")}, ["tanh", "sine"], ["tanh", "cosine"]),
    "what a rule adds": (
        {"sine": into("cosine", "tanh"), "tanh": into("negate", "abs")},
        ["sine"],
        ["cosine", "negate", "abs"],
    ),
    "a rule adds its own opcode": ({"sine": into("negate", "sine")}, ["sine", "sine"], ["negate", "sine"] * 2),
    "rules that add each other": (
        {"sine": into("cosine", "sine"), "cosine": into("negate", "sine")},
        ["sine", "cosine"],
        ["negate", "sine", "sine", "negate", "cosine", "sine"],
    ),
    "a rule that declines": ({"sine": Expansion(stays), "cosine": into("sine")}, ["cosine", "tanh"], ["sine", "tanh"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_rules_make_of_a_program(name):
    table, opcodes, wanted = CASES[name]
    assert opcodes_of(expand(program(*opcodes), NOTHING, table)) == wanted


def test_the_second_rule_sees_the_new_operands_and_the_old_instruction():
    seen = []

    def watch(builder, old, operands):
        seen.append((old.operands[0].opcode, operands[0].opcode))

    expand(program("sine", "tanh"), NOTHING, {"sine": into("cosine"), "tanh": Expansion(watch)})
    assert seen == [("sine", "cosine")]


@pytest.mark.parametrize(
    "table",
    [{"cosine": into("sine")}, {"sine": into("cosine", takes=lambda instruction: instruction.shape.rank > 1)}],
    ids=["another opcode", "not taken"],
)
def test_a_module_without_what_rules_take_is_handed_back(table):
    hlo = program("sine")
    assert expand(hlo, NOTHING, table) is hlo


@pytest.mark.parametrize(
    ("target", "converted", "wanted"),
    [("a", [], "sine"), ("b", [], "cosine"), ("a", ["a"], "custom-call"), ("b", ["b"], "custom-call")],
)
def test_custom_calls_by_target_or_else_all_unless_they_have_a_converter(target, converted, wanted):
    table = {"custom-call:a": into("sine"), "custom-call": into("cosine")}
    hlo = expand(program("custom-call", target=target), Capabilities(frozenset(), targets=frozenset(converted)), table)
    assert opcodes_of(hlo) == [wanted]


def test_two_expansions_of_one_opcode_are_refused():
    with pytest.raises(ValueError, match="two expansions of sine"):
        assembled({"sine": into("cosine")}, {"tanh": into("cosine"), "sine": into("tanh")})
