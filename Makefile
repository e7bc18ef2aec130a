# `make demo`, `make test`, and `make test-models` for the models and the loader, which need torch.
# Each sets itself up in .venv on a fresh machine, without root.

PYTHON ?= python3
OUT ?= build/demo
CLIPS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Asks for torchvision, which nothing here needs: installed without what it asks for.
EDITSCORE := editscore==0.2 json-repair regex
# Beside it, for tests: other versions of what reads a release. `make test` makes the first; torchcodec needs
# FFmpeg's libraries, and torch weighs a gigabyte, so that one is made by `make .venv-torchcodec/.ready`.
PEERS := .venv-datasets36/.ready
# What needs torch: the paper's models, and the training loader.
TORCH_TESTS := tests/generation/diffusion tests/generation/vlm tests/builders/loader tests/builders/test_kiwi.py \
	tests/media/test_window.py $(wildcard $(addprefix tests/generation/test_, \
	all_tiny.py editscore.py gpu_workers.py perception_command_line.py raft.py requirements.py sam3.py))

.PHONY: demo test test-models lint clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,vlm,serve]"
	touch $@

.venv-%/.ready: tests/peers/%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

# Clips in, a run and a release out, loaded with stock `datasets`. CLIPS=folder takes your own clips.
demo: $(READY)
	$(BIN)/python examples/demo.py --out "$(OUT)" $(if $(CLIPS),--clips "$(CLIPS)")

test: $(READY) $(PEERS) lint
	$(BIN)/python -m pytest -n auto --dist loadfile

# The paper's models on tiny random weights of the same classes, and the loader: skipped without torch.
$(VENV)/.ready-models: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,vlm,serve,gpu,train]" torchdata
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps $(EDITSCORE)
	touch $@

test-models: $(VENV)/.ready-models
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not gpu" $(TORCH_TESTS)

# Checkers cannot follow the mapping of root folders to sparkle.*: types are checked as installed in a wheel.
lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/check_types.py

clean:
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
