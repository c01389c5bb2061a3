//! Prometheus: its configuration, rules and alerts, on Debian's Prometheus and promtool.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod changes;
mod cluster;
mod discovery;
mod objects;
mod promtool;
mod recorded;
mod rules;
mod runbook;
mod server;
