PYTHON ?= python3
VENV ?= .venv
PORT ?= 3000
REPORT_PORT ?= 3001
export DAGSTER_HOME ?= $(CURDIR)/.pulse
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help install install-test train test test-slow coverage ui bench bench-full lint lock clean

help:  ## show this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python setup.cfg pyproject.toml constraints.txt
	@echo "installing into $(VENV), about a minute"
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "installing the test tools into $(VENV)"
	$(PIP) -e '.[test,dev]'
	@touch $@

# Without prerequisites: one that is there is the user's own.
$(DAGSTER_HOME)/dagster.yaml:
	@mkdir -p $(DAGSTER_HOME)
	@cp dagster.yaml $@.new && mv $@.new $@

install: $(VENV)/.installed $(DAGSTER_HOME)/dagster.yaml  ## make the virtual environment

install-test: $(VENV)/.installed-test  ## add the test tools to it

train: install  ## retrodict the bundled data and print a summary
	$(BIN)/pulse-train

# The report has a server of its own: from a link in the UI a browser opens no file.
ui: install  ## open the Dagster UI on http://127.0.0.1:3000 (PORT=, REPORT_PORT=)
	@for port in PORT=$(PORT) REPORT_PORT=$(REPORT_PORT); do \
		$(BIN)/python -c "import socket; socket.create_server(('127.0.0.1', $${port#*=}))" \
			2>/dev/null || { echo "$$port is taken: make ui $${port%=*}=..." >&2; exit 1; }; \
	done
	@$(BIN)/python -m pulse_assets.instance
	@echo "the Dagster UI: http://127.0.0.1:$(PORT), in half a minute; Ctrl-C ends it"
	@cd $(DAGSTER_HOME) && { \
		$(abspath $(BIN))/pulse-train report --serve $(REPORT_PORT) >/dev/null & \
		trap "kill $$! 2>/dev/null" EXIT INT TERM; \
		PULSE_REPORT_URL=http://127.0.0.1:$(REPORT_PORT)/ PYTHONWARNINGS='ignore:Function' \
		$(abspath $(BIN))/dagster dev -w $(CURDIR)/workspace.yaml -h 127.0.0.1 -p $(PORT); }

# Two processes: the tests with clusters of their own have two workers each.
test: install-test  ## run the fast tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Three on two cores: most of these wait, for a daemon's tick, a time limit or a lost connection.
# The order is that of the tests' conftest.py; pytest-xdist's own is by number, not by length.
test-slow: install-test  ## run the slow tests
	$(BIN)/python -m pytest -m slow -n 3 --dist loadfile --no-loadscope-reorder

coverage: install-test  ## run all tests and measure branch coverage
	$(BIN)/python -m pytest -m '' -n 2 --dist loadfile --cov --cov-report=term

bench: install-test  ## measure accuracy, speed and the whole command, 5 minutes (needs Debian's gretl-data)
	$(BIN)/python -m benchmarks.accuracy --peers
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.end_to_end

bench-full: install-test  ## the same with the slow peers, more of each, and 1 worker beside 2
	$(BIN)/python -m benchmarks.accuracy --peers --full
	$(BIN)/python -m benchmarks.speed --budget 20
	$(BIN)/python -m benchmarks.end_to_end --repeats 3 --workers

lint: install-test  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

# CI installs with Python 3.11; setuptools builds the project itself.
lock:  ## write the hashes that CI installs by, from setup.cfg and constraints.txt (needs uv)
	echo 'setuptools>=77' | uv pip compile --quiet --generate-hashes --no-header --no-annotate \
		--no-strip-extras --extra test --extra dev -c constraints.txt --python-version 3.11 \
		-o .ci/requirements.txt - setup.cfg

clean:  ## remove the virtual environment and the caches; results stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
