# `make demo` and `make test` do everything on a machine that has only Python (3.11 or newer) and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# the demo's own: a tenth of what the tests need
DEMO := .venv-demo
# one worker per core
WORKERS ?= auto

.PHONY: demo test test-all lint docs bench fuzz clean format

# $(call environment,FOLDER,GROUPS): a virtual environment with modelwheel and these groups of dependencies
define environment
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "modelwheel needs Python 3.11 or newer; set PYTHON=…")'
$(PYTHON) -m venv $(1)
$(1)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
$(1)/bin/python -m pip install --quiet $(addprefix --group ,$(2)) --editable '.[sklearn]'
@touch $(1)/.ready
endef

$(STAMP): pyproject.toml
	$(call environment,$(VENV),test torch keras docs bench)

$(DEMO)/.ready: pyproject.toml
	$(call environment,$(DEMO),demo)

demo: $(DEMO)/.ready
	$(DEMO)/bin/python docs/demo/flight_delay.py

test: $(STAMP) lint
	$(BIN)/python -m pytest -n $(WORKERS) -m 'not slow' --cov --cov-report=term

test-all: $(STAMP) lint
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir site

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py

fuzz: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) tests/property tests/attacks --hypothesis-profile=fuzz

clean:
	rm -rf $(VENV) $(DEMO) site demo-output .mypy_cache .ruff_cache .hypothesis .coverage*
