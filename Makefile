# Frontdesk. `make run` on a clean clone is all it takes; `make help` lists the rest.
# PYTHON chooses the interpreter (3.11 or newer): make run PYTHON=/path/to/python3.13

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
BIN := .venv/bin
export PYTHON

.PHONY: help setup run test check quick soak bench plugin lock

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile | expand -t 10

setup: ## make .venv from the lock (instant when nothing changed)
	@bash scripts/setup.sh

run: setup ## the demo; RESET=1 begins anew, CONFIG=plugins.toml serves for real
	@exec $(BIN)/frontdesk $(if $(CONFIG),serve --config "$(CONFIG)",demo$(if $(RESET), --reset))

check: setup ## format, lint, types, imports, house tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/house

quick: check ## check, then every test that takes no seconds
	$(BIN)/python -m pytest -m "not slow and not soak"

test: setup ## every test but the soak tests, with real peers
	@bash scripts/peers.sh
	$(BIN)/python -m pytest -m "not soak"

soak: setup ## the tests that take minutes to hours
	@bash scripts/peers.sh
	$(BIN)/python -m pytest -m soak

bench: setup ## measure, print a table, write bench/results
	$(BIN)/python -m bench

plugin: setup ## add a third-party plugin: make plugin PKG=path-or-name
	@bash scripts/plugin.sh "$(PKG)"

lock: ## renew requirements.lock from pyproject.toml
	@bash scripts/lock.sh
