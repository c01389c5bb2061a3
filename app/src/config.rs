//! Settings: what a person gives as flags and environment variables ([`args`]), and what the other
//! rooms get of it, validated.
//!
//! A value that is wrong is named with where it came from and what to do, before anything starts.

pub mod args;
mod database;
mod secret;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::model::PageSize;

pub use database::{DatabaseSettings, Where};
pub use secret::{Secret, SecretSource};

/// A setting that cannot be used: which one, why, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct ConfigError {
    setting: &'static str,
    problem: String,
}

impl ConfigError {
    fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self { setting, problem: problem.into() }
    }
}

/// What the process is run for; the seed of this project called it `MIX_ENV`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// On a developer's machine, and in the walkthrough.
    #[default]
    Dev,
    /// Under tests.
    Test,
    /// For others: weak secrets and the lesson's are refused, logs are JSON.
    Prod,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dev => "dev",
            Self::Test => "test",
            Self::Prod => "prod",
        })
    }
}

/// All that `conduit serve` needs to know.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// The mode.
    pub mode: Mode,
    /// Where the API listens.
    pub api: SocketAddr,
    /// Where metrics and probes listen.
    pub ops: SocketAddr,
    /// The database.
    pub database: DatabaseSettings,
    /// Where the secret that signs tokens comes from.
    pub secret: SecretSource,
    /// How long a token is good for.
    pub token_ttl: Duration,
    /// What a request may cost.
    pub limits: Limits,
    /// How to stop.
    pub drain: DrainSettings,
}

/// What a client may ask of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest request body, in bytes.
    pub body: usize,
    /// The time from the first byte of a request to the end of its headers, and for a new
    /// connection to send anything at all.
    pub header_timeout: Duration,
    /// The time from the end of the headers to the end of the body.
    pub body_timeout: Duration,
    /// The time that a connection may wait for its next request, and that a client may take to
    /// accept any part of a response.
    pub idle_timeout: Duration,
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Password hashes computed at once; each takes a core and 19 MiB.
    pub hashes: usize,
    /// How long a password waits for its turn before the answer is 503.
    pub hash_wait: Duration,
    /// The largest page of articles.
    pub page: PageSize,
}

/// How the server stops.
#[derive(Clone, Copy, Debug)]
pub struct DrainSettings {
    /// How long new connections and idle ones are still served after the signal.
    pub linger: Duration,
    /// How long requests in flight may take before they are cut off.
    pub timeout: Duration,
}
