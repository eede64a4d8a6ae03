"""Rules 77 to 85: control flow, tuples, calls, tokens, custom-calls, the entry."""

from __future__ import annotations

from .model import Break, Rule


def structure(name: str) -> tuple[str, ...]:
    return (f"test_structure.py::{name}",)


RULES = (
    Rule(77, "conditional: true is branch 0; an index out of range on either side is the last branch", (
        Break(
            "choose_branch",
            '("LT", "UNSIGNED"))',
            '("LT", "SIGNED"))',
            ("test_control_flow.py::test_rule_77_index_out_of_range_takes_the_last_branch[-1]",),
        ),
        Break(
            "RelayDialect.conditional",
            "        return self._functions.unpack(relay.If(predicate.expr, *branches), ",
            "        return self._functions.unpack(relay.If(predicate.expr, *branches[::-1]), ",
            ("test_control_flow.py::test_rule_77_pred_true_is_branch_0",),
        ),
    )),
    Rule(78, "while looks at its condition first: no trips return the initial state", (
        Break(
            "while_loop.while_loop",
            "        look()\n        with loops.repeat(going[0] != 0):",
            "        going[0] = 1\n        with loops.repeat(going[0] != 0):",
            ("test_control_flow.py::test_loops_that_are_not_unrolled[one kernel-rule_78 while, zero trips]",),
        ),
        Break(
            "loops.while_loop",
            "    start = flagged(state)",
            "    start = flagged(body(state))",
            ("test_control_flow.py::test_rule_78_loops_run_as_often_as_their_conditions_say[1]",),
        ),
        Break(
            "run_loop",
            "    look()\n    with loops.repeat(going[0] != 0):",
            "    going[0] = 1\n    with loops.repeat(going[0] != 0):",
            structure("test_rule_78_a_loop_of_dots_without_trips[0]"),
        ),
    )),
    Rule(79, "tuples: nested, of any producer, with unused elements; elements in order", (
        Break(
            "unflatten",
            "    return tensors.pop(0)",
            "    return tensors.pop()",
            structure("test_rule_79_elements_of_tuples_keep_their_order"),
        ),
    )),
    Rule(80, "a computation that is called twice is two computations; shared values are converted once", (
        Break(
            "RewriteBuilder.inline",
            "        new: dict[HloInstruction, HloInstruction] = {}\n"
            "        for instruction in self.rewritten(computation).instructions:",
            '        new: dict[HloInstruction, HloInstruction] = self.__dict__.setdefault("inlined", {})\n'
            "        for instruction in [] if self.rewritten(computation).root in new else "
            "self.rewritten(computation).instructions:",
            structure("test_rule_80_a_computation_called_twice"),
        ),
        Break(
            "RewriteBuilder.inline",
            "                new[instruction] = arguments[instruction.attributes.number]",
            "                new[instruction] = arguments[-1 - instruction.attributes.number]",
            structure("test_rule_80_a_computation_called_twice"),
        ),
    )),
    Rule(81, "asynchronous pairs: the result is element 1 of what was started", (
        Break(
            "asynchronous.EXPANSIONS",
            '"collective-permute-done": Expansion(_part(1)',
            '"collective-permute-done": Expansion(_part(0)',
            structure("test_rule_81_the_result_of_what_was_started_is_element_1"),
        ),
    )),
    Rule(82, "tokens order nothing and hold nothing; exchanges with the host are refused", (
        Break(
            "REFUSED_OPCODES",
            '    "infeed": _HOST,\n',
            "",
            structure("test_rule_82_exchanges_with_the_host_are_refused"),
        ),
        Break(
            "convert_add_dependency",
            '@table.converter("add-dependency", how="identity")',
            '@table.converter(how="identity")',
            structure("test_rule_82_tokens_in_the_state_of_a_loop"),
        ),
    )),
    Rule(83, "annotations of devices and memory hand their operand over, unless it is split", (
        Break(
            "ANNOTATIONS",
            '        "MoveToHost",\n',
            "",
            ("test_collectives.py::test_rule_83_annotations[MoveToHost]",),
        ),
        Break(
            "annotations._handed_over",
            "    return operands[0] if _same([shape], given) else None",
            "    return operands[0]",
            structure("test_rule_83_a_tensor_split_over_devices_is_refused"),
        ),
    )),
    Rule(84, "an unknown custom-call is refused with its target, API version and side effects", (
        Break(
            "missing_reason",
            "({attributes.api_version}{effect})",
            "({effect})",
            structure("test_rule_84_the_message_on_an_unknown_custom_call"),
        ),
        Break(
            "REFUSED_TARGETS",
            '    "PadToStatic": _DYNAMIC,\n',
            "",
            structure("test_rule_84_custom_calls_that_are_known_to_be_impossible"),
        ),
    ), refused=True),
    Rule(85, "arguments are parameters by number; unused ones stay", (
        Break(
            "HloComputation.parameters",
            "        return tuple(sorted(found, key=lambda i: i.attributes_as(ParameterAttributes).number))",
            "        return tuple(found)",
            structure("test_rule_85_arguments_are_parameters_by_number"),
        ),
        Break(
            "live_instructions",
            'if instruction in live or instruction.opcode == "parameter" or has_side_effect(instruction):',
            "if instruction in live or has_side_effect(instruction):",
            structure("test_rule_85_arguments_are_parameters_by_number"),
        ),
    )),
)  # fmt: skip
