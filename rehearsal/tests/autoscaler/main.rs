//! The autoscaler decides as kube-controller-manager does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::unnecessary_wraps, reason = "an answer is what a failure could stand for")]

mod behavior;
mod metrics;
mod recorded;
mod world;
