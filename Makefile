# Undertone's commands: `make run` starts the site, `make test` checks everything.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
PORT ?= $(or $(shell sed -nE 's,^PORT *= *"?([0-9]+).*,\1,p' .env 2>/dev/null),8000)
# Folder that holds the corpora, each in its official layout: cremad ravdess emodb nemo.
CORPORA ?= corpora
# The notebooks make voices from numbers where no folder is named and that one is not there.
GIVEN_CORPORA = $(if $(filter command environment,$(origin CORPORA))$(wildcard $(CORPORA)/.),--corpora "$(CORPORA)")
# The network that make train trains.
MODEL ?= cnn-gru
# Weights of the pretrained encoder (.npz), for a MODEL that has one.
ENCODER ?=
# What runs in the cloud: a package and a container hold these, and nothing else.
DEPLOYED := requirements.txt requirements-azure.txt LICENSE LICENSE-WEIGHTS.md startup.sh \
  ml webapp static templates samples
# Passed on, to pytest by make test: ARGS="tests/test_audio.py -x"
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# $(call FITS,interpreter,advice): ends with a clear line where the version does not fit.
FITS = import sys; v = sys.version_info[:2]; \
  (3, 11) <= v <= (3, 13) or sys.exit( \
  "Undertone needs Python 3.11, 3.12 or 3.13; $(1) is %d.%d. $(2)" % v)
BABEL := $(BIN)/python -m babel.messages.frontend -q
HAS_VENV := import importlib.util as u, sys; \
  sys.exit(not (u.find_spec("venv") and u.find_spec("ensurepip")))

# The browser tests' driver (Playwright's own node) is linked against it.
HAS_LIBATOMIC := import ctypes; ctypes.CDLL("libatomic.so.1")
VENV_PACKAGE := import sys; print("python%d.%d-venv" % sys.version_info[:2])

.NOTPARALLEL:
.PHONY: help run test lint setup train bench notebooks docs report site package translations lock audit licences sbom needs-version needs-python needs-tools

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 16

run: $(BIN)/.serving ## set up what serving needs, then serve on http://127.0.0.1:$PORT
	@$(BIN)/python -c 'import socket; socket.create_server(("127.0.0.1", $(PORT))).close()' 2>/dev/null \
	  || { echo "Port $(PORT) is taken. Choose another one: make run PORT=$$(($(PORT) + 1))"; exit 1; }
	@echo "Undertone is starting on http://127.0.0.1:$(PORT) (Ctrl-C stops it)"
	@PATH="$(CURDIR)/$(BIN):$$PATH" PORT="$(PORT)" exec ./startup.sh

test: needs-tools $(BIN)/.testing node_modules/.installed ## set up what tests need, then run all checks and tests
	@$(MAKE) lint
	@echo "Running the tests"
	@$(BIN)/python -m pytest $(ARGS)

lint: $(BIN)/.testing ## style, types and architecture, without the tests
	@echo "Checking style, types and architecture"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

setup: needs-tools $(BIN)/.serving $(BIN)/.testing node_modules/.installed ## both set-ups; starts nothing
	@echo "Everything is set up: make run, make test"

bench: $(BIN)/.training ## measure the site against the bare work and the plain way, and its pages
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.pages

notebooks: $(BIN)/.testing ## run all notebooks into build/notebooks; CORPORA=folder for recordings
	@$(BIN)/python -m notebooks.render --output build/notebooks $(GIVEN_CORPORA) $(ARGS)

docs: $(BIN)/.serving ## write MODEL_CARD.md and docs/models.md anew from the bundles
	$(BIN)/python -m ml evaluate --all --output .

report: $(BIN)/.testing ## build the technical report, PDF and HTML, into build/report
	@$(BIN)/python -m reports --output build/report

site: notebooks ## build the documentation's website, notebooks and all, into build/site; a warning is an error
	@$(BIN)/python -m documentation.build

