"""SECURITY.md, sentence by sentence: which test proves it, here or elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import tvm_hlo_frontend
from tvm_hlo_frontend import HloParseError, HloVerificationError, SignatureError
from tvm_hlo_frontend.cli.arrays import read_npz
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.proto.writer import to_proto

ROOT = Path(__file__).resolve().parents[2]
X = np.arange(4, dtype=np.float32)

# words of a sentence -> the test of it, by file and name
PROOFS = {
    "says which one is wrong": "frontend/hlo/test_hlo_reader.py::test_damaged_modules_are_read_or_refused",
    "refuses a module that contradicts itself": "test_security.py::test_a_module_that_contradicts_itself",
    "custom-calls whose operands or options are not those of their target": (
        "frontend/test_hostile_modules.py::test_custom_calls_that_no_target_takes_are_refused"
    ),
    "A module that is larger than the limits": "frontend/hlo/test_limits.py::test_beyond_a_limit_the_error_names_it",
    "parsers run in a process of their own": (
        "frontend/hlo/test_hlo_reader.py::"
        "test_text_that_ends_jaxlib_is_one_error_and_not_the_end_of_the_process"
    ),
    "or take more of a processor than 8 seconds": (
        "frontend/frameworks/test_jax_export.py::test_a_parser_that_never_ends_is_stopped"
    ),
    "JAX itself sees only what that process has parsed": (
        "frontend/frameworks/test_jax_export.py::test_a_file_is_parsed_in_a_process_of_its_own"
    ),
    "Read without pickle": "test_security.py::test_numpy_files_are_read_without_pickle",
    "names, types and shapes are compared with the module's": "test_security.py::test_numpy_files_that_are_damaged",
    "Types and shapes are compared with the signature": "test_security.py::test_arrays_that_do_not_fit",
    "Indices that a module reads from its inputs are clamped or dropped": (
        "frontend/convert/test_dynamic_slices.py::test_rule_40_starts_are_clamped"
    ),
    "Compiled code stays within its buffers": (
        "tools/test_sanitize.py::test_kernels_stay_within_their_buffers_and_wrong_ones_are_caught"
    ),
    "appear as a whole or not at all": (
        "frontend/deploy/test_whole_files.py::test_a_full_disk_leaves_nothing_half_written"
    ),
    "There is the old file or the new one": (
        "frontend/test_faults.py::test_a_process_that_is_killed_leaves_nothing_that_is_read"
    ),
    "The process keeps the old one": (
        "frontend/deploy/test_whole_files.py::test_a_program_that_runs_keeps_the_library_that_it_has_loaded"
    ),
    "the next build waits for that": (
        "frontend/test_faults.py::test_an_interrupted_build_ends_before_the_next_begins"
    ),
    "Conversion, build and call work again in the same process": (
        "frontend/test_faults.py::test_after_an_interrupt_anywhere_the_next_conversion_works"
    ),
    "A parser's process is ended": "frontend/test_faults.py::test_an_interrupt_ends_the_process_of_a_parser",
    "an error of this package or of TVM, and no file": (
        "frontend/test_faults.py::test_out_of_memory_is_an_error_and_leaves_no_file"
    ),
    "the process that parses text ends or is killed": (
        "frontend/test_faults.py::test_a_parser_whose_process_ends_is_one_error"
    ),
    "the process forks": "frontend/test_faults.py::test_forked_processes_call_what_their_parent_has_called",
    "must not end the process": "tools/test_mutate.py::test_mutated_inputs_are_converted_or_refused",
    "Names that come from a module are escaped in HTML and SVG": (
        "frontend/drawing/test_drawing.py::test_text_fits_its_box_and_strange_names_are_escaped"
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", PROOFS)
def test_each_sentence_is_there_and_has_a_test(sentence):
    text = re.sub(r"\s+", " ", (ROOT / "SECURITY.md").read_text())
    assert sentence in text
    path, _, name = PROOFS[sentence].partition("::")
    assert f"def {name}" in (Path(__file__).parent / path).read_text()


def twice():
    builder = ComputationBuilder("main")
    value = builder.parameter(0, array_shape("f32", (4,)), name="x")
    return module("twice", builder.build(builder.add("add", [value, value], name="sum")))


def test_a_module_that_contradicts_itself():
    data = to_proto(twice()).replace(b"add", b"not")
    with pytest.raises(HloVerificationError, match="sum: expected"):
        tvm_hlo_frontend.from_hlo(data)
    with pytest.raises(HloParseError):
        read(b"\xff" * 40)


def test_numpy_files_are_read_without_pickle(tmp_path):
    path = tmp_path / "objects.npz"
    np.savez(path, x=np.array([print], dtype=object))
    with pytest.raises(SignatureError, match="cannot be read"):
        read_npz(path)


@pytest.mark.parametrize("damage", [b"", b"no zip", "cut", "claims"])
def test_numpy_files_that_are_damaged(damage, tmp_path):
    path = tmp_path / "damaged.npz"
    np.savez(path, x=X)
    whole = path.read_bytes()
    changed = {"cut": whole[:-30], "claims": whole.replace(b"(4,)", b"(9,)")}
    path.write_bytes(changed.get(damage, damage) if isinstance(damage, str) else damage)
    with pytest.raises(SignatureError):
        read_npz(path)


@pytest.mark.parametrize("wrong", [X.astype(np.float64), X[:3], X.reshape(2, 2), np.array([print] * 4, dtype=object)])
def test_arrays_that_do_not_fit(wrong):
    found = tvm_hlo_frontend.from_hlo(to_proto(twice()))
    run = tvm_hlo_frontend.build(*found) if isinstance(found, tuple) else tvm_hlo_frontend.build(found)
    np.testing.assert_array_equal(run(X), 2 * X)
    with pytest.raises(SignatureError):
        run(wrong)
