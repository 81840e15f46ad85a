# Homeward: every target does its own set-up; Python 3.11+ and make are all it assumes.

PYTHON ?= python3
BIN := .venv/bin
ROOMS := feature_store models training service homeward

export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

.PHONY: help
help:  ## this list
	@echo "Homeward. Targets:"
	@sed -n 's/^\([a-z-]*\):.*  ## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18
	@echo "Options: PYTHON=python3.12 (which Python), DEMO_EXIT=1 (demo stops when done),"
	@echo "         ARGS='-k worklist' (handed to pytest)"

# ---- what people run ------------------------------------------------------------------------

.PHONY: demo
demo: .venv/.stamp-train .venv/.stamp-package  ## data -> train -> register -> serve -> worklist
	@$(BIN)/homeward demo $(if $(DEMO_EXIT),--exit)

.PHONY: test
test: .venv/.stamp-dev .venv/.stamp-package  ## every test this machine can run
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: check
check: .venv/.stamp-dev .venv/.stamp-package  ## format, lint, types, contracts, house rules, manifests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/house_rules.py $(ROOMS)
	$(BIN)/deptry $(ROOMS)
	$(BIN)/yamllint --strict compose.yaml deploy
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/kubernetes-validate --strict --quiet $(MANIFESTS)

MANIFESTS := $(filter-out %/kustomization.yaml,$(wildcard deploy/*/*.yaml))

.PHONY: bench
bench: .venv/.stamp-bench .venv/.stamp-package  ## the model beside its peers, on public data
	@$(BIN)/python -m benchmarks

.PHONY: format
format: .venv/.stamp-dev  ## format and mend what ruff can mend
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: coverage
coverage: .venv/.stamp-dev .venv/.stamp-package  ## tests with branch coverage
	@$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered $(ARGS)

.PHONY: audit
audit: .venv/.stamp-dev  ## known vulnerabilities in the locks
	$(BIN)/pip-audit --disable-pip --require-hashes -r requirements/dev.txt

.PHONY: clean
clean:  ## remove the environment and what was compiled
	rm -rf .venv $(KERNELS)

# ---- set-up: one environment, four locks ------------------------------------------------------
# All locks agree on every version, and nothing is ever uninstalled: order does not matter.

.venv/.stamp-venv: requirements/installer.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Homeward needs Python 3.11 or newer; $(PYTHON) is" \
	    "$$($(PYTHON) --version 2>/dev/null || echo not there)." \
	    "Name another one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements/installer.txt || echo "No uv to be had: pip will do, in minutes."
	@touch $@

# uv installs in seconds what takes pip minutes; pip knows settings that uv does not read.
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.venv/.stamp-%: requirements/%.txt .venv/.stamp-venv
	@echo "Installing requirements/$*.txt into .venv ..." >&2
	@$(UV_INSTALL) --require-hashes -r $< || $(PIP_INSTALL) --require-hashes -r $<
	@$(BIN)/python tools/openmp.py
	@touch $@

# Compiles the kernels too (hatch_build.py): again when one changed or its library is not there.
KERNELS := $(patsubst %.c,%.so,$(subst /,/_,$(wildcard */kernel.c)))
MISSING := $(filter-out $(wildcard $(KERNELS)),$(KERNELS))

.venv/.stamp-package: pyproject.toml hatch_build.py $(wildcard */kernel*.c) $(if $(MISSING),FORCE) \
                      | .venv/.stamp-venv
	@echo "Building homeward ..." >&2
	@$(UV_INSTALL) --no-deps --build-constraints requirements/build.txt -e . \
	  || $(PIP_INSTALL) --no-deps -e .
	@touch $@

.PHONY: FORCE
FORCE:

# ---- locks ------------------------------------------------------------------------------------

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
        --no-header --no-annotate
EVERYTHING := .venv/everything.txt
PINNED := $(LOCK) --generate-hashes --constraints $(EVERYTHING)

.PHONY: lock
lock: .venv/.stamp-venv  ## resolve again, newest versions, all locks at once
	$(LOCK) --upgrade --all-extras pyproject.toml -o $(EVERYTHING)
	$(PINNED) --upgrade pyproject.toml --extra otel -o requirements/serve.txt
	$(PINNED) --upgrade pyproject.toml --extra train -o requirements/train.txt
	$(PINNED) --upgrade pyproject.toml --extra dev -o requirements/dev.txt
	$(PINNED) --upgrade pyproject.toml --extra bench -o requirements/bench.txt
	echo uv | $(LOCK) --generate-hashes --upgrade - -o requirements/installer.txt
	printf 'hatchling\neditables\nziglang\n' \
	  | $(LOCK) --generate-hashes --upgrade - -o requirements/build.txt
