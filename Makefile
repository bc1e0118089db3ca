# `make demo`, `make quick` and `make test` do everything on a machine that has only Python (3.11 or newer) and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# the demo's own, and that of `make quick`: a part of what the tests need
DEMO := .venv-demo
QUICK := .venv-quick
# one worker per core
WORKERS ?= auto

.PHONY: demo test test-all quick lint docs bench release fuzz clean format

# what `make quick` runs: the shape of the code, golden bundles, the loader, and of the rest the tests that fail first
FIRST := tests/test_architecture.py tests/test_words.py tests/compat tests/loader tests/attacks/test_manifest.py tests/attacks/test_archive.py \
	tests/property/test_rows_and_columns_agree.py tests/authoring/test_packing.py tests/cli/test_look.py

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

$(QUICK)/.ready: pyproject.toml
	$(call environment,$(QUICK),quick)

demo: $(DEMO)/.ready
	$(DEMO)/bin/python docs/demo/flight_delay.py

test: $(STAMP) lint
	$(BIN)/python -m pytest -n $(WORKERS) -m 'not slow' --cov --cov-report=term

quick: $(QUICK)/.ready
	$(QUICK)/bin/ruff check .
	$(QUICK)/bin/ruff format --check .
	$(QUICK)/bin/mypy
	$(QUICK)/bin/python -m pytest -q -n $(WORKERS) -m 'not slow' $(FIRST)

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

release: $(STAMP) lint
	$(BIN)/python tests/release.py

fuzz: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) tests/property tests/attacks --hypothesis-profile=fuzz

clean:
	rm -rf $(VENV) $(DEMO) $(QUICK) site demo-output .mypy_cache .ruff_cache .hypothesis .coverage*
