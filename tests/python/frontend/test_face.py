"""What a user sees of the package itself: names, types, errors that travel between processes."""

from __future__ import annotations

import importlib
import importlib.resources
import json
import pickle
import re
import subprocess
import sys

import pytest
import tvm
from tools import public_names

import tvm_hlo_frontend
from tests.support.processes import run_script
from tvm_hlo_frontend import Refusal, UnsupportedHloError, from_hlo
from tvm_hlo_frontend.deprecated import RENAMED

REFUSED = """HloModule m ENTRY e { t = token[] after-all() i = ((f32[2]), token[]) infeed(t)
  d = (f32[2]) get-tuple-element(i), index=0 ROOT x = f32[2] get-tuple-element(d), index=0 }"""
# TVM cannot be imported there
WITHOUT_TVM = """
import pickle, sys
sys.modules["tvm"] = None
error = pickle.loads(sys.stdin.buffer.read())
from tvm_hlo_frontend import UnsupportedHloError
assert isinstance(error, UnsupportedHloError) and not any(name.startswith("tvm.") for name in sys.modules)
sys.stdout.buffer.write(pickle.dumps(error))
"""

UPDATE = "if that is meant (docs/stable.md), run python -m tools.public_names and say it in CHANGELOG.md"


def raised():
    with pytest.raises(UnsupportedHloError) as caught:
        from_hlo(REFUSED)
    return caught.value


def test_every_public_name_is_listed_and_there():
    assert set(tvm_hlo_frontend.__all__) <= set(dir(tvm_hlo_frontend))
    for name in ("LoweringError", "Refusal", "Executable", "Signature", "build", "from_jax"):
        assert name in tvm_hlo_frontend.__all__ and getattr(tvm_hlo_frontend, name).__name__ == name


def test_the_package_says_that_it_has_types():
    assert importlib.resources.files("tvm_hlo_frontend").joinpath("py.typed").is_file()


def test_the_error_is_one_class_of_tvm_and_pickles():
    first, second = raised(), raised()
    assert type(first) is type(second) and isinstance(first, tvm.error.OpNotImplemented)
    again = pickle.loads(pickle.dumps(first))
    assert type(again) is type(first) and again.refusals == first.refusals and str(again) == str(first)
    assert [refusal.opcode for refusal in again.refusals] == ["infeed"]


def test_the_error_pickles_to_a_process_without_tvm_and_back():
    error = raised()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TVM], input=pickle.dumps(error), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    again = pickle.loads(done.stdout)
    assert type(again) is type(error) and str(again) == str(error)
    plain = UnsupportedHloError((Refusal("x", "infeed", "e", "why"),))
    assert pickle.loads(pickle.dumps(plain)).refusals == plain.refusals


def test_stable_names_and_signatures_are_those_of_the_list():
    changed = public_names.changes(json.loads(public_names.LIST.read_text()), public_names.public_names())
    assert not changed, "\n".join([*changed, UPDATE])


def test_the_comparison_says_what_changed():
    before = {"m": {"f": "function(a)", "g": "function()", "C": {"": "class()", "x": "attribute"}}}
    now = {"m": {"f": "function(a, b)", "C": {"": "class()"}, "h": "alias"}}
    assert public_names.changes(before, now) == [
        "gone: m.g", "gone: m.C.x", "new: m.h", "changed: m.f: function(a) -> function(a, b)",
    ]  # fmt: skip


def test_extensions_import_tvm_when_they_ask_for_it():
    program = """
import sys
from tvm_hlo_frontend.extend import converter, Tensor, KernelSpec
assert "tvm" not in sys.modules
from tvm_hlo_frontend.extend import kernel, tir
assert tir.const(1, "int32").value == 1 and "tvm" in sys.modules
"""
    done = run_script(program)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_warns_and_gives_the_module_that_it_is_now(old, monkeypatch):
    name, new = (f"tvm_hlo_frontend.{given}" for given in (old, RENAMED[old]))
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.warns(
        DeprecationWarning, match=re.escape(f"{name} is {new} now; the old name goes with 0.3")
    ) as caught:
        module = importlib.import_module(name)
    assert module is importlib.import_module(new) and module.__spec__.name == new
    assert len(caught) == 1


def test_the_warning_points_at_the_import(tmp_path):
    program = tmp_path / "extension.py"
    program.write_text(
        "import sys\n\nfrom tvm_hlo_frontend.kernels.spec import KernelSpec\nimport tvm_hlo_frontend.registry\n"
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "extension.py:4: DeprecationWarning" in done.stderr, done.stderr
