//! The server, through its own door: a real process, on `SQLite` and on a real Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

mod article_lists;
mod articles;
mod authentication;
mod backends;
mod comments;
mod concurrency;
mod configuration;
mod current_user;
mod data;
mod documentation;
mod favorites;
mod limits;
mod login;
mod metrics;
mod outage;
mod profiles;
mod registration;
mod starting;
mod stopping;
mod tags;
mod wire;
