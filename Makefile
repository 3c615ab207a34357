# Two commands on a fresh Debian or Ubuntu with Python >= 3.11, git and make:
#   make demo   sets up .venv and goes the whole way on a simulated landscape, from scenes to growth
#   make test   sets up what is missing, PostGIS included, and runs every test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
POSTGIS := $(wildcard /usr/share/postgresql/*/extension/postgis.control \
	$(shell pg_config --sharedir 2>/dev/null)/extension/postgis.control)

.PHONY: demo demo-tracks bundles test lint bench postgis clean

demo: $(VENV)/.detect
	$(BIN)/rts-track demo demo

# The light way, without networks: slumps that were outlined already are followed.
demo-tracks: $(VENV)/.report
	$(BIN)/rts-track demo-tracks demo-tracks

# How the demo's ensemble was made; about half an hour on two cores.
bundles: $(VENV)/.dev
	$(BIN)/python benchmarks/train_bundles.py demo-sentinel2 --out rts_track/bundles/demo-sentinel2

test: $(VENV)/.dev postgis lint
	RTS_TRACK_REQUIRE_POSTGIS=1 $(BIN)/pytest -n 2 --dist loadfile -rs

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev postgis
	$(BIN)/python benchmarks/load_postgis.py
	$(BIN)/python benchmarks/relative_elevation.py
	$(BIN)/python benchmarks/vectorise.py

# The virtual environment, as pinned in requirements.txt; `-e` so that a checkout runs as it is.
$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rts-track needs Python >= 3.11")'
	$(PYTHON) -m venv $(VENV) || { $(SUDO) apt-get update && $(SUDO) apt-get install -y python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/.report: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint requirements.txt --editable '.[report]'
	touch $@

$(VENV)/.detect: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint requirements.txt --editable '.[detect,report]'
	touch $@

$(VENV)/.dev: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint requirements.txt --editable '.[dev]'
	touch $@

# The server programs are enough: tests start a cluster of their own and stop it.
postgis:
ifeq ($(RTS_TRACK_TEST_DSN)$(POSTGIS),)
	$(SUDO) apt-get update
	DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y postgresql postgresql-postgis
endif

clean:
	rm -rf $(VENV) demo demo-tracks training .pytest_cache .mypy_cache .ruff_cache .hypothesis
