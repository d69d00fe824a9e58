# One task runner. Every target sets up what it needs in this folder's own virtual environment; nothing global.
#   make demo     a simulated company with a hidden intruder, from logs to report
#   make test     the whole test suite, files side by side (Spark's tests skip where there is no Java)
#   make lint     ruff and mypy
#   make docs     write the reference pages again
#   make bench    the benchmarks (they take long, and need the public data: see docs/benchmarks.md)
#   make clean    remove all that these made
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: setup demo test lint bench docs clean

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Vizsla needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 demo" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# What `vizsla` itself needs, and then what its developers need: the demo need not wait for Spark.
$(VENV)/.core: pyproject.toml | $(BIN)/python
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) -e '.[dev]'
	@touch $(VENV)/.core $@

setup: $(VENV)/.dev

demo: $(VENV)/.core
	rm -rf vizsla-demo
	$(BIN)/vizsla demo --folder vizsla-demo

test: setup
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m benchmarks

docs: setup
	$(BIN)/python -m vizsla.docs docs/reference

clean:
	rm -rf $(VENV) build dist vizsla-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
