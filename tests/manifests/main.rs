//! The manifests: valid, complete, least privileged, and adding up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod bundles;
mod calls;
mod database;
mod hardening;
mod kustomize;
mod quantities;
mod quotas;
mod references;
mod schemas;
