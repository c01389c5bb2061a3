//! Up and down, with the real kubectl, before an API server whose controllers do what a test says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod again;
mod consent;
mod down;
mod failures;
mod kind;
mod load;
mod looking;
mod others;
mod secrets;
mod terminal;
mod there;
mod up;
mod world;
