# `make` lists what there is; `make run` and `make test` are all that a newcomer needs.

.DEFAULT_GOAL := help
.PHONY: help run test bench fuzz tools fmt lint unit

# Where `make run` keeps its data and listens. Only this machine can reach it.
RUN_ENV := BIND_ADDRESS=127.0.0.1

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build and run the API on an embedded database; needs Rust and a C compiler alone
	cargo build --release --locked --bin conduit
	@$(RUN_ENV) exec target/release/conduit

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

bench: ## measure the API beside what Postgres does with the same statements, and the adapter with a thousand pods
	@.ci/tools bench
	cargo bench --locked --package conduit --bench api
	cargo bench --locked --package metrics-adapter --bench exposition
	cargo bench --locked --package metrics-adapter --bench adapter

fuzz: ## fuzz a parser of the adapter for SECONDS, guided by coverage: TARGET is one of metrics-adapter/fuzz/targets
	@.ci/tools fuzz
	cd metrics-adapter/fuzz && PATH="$(CURDIR)/target/tools/bin:$$PATH" RUSTC_BOOTSTRAP=1 \
		cargo fuzz run --sanitizer none --fuzz-dir . $(TARGET) -- -max_total_time=$(SECONDS)

TARGET := exposition
SECONDS := 60
