//! A real Traefik on the shipped configuration and roles, before real replicas of the API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "../../app/tests/conduit/support/postgres.rs"]
#[expect(dead_code, reason = "the API's own tests use the rest")]
mod postgres;
mod restart;
mod roles;
mod rolling;
mod routing;
