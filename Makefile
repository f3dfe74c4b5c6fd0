# Everything runs from .venv, which is made once from the lock (again when the lock changes).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
# Tests beside each other, unless ARGS chooses some; there one process starts sooner and says more.
PARALLEL := -n auto

.PHONY: install demo test check docs format lock clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + "; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/journeys demo $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest $(or $(ARGS),$(PARALLEL))

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "site/index.html is the documentation"

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# All extras, every platform, the oldest Python we support. Needs a venv with uv in it, as `make
# install` leaves behind; `make lock UV=...` takes any other uv.
UV ?= $(BIN)/uv
lock:
	$(UV) pip compile --quiet --universal --generate-hashes --all-extras --python-version 3.11 \
	    --no-header --no-emit-index-url --no-emit-find-links $(ARGS) -o requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info build dist site
