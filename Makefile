# `make` lists what there is; `make run` and `make test` are all that a newcomer needs.

.DEFAULT_GOAL := help
.PHONY: help build run api plan load test bench bench-scale fuzz tools fmt lint unit

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build:
	cargo build --release --locked --bins

# Data, logs and reports go to data/.
# COMPARE=cpu or COMPARE=FILE plays the load again under another HPA, PACE=1 is the real clock, ARGS='--keep' and the like
# are handed on.
run: build ## rehearse the autoscaling loop on this machine, about four minutes; needs Rust and a C compiler alone
	@exec target/release/rehearse run $(if $(COMPARE),--compare '$(COMPARE)') $(if $(PACE),--pace '$(PACE)') $(ARGS)

api: build ## the API alone, on an embedded database; only this machine can reach it
	@BIND_ADDRESS=127.0.0.1 exec target/release/conduit

plan: build ## what the HPA would do with LOAD, as sine:20..480@1d, on pods that answer CAPACITY requests a second each
	@target/release/rehearse plan --load '$(LOAD)' --pod-capacity '$(CAPACITY)' $(ARGS)

load: build ## send RATE requests a second to URL for FOR
	@target/release/rehearse load '$(URL)' --rate '$(RATE)' --for '$(FOR)' $(ARGS)

LOAD := steps:20@100s,140@150s,240@150s,480@200s,20@520s
CAPACITY := 80
URL := http://127.0.0.1:8000/api/articles
RATE := 140
FOR := 60s

test: tools fmt lint unit ## install what is missing (on Debian), then formatting, lints and all tests

tools:
	@.ci/tools

fmt:
	cargo fmt --all --check

lint:
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps --document-private-items

unit:
	cargo test --locked --workspace

bench: ## measure the API beside what Postgres does with the same statements, the adapter with a thousand pods, the rehearsal
	@.ci/tools bench
	cargo bench --locked --package conduit --bench api
	cargo bench --locked --package metrics-adapter --bench exposition
	cargo bench --locked --package metrics-adapter --bench adapter
	cargo bench --locked --package rehearsal --bench rehearsal

bench-scale: ## the adapter with 5,000 nodes and 150,000 pods, about two minutes
	cargo bench --locked --package metrics-adapter --bench scale

fuzz: ## fuzz a parser of the adapter for SECONDS, guided by coverage: TARGET is one of metrics-adapter/fuzz/targets
	@.ci/tools fuzz
	cd metrics-adapter/fuzz && PATH="$(CURDIR)/target/tools/bin:$$PATH" RUSTC_BOOTSTRAP=1 \
		cargo fuzz run --sanitizer none --fuzz-dir . $(TARGET) -- -max_total_time=$(SECONDS)

TARGET := exposition
SECONDS := 60
