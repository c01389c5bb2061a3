use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{self, try_generate_salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many others were before it.
    #[error("no core was free to hash a password in time")]
    Busy,
    /// It could not be computed.
    #[error("password hash: {0}")]
    Hash(#[from] argon2::Error),
    /// The hash in the database is none of ours.
    #[error("stored password hash: {0}")]
    Stored(String),
    /// The system gave no randomness for a salt.
    #[error("no randomness for a salt: {0}")]
    Random(String),
    /// The thread that hashed it is gone.
    #[error("hashing thread: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// Hashes passwords with argon2id (19 MiB, two passes: OWASP's recommendation and the crate's
/// default), a few at a time, on threads where nobody else waits.
#[derive(Clone, Debug)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    wait: Duration,
    /// What an unknown user's password is compared with, so that the work is the same.
    nobody: Arc<str>,
}

impl Passwords {
    /// At most `at_once` hashes at a time, each waiting at most `wait` for its turn.
    pub fn new(at_once: usize, wait: Duration) -> Result<Self, HashError> {
        let nobody = hash(b"nobody")?.into();
        Ok(Self { permits: Arc::new(Semaphore::new(at_once)), wait, nobody })
    }

    /// The hash of a password, with a salt of its own, in PHC's string form.
    pub async fn hash(&self, password: String) -> Result<String, HashError> {
        self.work(move || hash(password.as_bytes())).await
    }

    /// Whether `password` is the one that `hash` was made of. Without a hash it is not, and takes
    /// as long to say so.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, HashError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.as_ref().to_owned());
        let matches = self.work(move || verify(password.as_bytes(), &hash)).await?;
        Ok(known && matches)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let turn = Arc::clone(&self.permits).acquire_owned();
        let permit: OwnedSemaphorePermit =
            tokio::time::timeout(self.wait, turn).await.ok().and_then(Result::ok).ok_or(HashError::Busy)?;
        tokio::task::spawn_blocking(move || {
            // Held by the work and not by the request: a client that hangs up frees no core.
            let _permit = permit;
            work()
        })
        .await?
    }
}

fn hash(password: &[u8]) -> Result<String, HashError> {
    let malformed = |error: password_hash::phc::Error| HashError::Stored(error.to_string());
    let salt = try_generate_salt().map_err(|error| HashError::Random(error.to_string()))?;
    let params = Params::default();
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    compute(Algorithm::Argon2id, Version::V0x13, &params, password, &salt, &mut output)?;
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|error| HashError::Stored(error.to_string()))?,
        salt: Some(Salt::new(&salt).map_err(malformed)?),
        hash: Some(Output::new(&output).map_err(malformed)?),
    };
    Ok(hash.to_string())
}

fn verify(password: &[u8], stored: &str) -> Result<bool, HashError> {
    let malformed = |why: &dyn std::fmt::Display| HashError::Stored(why.to_string());
    let stored = PasswordHash::new(stored).map_err(|error| malformed(&error))?;
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(|error| malformed(&error))?;
    let version = stored.version.map(Version::try_from).transpose().map_err(|error| malformed(&error))?;
    let params = Params::try_from(&stored).map_err(|error| malformed(&error))?;
    let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else {
        return Err(malformed(&"it has no salt or no hash"));
    };
    let mut output = vec![0; expected.len()];
    compute(algorithm, version.unwrap_or_default(), &params, password, &salt, &mut output)?;
    // `Output` compares in constant time.
    Ok(Output::new(&output).map_err(|error| malformed(&error))? == expected)
}

/// The allocator gives a piece of at least this size pages of its own, and those back to the system
/// when it is freed. Smaller ones, on threads that come and go, it keeps: after a thousand logins the
/// process would have a third of a gigabyte. (glibc's `DEFAULT_MMAP_THRESHOLD_MAX` is 32 MiB. What is
/// not touched takes no memory.)
const PAGES_OF_ITS_OWN: usize = (33 << 20) / Block::SIZE;

fn compute(
    algorithm: Algorithm,
    version: Version,
    params: &Params,
    password: &[u8],
    salt: &[u8],
    output: &mut [u8],
) -> Result<(), HashError> {
    let blocks = params.block_count();
    let mut memory = Vec::with_capacity(blocks.max(PAGES_OF_ITS_OWN));
    memory.resize(blocks, Block::default());
    let argon2 = Argon2::new(algorithm, version, params.clone());
    Ok(argon2.hash_password_into_with_memory(password, salt, output, &mut memory)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let passwords = Passwords::new(2, Duration::from_mins(1)).unwrap();
        let hash = passwords.hash("secret".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash("secret".to_owned()).await.unwrap());
        assert!(passwords.verify("secret".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("Secret".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("nobody".to_owned(), None).await.unwrap());
        assert!(passwords.verify("secret".to_owned(), Some("plain".to_owned())).await.is_err());
    }

    #[tokio::test]
    async fn whoever_waits_too_long_for_a_core_is_told_so() {
        let passwords = Passwords::new(1, Duration::from_millis(1)).unwrap();
        let attempts = (0..8).map(|_| {
            tokio::spawn({
                let passwords = passwords.clone();
                async move { passwords.hash("secret".to_owned()).await }
            })
        });
        let mut busy = 0;
        for attempt in attempts.collect::<Vec<_>>() {
            match attempt.await.unwrap() {
                Ok(_) => {}
                Err(HashError::Busy) => busy += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!((1..8).contains(&busy), "{busy} of 8 were turned away");
    }
}
