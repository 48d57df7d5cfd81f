# Everything a person does with Pegasus, on a machine with Python 3.11 or newer and make.
# Settings reach every target through the environment: PORT=9000 make run

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules
# Compiled modules stay: the tests start hundreds of programs, and each would compile all of backend/ again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
CHAINS_VENV := .venv-chains
RIVALS_VENV := .venv-rivals
WHISPER_VENV := .venv-whisper
BROWSER_VENV := .venv-browser
CLIENTS := tests/browser/clients
BARE_VENV := .venv-bare
ORACLE_VENV := .venv-oracle
GENERATOR_VENV := .venv-generator
NEWEST_VENV := .venv-newest
OLDEST_VENV := .venv-oldest
ROWS := 200000
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
# Modules for themselves: as a package their folder would hide the library of the same name.
MYPY_ALONE := ../../$(BIN)/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache/alone
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock" --python-version 3.11 pyproject.toml

.PHONY: help install install-dev run test test-s3 test-browser chromium firefox test-scale nginx pgbouncer test-compose engine-tools test-power-cut test-whisper lint format soak record \
	bench bench-uploads bench-growth bench-page bench-scale chains package lock clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

run: install ## start the server, http://127.0.0.1:8000 unless HOST or PORT say otherwise
	@cd backend && exec ../$(BIN)/python main.py

install: $(VENV)/runtime.stamp .env backend/.env ## make .venv with what the server needs, and .env

install-dev: $(VENV)/dev.stamp ## make .venv with what the tests need as well

test: lint $(BARE_VENV)/bare.stamp $(GENERATOR_VENV)/generator.stamp $(NEWEST_VENV)/newest.stamp $(OLDEST_VENV)/oldest.stamp pgbouncer ## check and test everything but the long kill runs
	$(BIN)/python -m pytest -n 4 --dist loadgroup

test-s3: install-dev ## test the API over a real object store
	$(BIN)/python -m pytest -n 2 --dist loadgroup --storage s3 tests/api

test-browser: $(BROWSER_VENV)/browser.stamp $(CLIENTS)/node_modules/clients.stamp chromium firefox ## use the page in Chromium and Firefox, and clients of npm, on a real server
	$(BROWSER_VENV)/bin/python -m pytest -n 2 tests/browser

# The distribution's own, so that nothing is run that nobody else has looked at.
chromium: ## see that there is a Chromium for test-browser; as root it is installed
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null && exit; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "The page is tested in Chromium, and there is none here: install the package chromium." >&2; exit 1; \
	fi; \
	echo "Installing Chromium from the distribution (once)"; \
	apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends chromium >/dev/null

# It decodes AAC by the FFmpeg that the package of that name brings.
firefox: ## see that there is a Firefox for test-browser; as root it is installed
	@{ command -v firefox-esr || command -v firefox; } >/dev/null && exit; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "The page is tested in Firefox, and there is none here: install the packages firefox-esr and ffmpeg." >&2; exit 1; \
	fi; \
	echo "Installing Firefox from the distribution (once)"; \
	apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends firefox-esr ffmpeg >/dev/null

test-scale: install-dev nginx ## run several servers behind a real nginx
	$(BIN)/python -m pytest -n 2 -m "scale and not soak" tests/scale

nginx: ## see that there is an nginx for test-scale; as root it is installed
	@PATH=$$PATH:/usr/sbin:/usr/local/sbin; command -v nginx >/dev/null && exit; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "Several servers are tested behind nginx, and there is none here: install the package nginx." >&2; exit 1; \
	fi; \
	echo "Installing nginx from the distribution (once)"; \
	apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends nginx >/dev/null

test-compose: install-dev engine-tools ## run docker-compose on an engine of its own; as root, the first time five minutes
	$(BIN)/python -m pytest -m compose tests/compose

engine-tools: ## see that there is what test-compose needs; as root it is installed
	@if [ "$$(id -u)" != 0 ]; then \
		echo "An engine for the tests is started by root alone: sudo make test-compose." >&2; exit 1; \
	fi; \
	if ! command -v apt-get >/dev/null; then \
		echo "An engine for the tests is made of Debian's packages, and there is no apt-get here." >&2; exit 1; \
	fi; \
	command -v debootstrap >/dev/null && command -v slirp4netns >/dev/null && exit; \
	echo "Installing debootstrap and slirp4netns from the distribution (once)"; \
	apt-get -qq update && \
		DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends debootstrap slirp4netns >/dev/null

pgbouncer: ## see that there is a PgBouncer for test; as root it is installed
	@PATH=$$PATH:/usr/sbin:/usr/local/sbin; command -v pgbouncer >/dev/null && exit; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "Healing and serving are tested behind PgBouncer, and there is none here: install the package pgbouncer." >&2; \
		exit 1; \
	fi; \
	echo "Installing PgBouncer from the distribution (once)"; \
	apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends pgbouncer >/dev/null

test-power-cut: install-dev ## as root: cut the power of a disk a hundred times amid uploads
	@if [ "$$(id -u)" != 0 ]; then echo "A disk is mounted by root alone: sudo make test-power-cut." >&2; exit 1; fi
	$(BIN)/python -m pytest -m power_cut tests/power_cut

