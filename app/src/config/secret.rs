use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;

use super::{ConfigError, DatabaseSettings, Mode, Where};

/// The least that a key of HMAC-SHA-256 should have (RFC 7518, 3.2).
const LEAST_BYTES: usize = 32;
/// A secret of fewer different bytes was typed by holding down a key.
const LEAST_DIFFERENT_BYTES: usize = 8;

/// Secrets that stand in this repository or in the walkthrough that it began from. They work in dev
/// and test, where the lesson uses them; in prod they are refused.
const SHOWN_IN_PUBLIC: [&str; 6] = [
    "phoenix",
    "YourSecret",
    "cGhvZW5peA==",
    "WW91clNlY3JldA==",
    "the-walkthrough-shows-this-secret-to-everybody",
    "an-example-secret-of-at-least-32-bytes",
];

pub(super) fn is_shown_in_public(secret: &str) -> bool {
    SHOWN_IN_PUBLIC.contains(&secret)
}

/// The bytes that sign tokens. Never shown, not even by `{:?}`.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes bytes as a secret.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// Where the secret that signs tokens comes from.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// From the environment.
    Given {
        /// The secret.
        secret: Secret,
        /// What is wrong with it, though not so wrong as to refuse it in this mode.
        warning: Option<String>,
    },
    /// From this file, which is made if it is missing.
    File(PathBuf),
}

impl SecretSource {
    pub(super) fn choose(given: Option<&str>, database: &DatabaseSettings, mode: Mode) -> Result<Self, ConfigError> {
        const NAME: &str = "JWT_SECRET";
        match (given.filter(|secret| !secret.is_empty()), &database.place) {
            (Some(secret), _) => match (weakness(secret), mode) {
                (Some(problem), Mode::Prod) => Err(ConfigError::new(NAME, problem)),
                (warning, _) => Ok(Self::Given { secret: Secret::new(secret.into()), warning }),
            },
            (None, Where::Sqlite(file)) => {
                let mut name = file.as_os_str().to_owned();
                name.push(".jwt-secret");
                Ok(Self::File(name.into()))
            }
            (None, Where::Postgres(_)) => {
                let problem = "not set; replicas on one Postgres must share it. \
                    Make one with `openssl rand -base64 48` and give it to every replica";
                Err(ConfigError::new(NAME, problem))
            }
        }
    }
}

fn weakness(secret: &str) -> Option<String> {
    const MAKE: &str = "make one with `openssl rand -base64 48`";
    let different = secret.bytes().collect::<HashSet<_>>().len();
    if is_shown_in_public(secret) {
        Some(format!("is one that the documentation shows to everybody; {MAKE}"))
    } else if secret.len() < LEAST_BYTES {
        Some(format!("has {} bytes, {LEAST_BYTES} are needed; {MAKE}", secret.len()))
    } else if different < LEAST_DIFFERENT_BYTES {
        Some(format!("has only {different} different bytes; {MAKE}"))
    } else {
        None
    }
}
