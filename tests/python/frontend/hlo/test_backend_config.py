"""Options of custom-calls."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tvm_hlo_frontend.hlo.ir.backend_config import parse_backend_config


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", {}),
        ("{}", {}),
        ("opaque bytes", {}),
        ("{uplo = 76 : ui8, n = -3 : i64}", {"uplo": 76, "n": -3}),
        (
            "{eps = 9.99999974E-6 : f32, flag = true, other = false}",
            {"eps": 9.99999974e-6, "flag": True, "other": False},
        ),
        ('{name = "a \\22b\\22, {c} = \\\\", n = 1 : i32}', {"name": 'a "b", {c} = \\', "n": 1}),
        ("{d = {a = 1 : i32, b = {c = 2 : i32}}, e = 3 : i8}", {"d": {"a": 1, "b": {"c": 2}}, "e": 3}),
        ("{arr = dense<[1, 2]> : tensor<2xi64>, l = [1, 2]}", {"arr": "dense<[1, 2]> : tensor<2xi64>", "l": "[1, 2]"}),
        ("{low = 0xFF800000 : f32, high = 0x7FF0000000000000 : f64}", {"low": -math.inf, "high": math.inf}),
        ('{"n": 4, "upper": true, "name": "x, y"}', {"n": 4, "upper": True, "name": "x, y"}),
        ('{"n": broken', {}),
        ("{unit, n = 1 : i32}", {"unit": True, "n": 1}),
    ],
)
def test_options(text, wanted):
    assert parse_backend_config(text.encode()) == wanted


def test_nan():
    assert math.isnan(parse_backend_config(b"{x = 0x7FC00000 : f32}")["x"])


def test_what_jax_writes():
    jax = pytest.importorskip("jax")
    from tvm_hlo_frontend.hlo.proto.reader import read

    options = {"eps": np.float32(0.125), "axis": -1, "flag": True, "name": 'a "quoted" name', "low": np.float32("-inf")}

    def call(x):
        return jax.ffi.ffi_call("anything", jax.ShapeDtypeStruct(x.shape, x.dtype))(x, **options)

    hlo = jax.jit(call).lower(np.ones(3, "float32")).compiler_ir("hlo")
    (instruction,) = (i for i in read(hlo).entry.instructions if i.opcode == "custom-call")
    assert instruction.attributes.options == options
