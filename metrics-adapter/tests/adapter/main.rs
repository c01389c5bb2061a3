//! The adapter, through its own door: a real process, real conduits, a real kubectl, targets of every kind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "nobody waits for a line of text")]

mod support;

mod certificates;
mod cluster;
mod commands;
mod conduit;
mod custom_metrics;
mod faults;
mod kube_recordings;
mod kubectl;
mod operators;
mod prometheus;
mod rates;
mod recordings;
mod reloading;
mod starting;
mod wire;