package: ## write package.zip, which App Service builds and runs (docs/deploy.md)
	@git archive --format=zip --output=package.zip HEAD $(DEPLOYED)
	@echo "package.zip holds $$(git rev-parse --short HEAD)"

translations: $(BIN)/.serving ## bring webapp/translations up to date with the texts, then compile them
	$(BABEL) extract -F babel.cfg -k lazy_gettext --no-location --omit-header -o .venv/messages.pot .
	$(BABEL) update -i .venv/messages.pot -d webapp/translations --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --no-wrap
	$(BABEL) compile -d webapp/translations

lock: $(BIN)/.testing ## write requirements*.txt anew, with hashes; ARGS="--upgrade-package flask" renews one
	@$(BIN)/python -m dependencies.lock $(ARGS)

audit: $(BIN)/.testing ## ask for known vulnerabilities of everything that is pinned
	@$(BIN)/python -m dependencies.audit $(ARGS)

licences: $(BIN)/.testing ## write docs/licences.md anew; fails on a licence that was not accepted
	@$(BIN)/python -m dependencies.licences --write docs/licences.md

sbom: $(BIN)/.testing ## write sbom.json (CycloneDX): all that is deployed, models too
	@$(BIN)/python -m dependencies.sbom --output sbom.json

train: $(BIN)/.training ## train MODEL=cnn-gru on CORPORA=folder (cremad ravdess emodb nemo in it)
	@test -d "$(CORPORA)" || { echo "No folder '$(CORPORA)'. Say where the corpora are: make train CORPORA=folder"; exit 1; }
	$(BIN)/python -m ml train --model $(MODEL) --corpora "$(CORPORA)" --output runs/$(MODEL) --resume \
	  $(if $(ENCODER),--encoder "$(ENCODER)")

# Set-up: a stamp stands beside each list of packages that is installed; a changed list renews it.
$(BIN)/python:
	@$(MAKE) needs-python
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear .venv

$(BIN)/.serving: requirements.txt | $(BIN)/python
	@$(BIN)/python -c '$(call FITS,the one in .venv,Remove it first: rm -rf .venv)'
	@echo "Installing what serving needs (once; .venv then holds 0.8 GB)"
	@$(PIP) -r requirements.txt
	@touch $@

$(BIN)/.training: requirements-train.txt $(BIN)/.serving
	@echo "Installing what training needs (once; .venv then holds 3.2 GB)"
	@$(PIP) -r requirements-train.txt
	@touch $@

$(BIN)/.testing: requirements-dev.txt requirements-batch.txt requirements-azure.txt $(BIN)/.training
	@echo "Installing what the tests need (once)"
	@$(PIP) -r requirements-dev.txt
	@touch $@

node_modules/.installed: package.json package-lock.json
	@echo "Installing Azurite, the storage server that the tests run (once)"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

needs-version:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing." \
	  "Install it: sudo apt-get install -y python3 python3-venv"; exit 1; }
	@$(PYTHON) -c '$(call FITS,$(PYTHON),Name another one: make PYTHON=python3.12 ...)'

needs-python: needs-version
	@$(PYTHON) -c '$(HAS_VENV)' || { echo "Python's venv is missing." \
	  "Install it: sudo apt-get install -y $$($(PYTHON) -c '$(VENV_PACKAGE)')"; exit 1; }

needs-tools:
	@test -x $(BIN)/python || $(MAKE) needs-version
	@missing=""; \
	command -v chromium >/dev/null || missing+=" chromium"; \
	command -v npm >/dev/null || missing+=" npm"; \
	$(PYTHON) -c '$(HAS_LIBATOMIC)' 2>/dev/null || missing+=" libatomic1"; \
	test -x $(BIN)/python || $(PYTHON) -c '$(HAS_VENV)' || missing+=" $$($(PYTHON) -c '$(VENV_PACKAGE)')"; \
	test -z "$$missing" || { echo "The tests need$$missing. Install: sudo apt-get install -y$$missing"; exit 1; }
