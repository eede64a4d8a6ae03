"""The registry: one mechanism for built-in and users' converters; bad registrations are refused."""

from __future__ import annotations

import numpy as np
import pytest

import tvm_hlo_frontend
from tests.support.processes import run_script
from tvm_hlo_frontend import RegistryError, converter, custom_call_converter
from tvm_hlo_frontend.convert import table as converters
from tvm_hlo_frontend.convert.rules import ConverterTable
from tvm_hlo_frontend.convert.table import registered, with_custom
from tvm_hlo_frontend.hlo.shape_inference.rules import RuleTable
from tvm_hlo_frontend.kernels import library
from tvm_hlo_frontend.kernels.elementwise.scalar.table import ScalarTable
from tvm_hlo_frontend.kernels.library import kernel
from tvm_hlo_frontend.kernels.spec import KernelSpec
from tvm_hlo_frontend.kernels.table import KernelTable

# in a process in which nothing was converted yet
FIRST = """
import sys
import tvm_hlo_frontend as thf

for decorate, key in ((thf.converter, "negate"), (thf.custom_call_converter, "TopK")):
    try:
        decorate(key)(lambda ctx, instruction, x: x)
    except thf.RegistryError as error:
        print(error)
    else:
        sys.exit(f"{key} was taken")
if "tvm" in sys.modules:
    sys.exit("TVM was imported")
from tvm_hlo_frontend.kernels.library import kernel
try:
    kernel("sort", "extern")(lambda spec, inputs, results: [])
except thf.RegistryError as error:
    print(error)
else:
    sys.exit("kernel sort was taken")
text = "HloModule m ENTRY e { x = f32[2] parameter(0) ROOT y = f32[2] negate(x) }"
mod, params = thf.mod_and_params(thf.from_hlo(text))
print(thf.build(mod, params)(__import__("numpy").array([1, 2], "float32")))
"""


def test_unknown_opcode_is_refused():
    with pytest.raises(RegistryError, match="not an HLO opcode"):
        converter("adds")


def test_duplicate_is_refused():
    registered()
    with pytest.raises(RegistryError, match="already has the converter"):
        converter("tuple")(lambda ctx, instruction, *operands: operands)


def test_what_is_built_in_is_refused_at_once_and_harms_nothing():
    done = run_script(FIRST)
    assert done.returncode == 0, (done.stdout, done.stderr)
    refused = done.stdout.splitlines()
    assert refused[0].startswith("'negate' already has the converter convert_unary of tvm_hlo_frontend.convert.ops")
    assert refused[1].startswith("'custom-call:TopK' already has the converter ")
    assert refused[2].startswith(
        "a kernel of this package is called 'sort' already: tvm_hlo_frontend.kernels.indexing.sort"
    )
    assert refused[3] == "[-1. -2.]"


def test_tables_that_declare_the_same_are_refused():
    one, two = ConverterTable(), ConverterTable()
    for table in (one, two):
        table.converter("add")(lambda ctx, instruction, x, y: x)
    with pytest.raises(RegistryError, match=r"'add' already has the converter <lambda> of .*test_registry"):
        ConverterTable.of(one, two)
    kernels = KernelTable()
    kernels.kernel("mine", "extern")(lambda spec, inputs, results: [])
    with pytest.raises(RegistryError, match="a kernel is called 'mine' already"):
        KernelTable.of(kernels, kernels)
    scalars, rules = ScalarTable(), RuleTable()
    scalars.scalar("add", kinds=("pred",))(lambda scope, node, x, y: x)
    rules.infers("add")(lambda query: None)
    with pytest.raises(RegistryError, match="declared twice"):
        ScalarTable.of(scalars, scalars)
    with pytest.raises(RegistryError, match="two rules for the shape of add"):
        RuleTable.of(rules, rules)
    with pytest.raises(RegistryError, match="no kernel can be called 'main'"):
        kernel("main", "extern")(lambda spec, inputs, results: [])
    with pytest.raises(RegistryError, match="'map3' is no kernel class"):
        kernel("another", "map3")(lambda spec, inputs, results: [])


# what a notebook's cell defines: run again, the same names are defined anew
CELL = """
@custom_call_converter("cell_scale")
@converter("infeed")
def convert_scale(ctx, instruction, x):
    return ctx.map("multiply", "f32", [x, ctx.scalar(FACTOR, "f32")])


@kernel("cell.nothing", "extern")
def nothing(spec, inputs, results):
    return [FACTOR]
"""


def run_cell(text, factor):
    exec(compile(text, "<cell>", "exec"), {**globals(), "__name__": "__main__", "FACTOR": factor})


def test_what_is_defined_again_under_its_name_is_replaced(monkeypatch):
    for table in (converters._OWN, library._OWN):
        monkeypatch.setattr(table, "entries", dict(table.entries))
    x = np.ones(2, "float32")
    call = 'custom-call(x), custom_call_target="cell_scale"'
    text = f"HloModule m ENTRY e {{ x = f32[2] parameter(0) ROOT y = f32[2] {call} }}"
    for factor in (2, 3):
        run_cell(CELL, factor)
        mod, params = tvm_hlo_frontend.mod_and_params(tvm_hlo_frontend.from_hlo(text))
        np.testing.assert_array_equal(tvm_hlo_frontend.build(mod, params)(x), factor * x)
        assert library.definition(KernelSpec("cell.nothing", {})).compute(None, [], []) == [factor]
        assert registered()["infeed"].convert is registered()["custom-call:cell_scale"].convert
    for name in ("convert_scale", "nothing"):
        with pytest.raises(RegistryError, match=f"already.*{name}"):
            run_cell(CELL.replace(f"def {name}", f"def another_{name}"), 5)
    kept = registered()["custom-call:cell_scale"]
    with pytest.raises(RegistryError, match="already has the converter"):
        run_cell(CELL.replace('"infeed"', '"infeed", "add"'), 5)
    assert registered()["custom-call:cell_scale"] is kept


def test_bad_signature_is_refused():
    with pytest.raises(RegistryError, match="must take"):
        custom_call_converter("bad_signature")(lambda ctx: None)


def test_custom_converters_override_without_registering():
    def convert(ctx, instruction, *operands):
        return operands[0]

    table = with_custom({"add": convert, "my_target": convert})
    assert table["add"].convert is convert and table["custom-call:my_target"].convert is convert
    assert registered()["add"].convert is not convert and "custom-call:my_target" not in registered()
