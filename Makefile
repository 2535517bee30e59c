# Everything from a fresh clone on Debian 12 (or a relative): `make demo`, `make test`, `make install`.
# Each is idempotent; what is there already is not installed again.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# Compilers, libxc, BLAS, FFTW, MPI and ScaLAPACK for GPAW; headers and venv for Debian's own Python.
SYSTEM_PACKAGES := gcc g++ libc6-dev libxc-dev libopenblas-dev libfftw3-dev libopenmpi-dev \
                   libscalapack-openmpi-dev openmpi-bin python3-dev python3-venv

# What GPAW is built with, and the release that pyproject.toml asks for.
export GPAW_CONFIG ?= $(abspath workflows/engines/gpaw/siteconfig.py)
GPAW := $(shell sed -n 's/^gpaw = \["\(.*\)"\]/\1/p' pyproject.toml)

# A SLURM of one's own, for the tests that submit, and a browser for those of the pages.
TEST_PACKAGES := slurm-wlm munge chromium chromium-driver

# One build for everybody who tests; asked for first, for a range would take the newest.
TORCH := torch==2.13.0

# Tests run side by side: one worker of one thread a core, and one more where tests wait for SLURM.
CORES := $(shell getconf _NPROCESSORS_ONLN)
PARALLEL := --dist loadgroup --numprocesses
QUICK := not (dft or mongo or slurm or processes or programs or serial)
quick test lowest: export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help install demo quick test lowest schema gallery docs benchmarks mutants clean

help: ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed ## Set everything up; leaves .venv/bin/surfalign

demo: install ## Compute IP and EA of MgO(100) by real DFT
	$(BIN)/surfalign run MgO --hkl 1,0,0 --quality standard --json figures/levels.json --figure figures

quick: $(VENV)/.developing ## Run the tests that need no server, no DFT and no other program
	$(BIN)/ruff check .
	$(BIN)/pytest $(PARALLEL) $(CORES) -m "$(QUICK)"

test: $(VENV)/.developing ## Run all tests: unit, real DFT, real local database
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -m serial
	$(BIN)/pytest $(PARALLEL) $$(($(CORES) + 1)) -m "not serial" --durations 10

# uv chooses the versions; it does not look where $(TORCH) lies, so that comes first and stays.
LOWEST := $(VENV)-lowest
lowest: $(VENV)/.test-system ## Run the quick tests, and real runs of the toy engine, with the oldest dependencies
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet uv $(TORCH)
	echo $(TORCH) > $(LOWEST)/override.txt
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
	  --override $(LOWEST)/override.txt --editable '.[local,fireworks,remote,ml,parquet,dev]'
	$(LOWEST)/bin/pytest $(PARALLEL) $(CORES) -m "$(QUICK)"
	$(LOWEST)/bin/pytest tests/launchers/cli/test_run.py -m "mongo and not processes"

schema: $(VENV)/.developing ## Write the reference of the documents and their JSON schemas
	$(BIN)/python docs/pages/document_reference.py docs/reference

gallery: $(VENV)/.developing ## Draw the pictures of the gallery again
	mkdir -p docs/_static/gallery
	cd docs/_static/gallery && for script in ../../gallery/*.py; do \
	  $(CURDIR)/$(BIN)/python $$script || exit 1; done

docs: $(VENV)/.developing ## Build the documentation into docs/_build/html
	$(BIN)/sphinx-build -W -b html docs docs/_build/html

benchmarks: $(VENV)/.developing ## Time what needs no reference data (the other scripts: see their --help)
	for script in surfaces_cost lsoap campaign launchers; do $(BIN)/python benchmarks/$$script.py || exit 1; done

mutants: $(VENV)/.developing ## Make small faults in the physics, the levels and the query language; count those found
	$(BIN)/python -m pip install --quiet --editable '.[mutants]'
	OMP_NUM_THREADS=1 nice $(BIN)/python benchmarks/mutants.py $(MODULES)

clean: ## Remove what make made
	rm -rf $(VENV) $(LOWEST) build dist docs/_build figures

$(VENV)/.system: PACKAGES := $(SYSTEM_PACKAGES)
$(VENV)/.test-system: PACKAGES := $(TEST_PACKAGES)
$(VENV)/.system $(VENV)/.test-system: Makefile
	@mkdir -p $(VENV)
	@if command -v apt-get >/dev/null; then \
	  dpkg -s $(PACKAGES) >/dev/null 2>&1 || { \
	    $(SUDO) apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends \
	      $(PACKAGES); }; \
	else \
	  echo "No apt-get here: please provide yourself what these hold: $(PACKAGES)"; \
	fi
	@touch $@

$(BIN)/python: | $(VENV)/.system
	$(PYTHON) -m venv $(VENV)

# Built here and now: a wheel that pip kept may be one without FFTW and ScaLAPACK.
$(VENV)/.gpaw: $(GPAW_CONFIG) | $(VENV)/.system $(BIN)/python
	@echo "Building GPAW: about two minutes"
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps --no-binary gpaw --no-cache-dir \
	  '$(GPAW)'
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.system $(VENV)/.gpaw | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[gpaw,local]'
	@touch $@

$(VENV)/.developing: $(VENV)/.installed $(VENV)/.test-system
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable '.[gpaw,dispersion,local,fireworks,remote,ml,potential,explore,parquet,publish,web,docs,dev]'
	@touch $@
