//! The demonstrations, with the real kubectl, against a cluster whose controllers do what they do in a real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod acting;
mod autoscaling;
mod quotas;
mod scaler;
mod scene;
mod visited;
