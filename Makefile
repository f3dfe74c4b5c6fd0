# Everything runs from .venv, which is made once from the lock (again when the lock changes).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
# Tests beside each other, unless ARGS chooses some; there one process starts sooner and says more.
PARALLEL := -n auto

.PHONY: install demo test test-world compiled pure torture soak bench check audit docs format lock image pin clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + "; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing $$(grep -c '==' requirements.lock) packages into $(VENV), once; it takes a minute or two."
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/journeys demo $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest $(or $(ARGS),$(PARALLEL))

# What is around the engine: servers and clients of others (skipped, with the reason, where one can't be
# downloaded), the embedded broker, a secured one, an installed wheel, sessions of the demo and the
# documentation, workers under kills in turn and a short torture.
test-world: $(STAMP)
	$(BIN)/python -m pytest -m world $(or $(ARGS),-n 2)

# The engine as C extensions, which a C compiler makes of the same sources: the image has them, and
# the benchmark measures them. `make pure` goes back.
compiled: $(STAMP) pure
	JOURNEYS_COMPILE=1 $(BIN)/python setup.py --quiet build_ext --inplace

pure:
	rm -rf build
	find journeys tables -name "*.so" -delete

# The proof that nothing is lost or done twice: `make torture SCENARIOS=kill-all,network SEED=7`; a
# name is that of a scenario or of a family, and SCALE=0.3 makes them shorter.
torture: $(STAMP)
	$(BIN)/python -m tests.torture $(SCENARIOS) $(if $(SEED),--seed $(SEED)) $(if $(SCALE),--scale $(SCALE))

# Does a worker that lives long grow? Slopes of memory, descriptors and threads, with intervals.
soak: $(STAMP)
	$(BIN)/python -m tests.torture.soak $(if $(MINUTES),--minutes $(MINUTES))

# Everything side by side, about an hour; `make bench ARGS=--short` takes a few. The peers in Python
# have an environment of their own, since what they depend on differs from what we do.
PEERS := .venv-peers
$(PEERS)/.installed: benchmarks/peers/requirements.lock | $(STAMP)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(PEERS)
	$(BIN)/uv pip install --quiet --require-hashes --python $(PEERS)/bin/python -r $<
	@touch $@

bench: $(STAMP) $(PEERS)/.installed
	@$(MAKE) --no-print-directory compiled || echo "not compiled: the engine is measured as it is"
	$(BIN)/python -m benchmarks $(ARGS); code=$$?; $(MAKE) --no-print-directory pure; exit $$code

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
# Every package that pyproject.toml leads to is in the lock, in a version that fits, with its hashes.
	@$(BIN)/uv pip install --dry-run --offline --quiet --require-hashes --python $(BIN)/python \
	    -r pyproject.toml $(EXTRAS) -c requirements.lock || { echo "make lock updates it"; exit 1; }
	-@timeout 60 $(MAKE) --no-print-directory audit

# Needs a network. `check` shows what it says and doesn't fail for it: the answer changes while the code
# doesn't, and without a network there is none.
AUDIT := $(BIN)/uv tool run --quiet --from pip-audit==2.10.1 pip-audit
LOCKS := -r requirements.lock -r docker/image.lock
audit: $(STAMP)
	@$(AUDIT) --strict --disable-pip --require-hashes --progress-spinner off $(LOCKS) || { \
	    echo "audit: a version above has known vulnerabilities, or the index could not be asked"; \
	    exit 1; }

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "site/index.html is the documentation"

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The image, and what its base images are now by digest: needs Docker and its registry.
DOCKER ?= docker
image:
	$(DOCKER) build -f docker/Dockerfile -t journeys-engine .

pin:
	python3 docker/pin.py --docker $(DOCKER)

# All extras but the image's, every platform, the oldest Python we support. Needs a venv with uv in
# it, as `make install` leaves behind; `make lock UV=...` takes any other uv.
UV ?= $(BIN)/uv
EXTRAS := --extra kafka --extra warehouse --extra dev
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
    --no-emit-index-url --no-emit-find-links
lock:
	$(COMPILE) $(EXTRAS) $(ARGS) -o requirements.lock pyproject.toml
	$(COMPILE) -c requirements.lock -o docker/requirements.lock pyproject.toml
	$(COMPILE) -c requirements.lock --extra image -o docker/image.lock pyproject.toml
	$(COMPILE) $(ARGS) -o benchmarks/peers/requirements.lock benchmarks/peers/requirements.in

clean: pure
	rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info dist site
