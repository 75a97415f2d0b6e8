# make demo    cross-validate the model on a simulated cohort, and write a report
# make test    run every check and test
#
# Both install into $(VENV) first, once: a stamp file there remembers it.

PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS)
INSTALLED := $(VENV)/.skedema-installed
DEV_INSTALLED := $(VENV)/.skedema-dev-installed
RECIPE := pyproject.toml constraints.txt
SOURCES := $(shell find skedema -name '*.py' 2>/dev/null)

# One process a core, each on one thread (conftest.py); PYTEST_ARGS="-n 0" runs in this one.
PYTEST := -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal
# Prints whether torch has arithmetic for this processor above its plain one.
NEWER := from torch.backends.cpu import get_cpu_capability as own; print(own() in {"AVX2", "AVX512"})

.DEFAULT_GOAL := help
.PHONY: help demo test test-processors test-minimum audit format picture clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

demo: $(INSTALLED)  ## install into .venv, cross-validate on the simulated cohort, write a report
	$(BIN)/python examples/demo.py

test: $(DEV_INSTALLED)  ## install into .venv and run linters, type checker and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/python $(PYTEST) $(PYTEST_ARGS)
	$(MAKE) --no-print-directory test-processors

# pytest exits with 5 where PYTEST_ARGS leaves no numerical test.
test-processors: $(DEV_INSTALLED)  ## run the numerical tests again as an older processor would
	@newer=$$($(BIN)/python -c '$(NEWER)') || exit 1; [ $$newer = False ] || { \
		echo "The numerical tests with ATEN_CPU_CAPABILITY=default"; \
		ATEN_CPU_CAPABILITY=default $(BIN)/python $(PYTEST) --numerical $(PYTEST_ARGS) || \
			[ $$? = 5 ]; }

# Warnings of old releases are not ours to mend, so they are shown but do not fail.
test-minimum:  ## run the tests against the oldest supported versions, in .venv-minimum
	$(MAKE) .venv-minimum/bin/pip VENV=.venv-minimum
	.venv-minimum/bin/python -m pip install --disable-pip-version-check $(PIP_ARGS) \
		--constraint .ci/constraints-minimum.txt --editable '.[dev]'
	.venv-minimum/bin/python $(PYTEST) -W default $(PYTEST_ARGS)

# By the network, and so no part of test; --strict: what could not be asked about is no success.
audit:  ## ask for known vulnerabilities of the versions in both files of constraints
	$(MAKE) .venv-audit/bin/pip VENV=.venv-audit
	.venv-audit/bin/python -m pip install --disable-pip-version-check $(PIP_ARGS) pip-audit
	for file in constraints.txt .ci/constraints-minimum.txt; do \
		.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --requirement $$file || exit 1; \
	done

format: $(DEV_INSTALLED)  ## rewrite the code as ruff wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

picture: $(DEV_INSTALLED)  ## draw docs/model.svg again
	$(BIN)/python docs/draw_model.py

clean:  ## remove .venv, builds and caches
	rm -rf .venv .venv-minimum .venv-audit build dist .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip, not python, is the target: where ensurepip is missing, venv fails after making bin/python.
$(BIN)/pip:
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "skedema needs Python 3.11 or newer, and there is no '$(PYTHON)' here." >&2; \
		echo "Name one that is: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "skedema needs Python 3.11 or newer, and '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1)." >&2; \
		echo "Name a newer one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@"$(PYTHON)" -m venv "$(VENV)" || { \
		echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu it needs the package python3-venv." >&2; \
		exit 1; }

# An editable install, where there is one, serves the demo too.
$(INSTALLED): $(RECIPE) $(SOURCES) | $(BIN)/pip
	@if [ -e $(DEV_INSTALLED) ]; then \
		$(MAKE) --silent --no-print-directory $(DEV_INSTALLED); \
	else \
		echo "Installing skedema into $(VENV); PyTorch is large, so the first time takes minutes"; \
		$(PIP) --constraint constraints.txt '.[report]'; \
	fi
	@touch $@

$(DEV_INSTALLED): $(RECIPE) | $(BIN)/pip
	@echo "Installing skedema and its checks into $(VENV); PyTorch is large, so the first time takes minutes"
	$(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@
