"""The registry: one mechanism for built-in and users' converters; bad registrations are refused."""

from __future__ import annotations

import pytest

from tvm_hlo_frontend import RegistryError, converter, custom_call_converter
from tvm_hlo_frontend.registry import registered, with_custom


def test_unknown_opcode_is_refused():
    with pytest.raises(RegistryError, match="not an HLO opcode"):
        converter("adds")


def test_duplicate_is_refused():
    registered()
    with pytest.raises(RegistryError, match="already has the converter"):
        converter("tuple")(lambda ctx, instruction, *operands: operands)


def test_bad_signature_is_refused():
    with pytest.raises(RegistryError, match="must take"):
        custom_call_converter("bad_signature")(lambda ctx: None)


def test_custom_converters_override_without_registering():
    def convert(ctx, instruction, *operands):
        return operands[0]

    table = with_custom({"add": convert, "my_target": convert})
    assert table["add"].convert is convert and table["custom-call:my_target"].convert is convert
    assert registered()["add"].convert is not convert and "custom-call:my_target" not in registered()
