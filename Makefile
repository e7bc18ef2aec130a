# Two commands: `make demo` and `make test`. Each sets itself up in .venv on a fresh machine, without root.

PYTHON ?= python3
OUT ?= build/demo
CLIPS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

# Clips in, a run and a release out, loaded with stock `datasets`. CLIPS=folder takes your own clips.
demo: $(READY)
	$(BIN)/python examples/demo.py --out "$(OUT)" $(if $(CLIPS),--clips "$(CLIPS)")

test: $(READY) lint
	$(BIN)/python -m pytest -n auto --dist loadfile

# Checkers cannot follow the mapping of root folders to sparkle.*: types are checked as installed in a wheel.
lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/check_types.py

clean:
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
