# The verbs of this project. `make run` and `make test` are all a newcomer needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

DATA ?= ./data
PORT ?= 5432
# Builds stay out of the checkout, so that a fresh clone can reuse them.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/redoubt/target

BIN := $(CARGO_TARGET_DIR)/checked/redoubt

.PHONY: help run test check build conformance sqlsmith differential sim bench

help:
	@echo "make run            build, start on 127.0.0.1:$(PORT) with data in $(DATA)  (PORT=, DATA=)"
	@echo "make test           everything that must hold, in at most an hour on two cores"
	@echo "make check          the quick one: format, clippy, unit tests, tidy"
	@echo "make conformance    PostgreSQL's own suites against Redoubt, with a score  (FILE=int4 shows one file, ACCEPT=1; EXECUTOR=datafusion compares executors)"
	@echo "make sqlsmith       random queries against PostgreSQL and Redoubt: 5,000 of each of three seeds  (SMITH=\"--queries=100 7\")"
	@echo "make differential   random queries whose answers have to be PostgreSQL's  (SEEDS=a..b, QUERIES=n of each)"
	@echo "make bench          side by side with PostgreSQL, in one run  (QUICK=1, ONLY=tpcb/simple/8,pg-single)"
	@echo "make sim            the storage tier under simulated faults: SEED=n with its trace, SEEDS=a..b counted"
	@echo "make build          the binary alone: $(BIN)"

build:
	@started=$$(date +%s); \
	cargo build --profile checked --package redoubt; \
	echo "built $(BIN) in $$(( $$(date +%s) - started )) s"

run:
	@tools/install-client
	@$(MAKE) --no-print-directory build
	@echo
	@echo "  psql -h 127.0.0.1 -p $(PORT) -U postgres"
	@echo
	@exec $(BIN) start -D $(DATA) -p $(PORT)

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace --lib --bins
	cargo test --package redoubt-conformance --test tidy

test:
	@tools/install-client
	@tools/run-tests

conformance: build
	@tools/install-client
	@REDOUBT_BIN=$(BIN) cargo run --quiet --profile checked --package redoubt-conformance --bin conformance -- \
	    $(if $(ACCEPT),--accept) $(if $(EXECUTOR),--executor=$(EXECUTOR)) $(FILE)

differential: build
	@tools/install-client
	@REDOUBT_BIN=$(BIN) cargo run --quiet --profile checked --package redoubt-conformance --bin differential -- \
	    $(if $(filter-out file,$(origin SEEDS)),--seeds $(SEEDS)) $(if $(QUERIES),--queries $(QUERIES))

sqlsmith: build
	@tools/install-client
	@REDOUBT_BIN=$(BIN) cargo run --quiet --profile checked --package redoubt-conformance --bin sqlsmith -- $(SMITH)

bench: build
	@tools/install-client
	@REDOUBT_BIN=$(BIN) cargo run --quiet --profile checked --package redoubt-bench -- $(if $(QUICK),--quick) \
	    $(if $(ONLY),--only $(ONLY),$(if $(QUICK),--tpch 0.01,--kill-after-seconds 10,60,300 --tpch 0.1,1)) $(BENCH)

# Without a seed: a range that takes a minute or two.
SEEDS ?= 0..200
sim:
	cargo run --profile checked --package redoubt-sim -- $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))
