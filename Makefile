# Everything from a fresh clone on Debian 12 (or a relative): `make demo`, `make test`, `make install`.
# Each is idempotent; what is there already is not installed again.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# C compiler, libxc, BLAS and MPI for GPAW; headers and venv for Debian's own Python.
SYSTEM_PACKAGES := gcc libc6-dev libxc-dev libopenblas-dev libopenmpi-dev openmpi-bin \
                   python3-dev python3-venv

.DEFAULT_GOAL := help
.PHONY: help install demo test lint docs benchmarks clean

help: ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed ## Set everything up; leaves .venv/bin/surfalign

demo: install ## Compute IP and EA of MgO(100) by real DFT
	$(BIN)/surfalign run MgO --hkl 1,0,0 --quality standard --json figures/levels.json --figure figures

test: $(VENV)/.developing ## Run all tests: unit, real DFT, real local database
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

docs: $(VENV)/.developing ## Build the documentation into docs/_build/html
	$(BIN)/sphinx-build -W -b html docs docs/_build/html

benchmarks: $(VENV)/.developing ## Time what is worth timing
	for script in benchmarks/*.py; do $(BIN)/python $$script; done

clean: ## Remove what make made
	rm -rf $(VENV) build dist docs/_build figures

$(VENV)/.system: Makefile
	@mkdir -p $(VENV)
	@if command -v apt-get >/dev/null; then \
	  dpkg -s $(SYSTEM_PACKAGES) >/dev/null 2>&1 || { \
	    $(SUDO) apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends \
	      $(SYSTEM_PACKAGES); }; \
	else \
	  echo "No apt-get here: please provide a C compiler, libxc, BLAS and MPI yourself."; \
	fi
	@touch $@

$(BIN)/python: | $(VENV)/.system
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml $(VENV)/.system | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[gpaw,local]'
	@touch $@

$(VENV)/.developing: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[gpaw,local,parquet,docs,dev]'
	@touch $@
