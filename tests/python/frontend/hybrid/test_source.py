"""The flat graph of a program: what called functions take and wait for, and variables as constants."""

from __future__ import annotations

import pytest

from tvm_hlo_frontend.hybrid.source import freeze_variables, take_directly

tf = pytest.importorskip("tensorflow")


def definition(*nodes):
    """GraphDef of (name, operation, inputs)."""
    made = tf.compat.v1.GraphDef()
    for name, op, inputs in nodes:
        node = made.node.add(name=name, op=op, input=inputs.split())
        if op == "Identity":
            node.attr["T"].type = (tf.resource if "handle" in inputs else tf.float32).as_datatype_enum
        if op in ("ReadVariableOp", "ResourceGather"):
            node.attr["dtype"].type = tf.float32.as_datatype_enum
    return made


def inputs_of(made):
    return {node.name: " ".join(node.input) for node in made.node}


def test_variables_are_taken_from_their_placeholder_and_the_order_is_kept():
    made = definition(
        ("handle", "Placeholder", ""),
        ("x", "Placeholder", ""),
        ("effect", "NoOp", "^x"),
        ("handle_inner", "Identity", "handle_outer ^later"),  # before what it reads
        ("handle_outer", "Identity", "handle:0 ^effect"),
        ("later", "NoOp", "^handle_outer"),
        ("read", "ReadVariableOp", "handle_inner ^x"),
        ("same", "Identity", "x ^handle_inner"),
    )
    take_directly(made, {"handle": None}, {"same"})
    assert inputs_of(made) == {
        "handle": "",
        "x": "",
        "effect": "^x",
        "later": "^effect",
        "read": "handle ^later ^effect ^x",
        "same": "x ^later ^effect",
    }


def test_what_takes_a_constant_waits_in_its_place():
    made = definition(
        ("effect", "NoOp", ""),
        ("one", "Const", "^effect"),
        ("two", "Const", "^one"),
        ("kept", "Const", "^effect"),
        ("sum", "AddV2", "one two"),
        ("behind", "NoOp", "^two"),
    )
    take_directly(made, {}, {"kept"})
    assert inputs_of(made) == {
        "effect": "",
        "one": "",
        "two": "",
        "kept": "^effect",
        "sum": "one two ^effect",
        "behind": "^effect",
    }


def test_outputs_that_hand_on_a_variable_stay():
    made = definition(
        ("handle", "Placeholder", ""), ("handle_out", "Identity", "handle"), ("read", "ReadVariableOp", "handle_out")
    )
    take_directly(made, {"handle": None}, {"handle_out"})
    assert inputs_of(made)["read"] == "handle_out"


def test_nothing_waits_for_a_variable_that_is_a_constant():
    variable = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    made = definition(
        ("handle", "Placeholder", ""),
        ("i", "Placeholder", ""),
        ("effect", "NoOp", ""),
        ("gather", "ResourceGather", "handle i ^effect"),
        ("read", "ReadVariableOp", "handle ^gather"),
        ("behind", "NoOp", "^read ^gather"),
        ("next", "Neg", "gather ^behind"),
    )
    made.node[3].attr["Tparams"].type = tf.float32.as_datatype_enum
    freeze_variables(made, {"handle": variable.handle}, set())
    found = inputs_of(made)
    assert found["behind"] == "^effect" and found["next"] == "gather ^behind"
    assert found["gather"].startswith("handle/frozen i gather/axis")
    assert "read" not in found
