//! The command, as a person types it: on real processes of this workspace, which `cargo test --workspace` builds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod bad_input;
mod door;
mod load;
mod plan;
mod run;
mod support;
