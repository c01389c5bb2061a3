# `make` lists what there is; `make run` and `make test` are all that a newcomer needs.

.DEFAULT_GOAL := help
.PHONY: help build run api plan load up status doctor demo-quota demo-hpa down dashboards test bench bench-scale fuzz tools fmt lint unit

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

load: build ## send RATE requests a second to URL for FOR: by default to `make run`; `make up` ends with the URL of a cluster
	@target/release/rehearse load '$(URL)' --rate '$(RATE)' --for '$(FOR)' $(ARGS)

up: build ## the whole stack in a cluster: one of kind's (PROVIDER=kind), or the one you are logged in to (PROVIDER=context)
	@target/release/rehearse cluster up $(WHERE) $(if $(TINY),--tiny=$(call said,$(TINY))) \
		$(if $(filter-out undefined,$(origin REGISTRY)),--registry '$(REGISTRY)') $(if $(NODE_IMAGE),--node-image '$(NODE_IMAGE)') \
		$(if $(KUBELET_INSECURE_TLS),--kubelet-insecure-tls=$(call said,$(KUBELET_INSECURE_TLS))) $(ARGS)

status: build ## all of it on one screen: pods, HPA, APIServices, targets, certificates, URLs
	@target/release/rehearse cluster status $(AT) $(ARGS)

doctor: build ## what is wrong with it, and what helps
	@target/release/rehearse cluster doctor $(AT) $(ARGS)

demo-quota: build ## the walkthrough's three quotas in the cluster, run and explained
	@target/release/rehearse cluster demo-quota $(AT) $(ARGS)

demo-hpa: build ## 140, 240 and 480 requests a second to the cluster, and what its HPA makes of them, with a report
	@target/release/rehearse cluster demo-hpa $(AT) $(ARGS)

down: build ## take it away again, from wherever `make up` came to; YES=1 asks nothing
	@target/release/rehearse cluster down $(WHERE) $(ARGS)

# A switch is on unless it says no.
on = $(filter-out 0 no false off,$(1))
said = $(if $(call on,$(1)),true,false)
# CONTEXT is one of `kubectl config get-contexts`; KUBECTL, KIND and CONTAINER_TOOL name programs.
AT = $(if $(CONTEXT),--context '$(CONTEXT)') $(if $(KUBECTL),--kubectl '$(KUBECTL)') $(if $(KIND),--kind '$(KIND)') \
	$(if $(CONTAINER_TOOL),--container-tool '$(CONTAINER_TOOL)') $(if $(call on,$(YES)),--yes)
WHERE = $(if $(PROVIDER),--provider '$(PROVIDER)') $(AT)

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
	shellcheck .ci/run .ci/tools
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps --document-private-items

unit:
	cargo test --locked --workspace

bench: build ## measure the API beside what Postgres does with the same statements, the adapter with a thousand pods, Traefik, the rehearsal
	@.ci/tools bench
	cargo bench --locked --package conduit --bench api
	cargo bench --locked --package metrics-adapter --bench exposition
	cargo bench --locked --package metrics-adapter --bench adapter
	cargo bench --locked --package stack --bench traefik
	cargo bench --locked --package rehearsal --bench rehearsal

dashboards: ## write grafana/dashboards out of grafana/source
	@cargo run --quiet --locked --package stack --example dashboards

bench-scale: ## the adapter with 5,000 nodes and 150,000 pods, about two minutes
	cargo bench --locked --package metrics-adapter --bench scale

fuzz: ## fuzz a parser of the adapter for SECONDS, guided by coverage: TARGET is one of metrics-adapter/fuzz/targets
	@.ci/tools fuzz
	cd metrics-adapter/fuzz && PATH="$(CURDIR)/target/tools/bin:$$PATH" RUSTC_BOOTSTRAP=1 \
		cargo fuzz run --sanitizer none --fuzz-dir . $(TARGET) -- -max_total_time=$(SECONDS)

TARGET := exposition
SECONDS := 60
