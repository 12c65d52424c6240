# `make` alone lists what one can do.
.DEFAULT_GOAL := help
SHELL := /bin/bash
UV := .uv/bin/uv
RUN := $(UV) run --frozen
export UV_PYTHON_DOWNLOADS := never
export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export GX_ANALYTICS_ENABLED := false
export SQLMESH__DISABLE_ANONYMIZED_ANALYTICS := true

.PHONY: help setup peers demo test test-all dev check review bench clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s $$'\t'

setup: .venv/.ready ## Make .venv from the hashed lock; needs python3 with pip, nothing else

.venv/.ready: uv.lock pyproject.toml deploy/uv.txt
	@test -x $(UV) || python3 -m pip install --quiet --disable-pip-version-check --no-warn-script-location \
		--root-user-action ignore --require-hashes --only-binary :all: --target .uv -r deploy/uv.txt
	@test -d .venv || $(UV) venv --quiet --python python3 .venv
	@$(UV) sync --frozen --quiet --compile-bytecode
	@touch $@

peers: setup ## Make .venv-peers: the libraries that benchmarks and parity checks hold Tickline against
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.venv-peers $(UV) sync --frozen --quiet --python python3 --project bench/peers

demo: setup ## Run the whole pipeline on a synthetic universe, offline
	@$(RUN) tickline demo

test: setup ## Run the fast tests
	@$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

test-all: setup ## Run every test, slow ones too
	@$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 -m ""

dev: setup ## Dagster UI and daemon on 127.0.0.1:3000
	@$(RUN) python -m runners.dev

check: setup ## Lint, types, layers, SQL
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports
	cd dbt_project && ../$(RUN) sqlfluff lint models tests/singular

review: setup ## Plan the SQL models of the working tree against main
	@$(RUN) python -m runners.review

bench: setup ## Every benchmark, the long ones at their small size
	@for name in "ingest --small" "rollup --small" backfill; do $(RUN) bench $$name || exit 1; done

clean: ## Remove what a demo made
	rm -rf .tickline
