# Every target works on a fresh machine that has Python 3.11 or newer, git and make.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml jupyterlab/overrides.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: $(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "make: $(PYTHON) cannot make a virtual environment; on Debian: apt install python3-venv"; exit 2; }
	@echo "Setting up $(VENV), once, about a minute ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.PHONY: setup
setup: $(READY)

.PHONY: demo
demo: $(READY) ## a class is released, graded and given feedback, in demo/
	@$(BIN)/roadmap build
	@$(BIN)/roadmap demo

.PHONY: course
course: $(READY) ## learn: JupyterLab on your own copy of the lessons, in work/
	@$(BIN)/roadmap start work
	@cd work && PATH="$(CURDIR)/$(BIN):$$PATH" \
	  JUPYTER_CONFIG_PATH="$(CURDIR)/jupyterlab/learner$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
	  jupyter lab --ServerApp.ip=127.0.0.1 \
	  $(if $(filter 0,$(shell id -u)),--allow-root) --LabApp.default_url=/lab/tree/start_here/00_welcome.ipynb

.PHONY: test
test: $(READY) ## every check: package, lessons, notebooks, grading
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest --numprocesses auto --dist worksteal

.PHONY: build
build: $(READY) ## source/ and release/ from the lessons in course/
	@$(BIN)/roadmap build

.PHONY: bench
bench: $(READY) ## how long building and grading take, beside stock nbgrader
	@$(BIN)/python -m tests.bench

.PHONY: lock
lock: $(READY) ## renew requirements.lock; `make test` then names what environment.yml lacks
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --upgrade \
	  --no-header --no-annotate --quiet --output-file requirements.lock
