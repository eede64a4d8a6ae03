"""Exports that JAX keeps of its earlier years: a sample of each family; `make backcompat` runs all of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("jax")

from tools.backcompat.judge import judge
from tools.backcompat.report import to_markdown
from tools.backcompat.run import no_meaning, run_saved, settled
from tools.backcompat.saved import SavedModule, load_saved
from tools.support.outcome import PASS, REFUSED, WRONG

DOCS = Path(__file__).resolve().parents[3] / "docs"
SAMPLE = [
    "annotate_data_placement.data_2026_03_24_tpu.shardy",
    "cpu_schur_lapack_gees.data_2024_11_29.f32",
    "cuda_cholesky_solver_potrf.data_2025_10_15.f32",
    "cuda_qr_cusolver_geqrf.data_2024_09_26.f32",
    "cuda_svd_cusolver_gesvd.data_2024_10_08.jacobi.f32",
    "cuda_threefry2x32.data_2024_07_30",
    "cuda_tridiagonal_solve.data_2025_06_16.f32",
    "export_with_specified_sharding.serializations.0",
    "rocm_eigh_hipsolver_syev.data_2024_08_05.f32_syevj",
    "rocm_lu_rocsolver_getrf.data_2026_02_04.f32",
    "rocm_tridiagonal_hipsolver_sytrd.data_2026_02_04.f32",
    "stablehlo_dynamic_top_k.data_2023_08_11",
    "tpu_ApproxTopK.data_2023_04_17",
    "tpu_stablehlo_dynamic_reduce_window.data_unary_2023_06_17",
]
WITHOUT_MEANING = [
    "pallas.mosaic_gpu_add_one.data_2026_02_18",
    "pallas.mosaic_matmul.data_2024_09_24",
    "pallas.triton_add_one.data_2024_05_02",
    "shardy_sharding_ops_with_different_meshes.data_2025_06_30",
]


@pytest.fixture(scope="module")
def modules():
    return load_saved()


@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_of_saved_exports_gives_what_jax_saved(modules, name):
    outcome = run_saved(modules[name])
    assert outcome.status == PASS, outcome.message


@pytest.mark.parametrize("name", WITHOUT_MEANING)
def test_what_has_no_meaning_on_one_device_is_refused_by_name(modules, name):
    outcome = run_saved(modules[name])
    assert outcome.status == REFUSED, outcome.message


def test_refusals_are_held_to_what_is_expected():
    assert settled("cuda_qr_cusolver_geqrf.data", REFUSED, "no converter") == (REFUSED, "no converter")
    name = "pallas.triton_add_one.data"
    for status, message in ((PASS, ""), (REFUSED, "no converter is registered"), ("convert failed", "Triton kernel")):
        assert settled(name, status, message)[0] == WRONG


def saved_as(name: str, inputs: list[np.ndarray], expected: list[np.ndarray]) -> SavedModule:
    return SavedModule(name, "cuda", "2024-01-01", 1, 9, b"", (), tuple(inputs), tuple(expected))


def test_the_judge_takes_any_factors_of_the_matrix_and_no_others():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(4, 4)).astype(np.float32)
    u, s, vt = np.linalg.svd(a)
    svd = saved_as("cuda_svd_x", [a], [u, s, vt])
    assert judge(svd, [-u, s, -vt]) == []
    assert judge(svd, [-u, s, vt]) and judge(svd, [u, s * np.float32(1.01), vt])
    q, r = np.linalg.qr(a)
    qr = saved_as("cuda_qr_x", [], [q, r])
    assert judge(qr, [-q, -r]) == []
    assert judge(qr, [q, -r]) and judge(qr, [q @ vt, vt.T @ r])
    w, v = np.linalg.eigh(a + a.T)
    eigh = saved_as("cuda_eigh_x", [], [v, w])
    assert judge(eigh, [-v, w]) == []
    assert judge(eigh, [v[:, ::-1], w]) and judge(eigh, [v, w[::-1]])
    assert judge(saved_as("other", [], [a]), [a + np.float32(0.01)])
    assert judge(saved_as("other", [], [a]), [a.astype(np.float64)])


@pytest.mark.parametrize("dialect", ["relay", "relax"])
def test_every_saved_export_that_means_something_passes(modules, dialect):
    rows = json.loads((DOCS / f"backcompat_{dialect}.json").read_text(encoding="utf-8"))["modules"]
    expected = {name: REFUSED if no_meaning(name) else PASS for name in modules}
    assert {row["name"]: row["status"] for row in rows} == expected


def test_the_page_is_current():
    results = {
        dialect.capitalize(): json.loads((DOCS / f"backcompat_{dialect}.json").read_text(encoding="utf-8"))
        for dialect in ("relay", "relax")
    }
    assert to_markdown(results) == (DOCS / "backcompat.md").read_text(encoding="utf-8")
