# make demo     install mtfs in .venv and run the example plan
# make test     everything CI checks: lint, types, docs, then tests, doctests and notebooks
# make coverage which lines the tests run
# make lint     the quick checks alone
# make docs     the documentation, in docs/_build/html
# make bench    the benchmarks
# make lock     rewrite constraints.txt from pyproject.toml, newest versions allowed
# make clean    remove whatever the targets above made
#
# Only pip needs the network, and only when pyproject.toml or constraints.txt has changed.

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: demo test coverage lint docs bench lock clean
.DEFAULT_GOAL := demo

VENV := .venv
BIN := $(VENV)/bin
# The oldest supported Python if it is here, else whatever python3 is. `make PYTHON=...` overrides.
PYTHON ?= $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
PIP_INSTALL := -m pip install -qq --disable-pip-version-check
CHECK_PYTHON = @$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
	"mtfs needs Python 3.11 or later; $(PYTHON) is %d.%d. Try: make PYTHON=python3.12" % v[:2])'

# Hypothesis: 200 derandomised examples in CI, 25 elsewhere. tests/conftest.py reads the name.
export HYPOTHESIS_PROFILE ?= $(if $(filter true,$(CI)),ci,dev)

NOTEBOOKS = $(wildcard notebooks/*.ipynb notebooks/*/*.ipynb)

demo: $(VENV)/.demo
	@mkdir -p output
	$(BIN)/mtfs run leicestershire_2024 --draws 10000 --seed 2024 \
		--output output/leicestershire_2024.nc --fan output/leicestershire_2024.png

# pytest comes last, so that its closing line is the last line and counts everything it ran.
test: lint docs
	$(BIN)/python -m pytest -n 2 $(if $(NOTEBOOKS),--nbmake) tests mtfs $(NOTEBOOKS)

# Twice as slow as without, so it is no check of its own.
coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --cov tests mtfs

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(if $(NOTEBOOKS),$(BIN)/nbstripout --verify $(NOTEBOOKS))

docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -E -W --keep-going -q -b html docs docs/_build/html

bench: $(VENV)/.dev
	$(BIN)/python $(PIP_INSTALL) --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/importance.py

# Run it on Python 3.11, the oldest supported, so that the versions suit every later Python too.
lock:
	$(CHECK_PYTHON)
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python $(PIP_INSTALL) --editable '.[dev]'
	{ echo '# The versions CI and `make demo` install, for Python 3.11. Made by `make lock`.'; \
	  .venv-lock/bin/python -m pip freeze --exclude-editable; } > constraints.txt
	rm -rf .venv-lock

clean:
	rm -rf $(VENV) .venv-lock .venv-newest output docs/_build docs/reference/generated build dist
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .benchmarks .coverage
	find mtfs tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python $(PIP_INSTALL) --constraint constraints.txt --editable '.[cli,plot,io]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python $(PIP_INSTALL) --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.demo
