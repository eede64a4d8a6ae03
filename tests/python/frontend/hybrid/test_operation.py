"""The operation TvmCluster: types, shapes, memory, cuts and errors."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.support.bounded import BoundedCase, arrays, built
from tvm_hlo_frontend import build, from_tensorflow
from tvm_hlo_frontend.backends.select import installed_dialect, mod_and_params
from tvm_hlo_frontend.hybrid.bridge import operation

tf = pytest.importorskip("tensorflow")
if installed_dialect() != "relax":
    pytest.skip("TvmCluster runs what Relax compiles", allow_module_level=True)
if not any(map(shutil.which, operation.COMPILERS)):
    pytest.skip("there is no C++ compiler", allow_module_level=True)

TYPES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 half float32 float64 bfloat16 complex64 complex128".split()
)


def exported(function, specs, folder):
    """Library of a function, and its Executable."""
    made = build(*mod_and_params(from_tensorflow(tf.function(function), *specs)))
    path = folder / f"cluster_{len(list(folder.iterdir()))}.so"  # a library that is loaded keeps its path
    made.export_library(path)
    return path, made


@pytest.mark.parametrize("name", TYPES)
def test_elements_of_all_types_and_shapes(name, tmp_path):
    dtype = tf.as_dtype(name)
    for shape in ((3, 5), (), (0, 4)):
        spec = tf.TensorSpec(shape, dtype)
        path, run = exported(lambda x: (x, tf.stack([x, x])), [spec], tmp_path)
        value = tf.cast(np.random.default_rng(0).integers(0, 2 if name == "bool" else 100, shape), dtype)
        got = operation.tvm_cluster([value], path, [dtype, dtype], [shape, (2, *shape)])
        for mine, want in zip(got, run(value.numpy())):
            assert mine.dtype == dtype and mine.shape == want.shape
            assert mine.numpy().tobytes() == want.tobytes()


def test_an_input_anywhere_in_memory(tmp_path):
    path, _ = exported(lambda x: x * 2, [tf.TensorSpec([8])], tmp_path)
    for start in range(4):
        value = tf.constant(np.arange(16, dtype="float32"))[start : start + 8]
        (got,) = operation.tvm_cluster([value], path, [tf.float32], [(8,)])
        assert np.array_equal(got, 2 * value)


def test_results_do_not_change_when_the_next_call_or_tensorflow_writes(tmp_path):
    path, _ = exported(lambda x: (x * 0 + 1, tf.ones([4])), [tf.TensorSpec([4])], tmp_path)

    @tf.function
    def more(x):
        computed, constant = operation.tvm_cluster([x], path, [tf.float32] * 2, [(4,), (4,)])
        return computed + 1, constant + 1

    for _ in range(3):
        assert [each.numpy().tolist() for each in more(tf.zeros([4]))] == [[2.0] * 4] * 2


def test_rule_90_outputs_are_cut(tmp_path):
    case = BoundedCase("cut", "r = f32[3,<=6] negate(w) ROOT s = (f32[<=6,3], f32[3,<=6]) tuple(x, r)", None)
    run, path = built(case), tmp_path / "cut.so"
    run.export_library(path)
    for m, n in ((4, 2), (0, 6), (6, 0), (1, 1), (6, 6)):
        given = arrays(m, n)
        got = operation.tvm_cluster(given, path, [tf.float32] * 2, [(None, 3), (3, None)], run.signature.cuts)
        for mine, want in zip(got, run(*given)):
            np.testing.assert_array_equal(mine, want)


ERRORS = {
    "there is no such file": (lambda path: dict(library=path.with_name("none.so")), "none.so"),
    "other shape": (lambda path: dict(inputs=[tf.zeros([5])]), "5"),
    "other type": (lambda path: dict(inputs=[tf.zeros([4], tf.int32)]), "int32"),
    "too many inputs": (lambda path: dict(inputs=[tf.zeros([4])] * 2), "argument"),
    "too many outputs": (lambda path: dict(output_types=[tf.float32] * 2), "returned 1"),
    "other output": (lambda path: dict(output_types=[tf.int32]), "int32"),
}


@pytest.mark.parametrize("what", ERRORS)
def test_misuse_is_an_error_of_tensorflow(what, tmp_path):
    path, _ = exported(lambda x: x + 1, [tf.TensorSpec([4])], tmp_path)
    changed, message = ERRORS[what]
    given = {"inputs": [tf.zeros([4])], "library": path, "output_types": [tf.float32], **changed(path)}
    with pytest.raises(tf.errors.OpError) as caught:
        operation.tvm_cluster(**given)
    assert message in str(caught.value)
    (got,) = operation.tvm_cluster([tf.zeros([4])], path, [tf.float32])
    assert got.numpy().tolist() == [1.0] * 4


def test_without_a_compiler_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("TVM_HLO_FRONTEND_CACHE", str(tmp_path))
    with pytest.raises(operation.CompilerMissingError, match="install one or set CXX"):
        operation.compiled_operation()


def test_a_process_without_tvm_s_python(tmp_path):
    path, _ = exported(lambda x: x + 1, [tf.TensorSpec([4])], tmp_path)
    program = f"""
import sys
sys.modules["tvm"] = None
import tensorflow as tf
from tvm_hlo_frontend.hybrid.bridge import operation
operations = tf.load_op_library({str(operation.compiled_operation())!r})
(got,) = operations.tvm_cluster(
    inputs=[tf.zeros([4])], library={str(path)!r}, Tout=[tf.float32]
)
print(got.numpy().tolist())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout.strip() == "[1.0, 1.0, 1.0, 1.0]", done.stderr[-2000:]