test-whisper: $(WHISPER_VENV)/whisper.stamp ## let a real Whisper model hear a spoken sentence
	HF_HUB_OFFLINE=1 $(WHISPER_VENV)/bin/python -m pytest tests/whisper

lint: install-dev ## check style, types, layers, Dockerfile, compose file and lock files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy backend tests benchmarks/*.py benchmarks/intake/*.py
	cd benchmarks/chains && MYPYPATH=../../backend $(MYPY_ALONE) *.py
	cd backend/alembic && MYPYPATH=.. $(MYPY_ALONE) env.py versions/*.py
	cd backend/system_chain && MYPYPATH=.. $(MYPY_ALONE) env.py versions/*.py
	PYTHONPATH=backend $(BIN)/lint-imports --no-logo
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m pytest -q tests/packaging/test_compose.py tests/packaging/test_lock_files.py

format: install-dev ## mend what can be mended by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

soak: install-dev nginx $(BARE_VENV)/bare.stamp $(ORACLE_VENV)/oracle.stamp ## kill, race and restart for as long as it takes; SOAK_SECONDS=120 for less of all at once
	$(BIN)/python -m pytest -m soak

record: install-dev ## play both migration chains and write their tape.json
	cd backend && ../$(BIN)/python -m reconcile record
	cd backend && ../$(BIN)/python -m reconcile record -c system_chain/alembic.ini

bench: install-dev ## measure beside plain Alembic, other uploads and ffmpeg; ROWS=2000000 for the published figure
	PYTHONPATH=backend:. $(BIN)/python benchmarks/start.py
	PYTHONPATH=backend:. $(BIN)/python benchmarks/start_up_check.py
	PYTHONPATH=backend:. $(BIN)/python benchmarks/many_schemas.py
	PYTHONPATH=backend:. $(BIN)/python benchmarks/live_table.py --rows $(ROWS)
	PYTHONPATH=backend:. $(BIN)/python benchmarks/decoding.py
	@$(MAKE) bench-uploads
	@$(MAKE) bench-growth
	PYTHONPATH=backend:. $(BIN)/python benchmarks/processing.py

bench-uploads: install-dev $(RIVALS_VENV)/rivals.stamp ## uploads and downloads alone; BENCH="--quick", or --help for more
	PYTHONPATH=backend:. $(BIN)/python benchmarks/uploads.py $(BENCH)

bench-growth: install-dev $(RIVALS_VENV)/rivals.stamp ## what grows with processes, rows and hours, and its pictures in docs/; BENCH="--help" for how far
	PYTHONPATH=backend:. $(BIN)/python benchmarks/growth.py --json data/growth.json $(BENCH)
	$(RIVALS_VENV)/bin/python benchmarks/growth_plots.py data/growth.json docs

bench-page: $(BROWSER_VENV)/browser.stamp chromium ## how quickly the page opens and filters 100,000 recordings
	PYTHONPATH=backend:. $(BROWSER_VENV)/bin/python benchmarks/page.py

bench-scale: install-dev ## lists, tags, searches and deletes with 2,000,000 recordings (some minutes, 12 GB)
	PYTHONPATH=backend:. $(BIN)/python benchmarks/scale.py $(BENCH)

chains: install-dev $(CHAINS_VENV)/chains.stamp ## break and heal chains of published packages; BENCH="--help" for parts
	PYTHONPATH=backend:. $(BIN)/python benchmarks/published_chains.py $(BENCH)

package: install-dev ## build alembic-reconcile, the engine of backend/reconcile for other projects, into dist/
	rm -rf dist
	$(BIN)/uv build --quiet --offline --no-build-isolation --python $(BIN)/python --out-dir dist packages/alembic-reconcile

lock: install-dev ## choose the newest dependencies that pyproject.toml allows, and pin them
	$(COMPILE) --upgrade --output-file requirements.lock
	$(COMPILE) --upgrade --extra dev --constraint requirements.lock --output-file requirements-dev.lock
	$(COMPILE) --upgrade --extra whisper --constraint requirements-dev.lock --output-file requirements-whisper.lock
	$(COMPILE) --upgrade --extra speakers --constraint requirements-dev.lock --constraint requirements-whisper.lock \
		--output-file requirements-speakers.lock
	$(COMPILE) --upgrade --extra telemetry --constraint requirements-dev.lock --output-file requirements-telemetry.lock
	$(COMPILE) tests/whisper/requirements.in --upgrade --extra dev --extra speakers --constraint requirements-dev.lock \
		--constraint requirements-speakers.lock --output-file tests/whisper/requirements.lock
	$(COMPILE) tests/browser/requirements.in --upgrade --extra dev --constraint requirements-dev.lock \
		--output-file tests/browser/requirements.lock
	$(COMPILE:pyproject.toml=tests/reconcile/cases/requirements.in) --upgrade --constraint requirements-dev.lock \
		--output-file tests/reconcile/cases/requirements.lock
	$(COMPILE:pyproject.toml=tests/distribution/newest.in) --upgrade --constraint requirements-dev.lock \
		--output-file tests/distribution/newest.lock
	$(COMPILE:pyproject.toml=tests/distribution/oldest.in) --upgrade --output-file tests/distribution/oldest.lock
	$(COMPILE:pyproject.toml=benchmarks/chains/requirements.in) --overrides benchmarks/chains/overrides.in \
		--excludes benchmarks/chains/excludes.in --output-file benchmarks/chains/requirements.lock
	$(COMPILE:pyproject.toml=tests/reconcile/oracle/requirements.in) --upgrade \
		--output-file tests/reconcile/oracle/requirements.lock
	$(COMPILE:pyproject.toml=tests/api/clients/requirements.in) --upgrade --output-file tests/api/clients/requirements.lock
	$(COMPILE:pyproject.toml=benchmarks/intake/requirements.in) --upgrade --constraint requirements.lock \
		--output-file benchmarks/intake/requirements.lock

clean: ## remove .venv and caches; recordings, database and .env stay
	rm -rf $(CLIENTS)/node_modules $(VENV) $(CHAINS_VENV) $(RIVALS_VENV) $(WHISPER_VENV) $(BROWSER_VENV) $(BARE_VENV) $(ORACLE_VENV) $(GENERATOR_VENV) $(NEWEST_VENV) $(OLDEST_VENV) dist .engines .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +

# The interpreter's own date is a prerequisite through the symlink: a replaced Python installs anew.
$(VENV)/runtime.stamp: requirements.lock $(BIN)/python
	@echo "Installing into $(VENV) what requirements.lock pins (once, about half a minute)"
	@$(PIP) install --require-hashes --requirement requirements.lock
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(BIN)/python
	@echo "Installing into $(VENV) what requirements-dev.lock pins (once, about a minute)"
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@touch $@

# Environments for themselves, each with what its lock pins. --no-deps: a lock is whole, and pip takes a pin for no pin
# where another package wants the same one with extras.
define new_environment
	@$(BIN)/python -m venv --clear $(@D)
	@$(@D)/bin/python -m pip --quiet --disable-pip-version-check --no-input \
		install --no-deps --require-hashes --requirement $<
	@touch $@
endef

$(CHAINS_VENV)/chains.stamp: benchmarks/chains/requirements.lock $(BIN)/python
	@echo "Installing the published chains into $(CHAINS_VENV) (once, some minutes)"
	$(new_environment)

$(RIVALS_VENV)/rivals.stamp: benchmarks/intake/requirements.lock $(BIN)/python
	@echo "Installing the servers to compare with into $(RIVALS_VENV) (once, half a minute)"
	$(new_environment)

$(WHISPER_VENV)/whisper.stamp: tests/whisper/requirements.lock $(BIN)/python
	@echo "Installing Whisper, a model and a voice into $(WHISPER_VENV) (once, about a minute)"
	$(new_environment)

$(BROWSER_VENV)/browser.stamp: tests/browser/requirements.lock $(BIN)/python
	@echo "Installing what drives a browser into $(BROWSER_VENV) (once, about a minute)"
	$(new_environment)

$(CLIENTS)/node_modules/clients.stamp: $(CLIENTS)/package-lock.json
	@command -v npm >/dev/null || { echo "Clients of npm are tested, and there is no npm here: install the package npm." >&2; exit 1; }
	@echo "Installing what $(CLIENTS)/package-lock.json pins (once, some seconds)"
	@npm --prefix $(CLIENTS) ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

$(BARE_VENV)/bare.stamp: tests/reconcile/cases/requirements.lock $(BIN)/python
	@echo "Installing SQLAlchemy, Alembic and psycopg into $(BARE_VENV) (once, some seconds)"
	$(new_environment)

$(NEWEST_VENV)/newest.stamp: tests/distribution/newest.lock $(BIN)/python
	@echo "Installing the newest SQLAlchemy and Alembic into $(NEWEST_VENV) (once, some seconds)"
	$(new_environment)

$(OLDEST_VENV)/oldest.stamp: tests/distribution/oldest.lock $(BIN)/python
	@echo "Installing the oldest SQLAlchemy and Alembic into $(OLDEST_VENV) (once, some seconds)"
	$(new_environment)

$(ORACLE_VENV)/oracle.stamp: tests/reconcile/oracle/requirements.lock $(BIN)/python
	@echo "Installing PostgreSQL's own parser into $(ORACLE_VENV) (once, some seconds)"
	$(new_environment)

$(GENERATOR_VENV)/generator.stamp: tests/api/clients/requirements.lock $(BIN)/python
	@echo "Installing what makes clients of /openapi.json into $(GENERATOR_VENV) (once, some seconds)"
	$(new_environment)

$(BIN)/python:
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			exec $$python -m venv --clear $(VENV); \
		fi; \
	done; \
	echo "Pegasus needs Python 3.11 or newer, and none was found as python3 or python3.11 to python3.14." >&2; \
	exit 1

.env:
	@install -m 0600 .env.example .env

backend/.env:
	@ln -s ../.env backend/.env
