"""What a user sees of the package itself: names, types, errors that travel between processes."""

from __future__ import annotations

import importlib.resources
import pickle
import subprocess
import sys

import pytest
import tvm

import tvm_hlo_frontend
from tvm_hlo_frontend import Refusal, UnsupportedHloError, from_hlo

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
