"""The report counts what became of each instruction in the dialect at hand, not what its converter says of itself."""

from __future__ import annotations

import pytest
from tools.support.compare import DIALECT

from tvm_hlo_frontend import from_hlo, mod_and_params, report_of

HEAD = "HloModule m\n"
STEP = (
    "s { t = f32[4,4] parameter(0) ROOT d = f32[4,4] dot(t, t), lhs_contracting_dims={1}, rhs_contracting_dims={0} }\n"
)
SORTED = (
    "g { a = f32[] parameter(0) b = f32[] parameter(1) ROOT l = pred[] compare(a, b), direction=LT }\n"
    "s { t = f32[4,4] parameter(0) ROOT d = f32[4,4] sort(t), dimensions={0}, to_apply=g }\n"
)
AGAIN = (
    "c { t = f32[4,4] parameter(0) s = f32[1,1] slice(t), slice={[0:1], [0:1]} r = f32[] reshape(s) "
    "one = f32[] constant(1) ROOT p = pred[] compare(r, one), direction=LT }\n"
)
# HLO of one instruction that counts -> what becomes of it in Relay and in Relax
CASES = {
    "a dot is an operator of Relay, and a kernel in Relax": (
        "ENTRY e { x = f32[512,256] parameter(0) w = f32[1024,256] parameter(1) "
        "ROOT r = f32[512,1024] dot(x, w), lhs_contracting_dims={1}, rhs_contracting_dims={1} }",
        {"dot": ("native", "kernel")},
    ),
    "an operator behind its own movement is that operator": (
        "ENTRY e { x = f32[256,512] parameter(0) w = f32[256,1024] parameter(1) "
        "ROOT r = f32[512,1024] dot(x, w), lhs_contracting_dims={0}, rhs_contracting_dims={0} }",
        {"dot": ("native", "kernel")},
    ),
    "arithmetic": (
        "ENTRY e { x = f32[4] parameter(0) y = f32[4] parameter(1) ROOT r = f32[4] add(x, y) }",
        {"add": ("native", "native")},
    ),
    "a sort": (
        "g { a = f32[] parameter(0) b = f32[] parameter(1) ROOT l = pred[] compare(a, b), direction=LT }\n"
        "ENTRY e { x = f32[4] parameter(0) ROOT r = f32[4] sort(x), dimensions={0}, to_apply=g }",
        {"sort": ("kernel", "kernel")},
    ),
    "a copy": (
        "ENTRY e { x = f32[4] parameter(0) ROOT r = f32[4] copy(x) }",
        {"copy": ("identity", "identity")},
    ),
    "a loop is counted apart from what is in it": (
        (
            SORTED + AGAIN + "ENTRY e { x = f32[4,4] parameter(0) ROOT r = f32[4,4] while(x), condition=c, body=s }"
        ).replace(
            "4,4",
            "1024,1024",  # more than one thread should sort
        ),
        {"while": ("native", "native"), "sort": ("kernel", "kernel")},
    ),
    "a loop that is one kernel": (
        STEP + AGAIN + "ENTRY e { x = f32[4,4] parameter(0) ROOT r = f32[4,4] while(x), condition=c, body=s }",
        {"while": ("kernel", "kernel")},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_became_of_an_instruction(name):
    text, wanted = CASES[name]
    converted = report_of(mod_and_params(from_hlo(HEAD + text))[0]).converted
    became = {opcode: how[DIALECT == "relax"] for opcode, how in wanted.items()}
    for opcode, how in became.items():
        assert converted.get(f"{opcode}: {how}"), f"{opcode} ought to be {how}:\n{text}\n{converted}"
        others = [key for key in converted if key.startswith(f"{opcode}: ") and key != f"{opcode}: {how}"]
        assert not others, f"{others}:\n{text}"
