"""The proofs for devices: programs, kernels of CUDA, facts for the opcode table."""

from __future__ import annotations

import json

from tools.gpu import __main__ as gpu
from tools.gpu import nvcc
from tools.gpu.programs import MODEL_GROUP, converted, faults, groups
from tools.gpu.worker import outcome_of
from tools.support.outcome import PASS, REFUSED, WRONG, Outcome
from tools.support.stages import silent

from tests.support.dialect_marks import relax_only
from tvm_hlo_frontend import TargetError

HARNESS = next(iter(groups(1, [])))
KERNEL = (
    'extern "C" __global__ void {name}(float* __restrict__ x);\n'
    'extern "C" __global__ void __launch_bounds__(3) {name}(float* __restrict__ x) {{\n'
    "  if (1) {{\n    x[threadIdx.x] = {value};\n  }}\n}}\n"
)


def test_kernels_that_are_equal_but_for_their_names_are_kept_once(tmp_path, monkeypatch):
    monkeypatch.setattr(nvcc, "FOLDER", tmp_path)
    sources = [
        "// head\n" + KERNEL.format(name=name, value=value) for name, value in (("a", 1), ("b", 1), ("map_kernel_1", 2))
    ]
    first, third = nvcc.keep_kernels(sources)
    assert {path.stem for path in tmp_path.glob("*.cu")} == {first, third}
    text = (tmp_path / f"{first}.cu").read_text()
    head, _, kernel = text.partition(nvcc.BETWEEN)
    assert head == "// head\n"
    assert kernel.startswith(f'extern "C" __global__ void __launch_bounds__(3) hlo_{first}(float*')
    assert kernel.endswith("}\n")


def test_a_kernel_that_does_not_compile_is_found_among_others(tmp_path, monkeypatch):
    monkeypatch.setattr(nvcc, "FOLDER", tmp_path)
    digests = nvcc.keep_kernels("" + KERNEL.format(name="k", value=value) for value in (1, 2, "wrong", 3))
    tried = []

    def compile_all(batch):
        tried.append(len(batch))
        return "an error" if digests[2] in batch else None

    monkeypatch.setattr(nvcc, "_compile", compile_all)
    assert nvcc.failures(digests) == ({digests[2]: "an error"}, 0)
    assert tried[0] == 4
    tried.clear()
    assert nvcc.failures(digests) == ({digests[2]: "an error"}, 0)
    assert tried == [1]  # what compiles is not compiled again
    assert nvcc.failures(digests, until=0) == ({}, 1)


def test_programs_with_kernels_that_do_not_compile_fail(monkeypatch):
    monkeypatch.setattr(nvcc, "failures", lambda digests, until: ({"bad": "no such type"}, 0))
    outcomes = [Outcome("a", "g", PASS, data={"kernels": ["good"]}), Outcome("b", "g", PASS, data={"kernels": ["bad"]})]
    (good, bad), left = gpu.compiled(outcomes, 0)
    assert (good.status, bad.status, bad.message, left) == (PASS, "build failed", "bad: no such type", 0)


def test_facts_count_opcodes_of_programs_that_pass(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "FACTS", tmp_path / "gpu.json")
    rows = [("a", PASS, ["add", "dot"]), ("b", PASS, ["add"]), ("c", WRONG, ["add"])]
    outcomes = [Outcome(name, "g", status, data={"opcodes": opcodes}) for name, status, opcodes in rows]
    gpu.write_facts("opencl", outcomes)
    gpu.write_facts("cuda", outcomes[:1])
    assert json.loads((tmp_path / "gpu.json").read_text()) == {
        "cuda": {"add": 1, "dot": 1},
        "opencl": {"add": 2, "dot": 1},
    }


def test_a_program_is_held_to_xla_and_its_opcodes_are_told():
    program = converted(HARNESS, groups(1, [])[HARNESS], silent, True)
    assert program.opcodes
    assert "parameter" not in program.opcodes
    assert faults(HARNESS, groups(1, [])[HARNESS], program, program.wanted) == []
    model = converted("MLP", MODEL_GROUP, silent, True)
    assert {"dot", "tanh"} <= model.opcodes
    assert faults("MLP", MODEL_GROUP, model, model.wanted) == []
    assert "of the results' deviation" in faults("MLP", MODEL_GROUP, model, [each + 1 for each in model.wanted])[0]


def test_what_a_target_refuses_is_no_failure():
    def work(name, group, enter, data):
        data["opcodes"] = ["add"]
        raise TargetError("not for this one")

    outcome = outcome_of(HARNESS, "g", work, silent)
    assert (outcome.status, outcome.message, outcome.data) == (REFUSED, "not for this one", {"opcodes": ["add"]})


@relax_only("Relay has no schedules for CUDA")
def test_kernels_of_a_program_are_kept(tmp_path, monkeypatch):
    from tools.gpu.worker import for_cuda

    monkeypatch.setattr(nvcc, "FOLDER", tmp_path)
    outcome = outcome_of("MLP", MODEL_GROUP, for_cuda(), silent)
    assert outcome.status == PASS
    assert outcome.data["kernels"]
    assert {path.stem for path in tmp_path.glob("*.cu")} == set(outcome.data["kernels"])
