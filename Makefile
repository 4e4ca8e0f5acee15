# Two commands matter: `make run` shows cedargate at work, `make test` is what a change has to pass. Both install what is
# missing with apt on Debian and Ubuntu and say what to install elsewhere. Rust (rustup.rs) is the one thing asked for beforehand.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
PYTHON ?= python3
NPM ?= npm
VENV := .venv
NODE := .node

# What the crate links: xmlsec1 (samael), and what bindgen needs to read its headers.
BUILD_PACKAGES := build-essential pkg-config libxmlsec1-dev libxml2-dev libxslt1-dev libssl-dev libclang-dev
# What the tests call: a browser, other people's SAML code and schemas, a Redis server, a database and a solver.
TEST_PACKAGES := chromium chromium-driver fonts-dejavu-core xmlsec1 libxml2-utils opensaml-schemas xmltooling-schemas python3-venv \
  redis-server redis-tools postgresql procps util-linux softhsm2 cvc5 git

.PHONY: help run test audit lint docs unit tools build-libraries clean-test-output rust

help: ## Lists the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

run: rust build-libraries ## Builds cedargate and starts its demonstration on this machine
	$(CARGO) build --locked
	$(CARGO) run --locked --quiet -- demo

# The order is by price: what fails fastest comes first. Lints and docs share one set of checked dependencies; tests, doctests
# and benches share one set of built ones. Nothing is built in the release profile.
test: rust tools lint docs unit ## Formatting, lints, docs, all tests, benches compiled

# What is tested can prove (feature `analyze`). What is built without it is the default, so that has to compile, too.
lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --features analyze --all-targets -- -D warnings
	$(CARGO) clippy --locked -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --features analyze --no-deps

# `--all-targets` builds the benches too and runs each question once; their numbers come from `cargo bench`. Of an example it makes
# a test, not a program: `cedar`, Cedar's own command line, by which the tests judge the policies, is built beforehand.
unit: clean-test-output
	$(CARGO) build --locked --features analyze --example cedar
	$(CARGO) test --locked --features analyze --all-targets
	$(CARGO) test --locked --features analyze --doc

clean-test-output:
	@rm -rf test-output

audit: rust ## Licences, sources, bans and advisories of all dependencies
	@command -v cargo-deny >/dev/null || nice $(CARGO) install cargo-deny --locked
	$(CARGO) deny --all-features check bans licenses sources
	@echo "Advisories come from the RustSec database: this step needs the internet."
	$(CARGO) deny --all-features check advisories

rust:
	@command -v $(CARGO) >/dev/null || { echo "cedargate is written in Rust: install it first (rustup.rs)." >&2; exit 1; }

build-libraries:
	@$(call install,$(BUILD_PACKAGES))
	@pkg-config --exists xmlsec1 libxml-2.0 libxslt openssl || { \
	  echo "The headers of xmlsec1, libxml2, libxslt, OpenSSL and clang are missing. On Debian they are called:" >&2; \
	  echo "  $(BUILD_PACKAGES)" >&2; exit 1; }

tools: build-libraries $(VENV)/installed $(NODE)/installed ## Installs what the tests need
	@$(call install,$(TEST_PACKAGES))
	@for tool in chromium chromedriver xmlsec1 xmllint redis-server redis-cli node cvc5; do \
	  command -v $$tool >/dev/null || { echo "The tests need \`$$tool\`. On Debian: $(TEST_PACKAGES) nodejs npm" >&2; exit 1; }; \
	done

$(VENV)/installed: tests/judges/requirements.txt
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(call install,python3-venv); }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	@touch $@

# Without scripts of the packages: none of them needs one.
$(NODE)/installed: tests/judges/package.json tests/judges/package-lock.json
	@command -v node >/dev/null && command -v $(NPM) >/dev/null || { $(call install,nodejs npm); }
	mkdir -p $(NODE)
	cp $^ $(NODE)
	cd $(NODE) && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# $(call install,PACKAGES): installs those that are missing, where there is apt; quick when nothing is.
define install
if command -v apt-get >/dev/null; then \
  missing=""; \
  for package in $(1); do \
    dpkg-query --show --showformat='$${db:Status-Status}' "$$package" 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
  done; \
  if [ -n "$$missing" ]; then \
    echo "Installing$$missing"; \
    sudo=""; \
    if [ "$$(id -u)" != 0 ]; then \
      command -v sudo >/dev/null || { echo "As root, install:$$missing" >&2; exit 1; }; \
      sudo=sudo; \
    fi; \
    $$sudo apt-get update --quiet=2; \
    $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends $$missing >/dev/null; \
  fi; \
fi
endef
