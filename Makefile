# Rialto: two commands for everybody, four more for those who build it.
#
#   make run     build, and start the demo exchange
#   make test    install what the tests need, and run all of them
#   make check   formatting, lints, dependency rules
#   make c       the order book as a C library: see engine/c/README.md
#   make mutations  break the book and the money half in many small ways and see that their twins notice each
#   make bench   the figures: book against its peers, the whole path, the wire

CARGO ?= cargo
VENV := target/venv
DENY := target/tools/bin/cargo-deny
DENY_VERSION := 0.20.2

.PHONY: run test check c mutations bench

run:
	$(CARGO) build --release --package rialto-gateway --package rialto-bank
	target/release/rialto demo

test: $(VENV)/.installed
	$(CARGO) build --release --workspace --bins
	$(CARGO) test --release --workspace --doc
	RIALTO_PYTHON="$(abspath $(VENV))/bin/python" $(CARGO) test --release --workspace --tests

check: $(DENY)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	$(DENY) check --hide-inclusion-graph bans licenses sources

c:
	$(CARGO) build --release --package rialto-engine-c

bench:
	$(CARGO) bench --package rialto-bench

# The unmodified Python clients, in an environment of their own.
$(VENV)/.installed: tests/python/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement tests/python/requirements.txt
	touch $@

$(DENY):
	$(CARGO) install --quiet --locked --root target/tools --version $(DENY_VERSION) cargo-deny

mutations:
	python3 tests/mutations/run.py
