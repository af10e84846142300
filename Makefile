# One vocabulary for people, hooks and CI. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Libraries of your own: docs/extra-libraries.md.
EXTRA  := $(wildcard requirements-extra.txt)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
PIP = $(BIN)/python -m pip install --quiet --progress-bar on --no-compile
# uv installs in a quarter of the time. It knows nothing of an index that only pip is told of; where it fails, pip does it.
INSTALL = index="$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)}"; install() { \
	$(BIN)/uv pip install --quiet --python $(BIN)/python $${index:+--default-index "$$index"} "$$@" \
	|| { echo "uv could not: pip installs, which takes longer" >&2; $(PIP) "$$@"; }; }; install
# Both compile tests of libraries too, and pip one file after the other.
COMPILE = $(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib

.DEFAULT_GOAL := help
.PHONY: help install dev demo up down clean test test-airflow test-services test-fast test-half test-rest coverage fuzz faults check format lock licences audit compatibility bench

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 16

$(VENV)/.installed: requirements.txt requirements-build.txt pyproject.toml $(EXTRA) $(wildcard wheels/*.whl)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements-build.txt
	@echo "Installing requirements.txt $(EXTRA)"
	@$(INSTALL) --require-hashes -r requirements.txt $(EXTRA:%=-r %)
	@$(INSTALL) --no-deps --no-build-isolation -e .
	-$(COMPILE)
	touch $@

$(VENV)/.dev: $(VENV)/.installed requirements-dev.txt
	@echo "Installing requirements-dev.txt"
	@$(INSTALL) --require-hashes -r requirements-dev.txt
	touch $@

install: $(VENV)/.installed ## Virtual environment with everything that runs

dev: $(VENV)/.dev ## The same, with what checks and tests it

demo: install ## Everything from nothing: stack, simulated lender, a backfill, a live run, a champion
	$(BIN)/python -m demo

up: install ## Start PostgreSQL, MLflow and Airflow on this machine
	$(BIN)/titleholder stack up

down: ## Stop them; data stays
	@test ! -x $(BIN)/titleholder || $(BIN)/titleholder stack down

clean: ## Stop them and delete their data
	@test ! -x $(BIN)/titleholder || $(BIN)/titleholder stack clean --yes

# Two sets of tests share two cores: the threads of one model would wait for those of another.
test test-airflow test-services test-fast test-half test-rest fuzz faults: export OMP_NUM_THREADS := 1

check: dev ## Lint, types, the direction of imports, secrets and licences; names advisories, which `make audit` fails for
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/secret_scan.py
	$(BIN)/python tools/licences.py --check
	-$(BIN)/python tools/advisories.py

PYTEST ?= $(BIN)/python -m pytest

# Longest first: whichever ends first is followed by the next, so that both cores are busy to the end.
SETS := test-services test-airflow test-half test-rest
JOBS ?= 2

test: dev ## All tests, those on the real stack included: JOBS=2 sets side by side
	$(MAKE) --no-print-directory --keep-going -j $(JOBS) $(SETS)

test-airflow: dev ## The tests with Airflow
	$(PYTEST) tests/e2e

test-services: dev ## The tests with PostgreSQL and MLflow
	$(PYTEST) tests/integration

# About half of the time of the tests that need no server.
HALF := tests/unit/validation tests/unit/reports tests/dags tests/plugins
REST ?= tests/unit
MARKED ?=

test-half: dev
	$(PYTEST) $(MARKED) $(HALF)

test-rest: dev
	$(PYTEST) $(MARKED) $(REST) $(HALF:%=--ignore=%)

coverage: dev ## All tests, and which branches they cover: on Python 3.11 they take half as long again
	$(BIN)/coverage erase
	$(MAKE) --no-print-directory test PYTEST="$(BIN)/coverage run -m pytest"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-fast: dev ## The tests that need no server: two halves side by side
	$(MAKE) --no-print-directory -j 2 test-half test-rest MARKED='-m "not slow"' REST=tests

CASES ?= 100000
fuzz: dev ## Random specs, queries, rows and command lines: CASES=100000 of them
	FUZZ_CASES=$(CASES) nice $(PYTEST) --timeout 0 tests/unit/fuzz

# The race of docs/reliability.md has 50 rounds here, and two in `make test`.
faults: dev ## Break a stack of its own: kills, outages, full disks, wrong clocks, cut networks; half an hour
	TITLEHOLDER_RACES=50 $(PYTEST) tests/faults "tests/integration/test_succession.py::test_sixteen_that_promote_at_once_make_one_line"

format: dev ## Put the code into its one form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --generate-hashes

lock: dev ## Pin what pyproject.toml and requirements*.in ask for
	$(LOCK) --extra airflow --extra local --extra s3 -o requirements.txt pyproject.toml requirements.in
	$(LOCK) -c requirements.txt -o requirements-build.txt requirements-build.in
	$(LOCK) -o requirements-dev.txt requirements-dev.in
	test ! -e requirements-extra.in || $(LOCK) -c requirements.txt -o requirements-extra.txt requirements-extra.in

licences: dev ## Write docs/licences.md
	$(BIN)/python tools/licences.py

audit: dev ## Ask the package index about every locked version: vulnerabilities, yanked files, archived projects
	$(BIN)/python tools/advisories.py

compatibility: dev ## The wheel in fresh environments beside each minor of Airflow 3: MINORS="3.2" some, STACK=1 with retrains
	$(BIN)/python tools/compatibility.py $(MINORS) $(if $(STACK),--stack) $(if $(CONSTRAINTS),--constraints $(CONSTRAINTS))

bench: dev ## Measure against yardsticks, in minutes: ONLY="name ..." some, ALL=1 the long ones too, LOANS=file real loans
	$(BIN)/python benchmarks/bench.py $(ONLY) $(if $(ALL),--all) $(if $(LOANS),--loans $(LOANS))
