//! What the tests of the whole stand on: manifests as `kubectl kustomize` prints them, real programs at work together.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(
    missing_docs,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "only tests call it, and what it offers says so itself"
)]

pub mod blog;
pub mod dashboards;
pub mod manifests;
pub mod postgres;
pub mod processes;
pub mod promql;
pub mod quota;
pub mod replicas;
pub mod rules;
pub mod traefik;
pub mod workloads;
