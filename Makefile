# The few commands anyone types. `make` alone lists them.
# They install what they need and is missing (Debian packages by apt-get, with sudo when you are not
# root; npm packages into tests/e2e/node, Python packages into tests/e2e/python) and use no network
# once all is there.

SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/sbin

# Calls of `make load`, and further arguments (`make load N=500 ARGS="--rooms 50 --seconds 60"`).
N ?= 200
ARGS ?=

NODE_PACKAGES := tests/e2e/node/node_modules/.installed
PYTHON := tests/e2e/python/.venv
PYTHON_PACKAGES := $(PYTHON)/.installed
say = @printf '\n== %s\n' "$(1)"

# Tests wait for phones, tones and deadlines more than they work: with two threads a processor and one
# more the whole takes half the time.
export RUST_TEST_THREADS ?= $(shell expr 2 \* $$(nproc) + 1)

# Target and seconds of `make fuzz`.
T ?= sip_message
S ?= 60

.PHONY: help demo test nightly check e2e contract bench load flood cps rest churn race idle upgrade peers fuzz cargo build-tools run-tools test-tools

help:
	@echo "make demo        build and start the server with a demo tenant, ready for two SIP phones"
	@echo "make test        everything: install test tools, format, lints, all tests"
	@echo "make nightly     what takes too long for every test: 100,000 random SIP schedules"
	@echo "make check       format, lints and documentation, no tests"
	@echo "make e2e         only the end-to-end tests (make e2e ARGS=phones for some of them)"
	@echo "make contract    every request that schemathesis makes of the API's description: takes minutes"
	@echo "make bench       the criterion benches"
	@echo "make load N=200  200 real SIP calls into one conference; prints JSON"
	@echo "make flood       100 talking calls while 50,000 SIP requests a second come from one address"
	@echo "make cps         how many calls a second sipp gets answered on one processor, without media"
	@echo "make rest        what REST answers, and how soon, while 200 calls talk and 500 more listen"
	@echo "make churn       500 members of one room, 50 joining and 50 leaving a second for 5 minutes, then its end"
	@echo "make race        1,000 callers in a queue of 100 agents, hang-ups and removals; how soon two meet"
	@echo "make idle        what 10,000 empty conferences and 10,000 empty queues cost"
	@echo "make upgrade     how long an old store of a million call records takes to open, and its lists over REST"
	@echo "make peers       the same load on this server, Janus and Asterisk; prints one table"
	@echo "make fuzz T=sdp S=60  one fuzz target for 60 s; the targets: fuzz/fuzz_targets"

demo: cargo build-tools run-tools
	$(call say,building and starting the server (Ctrl-C stops it))
	cargo run --release --bin trunkline -- --demo $(ARGS)

test: cargo build-tools test-tools
	$(call say,format)
	cargo fmt --all --check
	$(call say,lints)
	cargo clippy --workspace --all-targets -- -D warnings
	$(call say,tests)
	cargo test --workspace
	$(call say,the store and the REST API on PostgreSQL)
	TRUNKLINE_TEST_STORE=postgres cargo test --workspace --lib store::
	TRUNKLINE_TEST_STORE=postgres cargo test --workspace --test it -- api:: store:: postgres::
	$(call say,a small load run: 12 calls for 3 seconds)
	cargo run --quiet -p trunkline-load -- --spawn target/debug/trunkline -n 12 --seconds 3 --json
	$(call say,all passed)

nightly: cargo build-tools
	$(call say,100000 random SIP schedules in virtual time)
	TRUNKLINE_SCHEDULES=100000 cargo test --release -p sip --lib random_schedules

check: cargo build-tools
	$(call say,format)
	cargo fmt --all --check
	$(call say,lints)
	cargo clippy --workspace --all-targets -- -D warnings
	$(call say,documentation)
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

e2e: cargo build-tools test-tools
	$(call say,end-to-end tests)
	cargo test --test e2e -- $(ARGS)

contract: cargo build-tools test-tools
	$(call say,the API and its description)
	TRUNKLINE_CONTRACT=full cargo test --test e2e -- openapi $(ARGS)

bench: cargo build-tools
	$(call say,benches)
	cargo bench --workspace $(ARGS)

load: cargo build-tools
	$(call say,building server and load bench)
	cargo build --release -p trunkline -p trunkline-load
	$(call say,$(N) calls on loopback)
	target/release/trunkline-load --spawn target/release/trunkline -n $(N) $(ARGS)

flood: cargo build-tools
	$(call say,building server and load bench)
	cargo build --release -p trunkline -p trunkline-load
	$(call say,100 calls for a minute under a flood)
	target/release/trunkline-load --spawn target/release/trunkline --flood 50000 \
	  -n 100 --rooms 10 --talkers 20 --seconds 60 $(ARGS)

cps: cargo build-tools
	@scripts/install-packages sipp:sip-tester
	$(call say,building server and load bench)
	cargo build --release -p trunkline -p trunkline-load
	$(call say,calls per second)
	target/release/trunkline-load --cps --spawn target/release/trunkline --pin \
	  --seconds 45 $(ARGS)

rest: cargo build-tools
	$(call say,building server and load bench)
	cargo build --release -p trunkline -p trunkline-load
	$(call say,REST under load)
	target/release/trunkline-load --rest-load --spawn target/release/trunkline -n 200 --rooms 10 \
	  --talkers all --listeners 500 --seconds 10 $(ARGS)

churn: cargo build-tools
	$(call say,building server and load bench)
	cargo build --release -p trunkline -p trunkline-load
	$(call say,coming and going)
	target/release/trunkline-load --churn 50 --spawn target/release/trunkline -n 500 \
	  --seconds 300 $(ARGS)

race: cargo build-tools
	$(call say,building server and load bench)
	cargo build --release -p trunkline -p trunkline-load
	$(call say,a queue)
	target/release/trunkline-load --queue-race 100 --spawn target/release/trunkline -n 1000 \
	  --rate 100 $(ARGS)

idle: cargo build-tools
	$(call say,building server and load bench)
	cargo build --release -p trunkline -p trunkline-load
	$(call say,empty rooms)
	target/release/trunkline-load --idle-rooms 10000 --spawn target/release/trunkline \
	  --seconds 60 $(ARGS)

upgrade: cargo build-tools
	$(call say,an old store of a million call records is made, opened and read)
	cargo bench --bench upgrade -- $(ARGS)

peers: cargo build-tools
	benches/peers/run $(ARGS)

# What is found grows fuzz/corpus, what fails lands in fuzz/artifacts; fuzz/seeds is where it starts.
fuzz: cargo build-tools
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	@mkdir -p fuzz/corpus/$(T)
	$(call say,$(T) for $(S) s)
	RUSTC_BOOTSTRAP=1 cargo fuzz run $(if $(filter verb_json hook_url,$(T)),--features server) \
	  $(T) fuzz/corpus/$(T) fuzz/seeds/$(T) -- -max_total_time=$(S) -timeout=10 -print_final_stats=1 $(ARGS)

# What the above stand on.

cargo:
	@command -v cargo >/dev/null || { \
	  echo "cargo is missing: install Rust (https://rustup.rs), then try again" >&2; exit 1; }

build-tools:
	@scripts/install-packages cc:build-essential cmake:cmake

# What the server runs at run time.
run-tools:
	@scripts/install-packages espeak-ng:espeak-ng

test-tools: run-tools $(NODE_PACKAGES) $(PYTHON_PACKAGES)
	@scripts/install-packages sipp:sip-tester baresip:baresip-core openssl:openssl kamailio:kamailio \
	  initdb:postgresql

$(NODE_PACKAGES): tests/e2e/node/package.json
	@scripts/install-packages node:nodejs npm:npm
	$(call say,npm packages of the end-to-end tests)
	cd tests/e2e/node && npm install --no-audit --no-fund
	@touch $@

# A venv brings pip only where ensurepip is, which Debian keeps in a package of its own.
$(PYTHON_PACKAGES): tests/e2e/python/requirements.txt
	@scripts/install-packages python3:python3
	@python3 -c 'import ensurepip' 2>/dev/null || scripts/install-packages ensurepip:python3-venv
	$(call say,Python packages of the end-to-end tests)
	python3 -m venv $(PYTHON)
	$(PYTHON)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
