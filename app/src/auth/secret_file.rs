use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rand::TryRng as _;

use crate::config::Secret;

const BYTES: usize = 48;

/// The secret beside `SQLite`'s file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read or written.
    #[error("token secret {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner can read it.
    #[error("token secret {}: its mode is {mode:o}, so others can read it; run `chmod 600` on it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It was cut short.
    #[error("token secret {}: has {bytes} bytes, {BYTES} were expected; remove it and a new one is made \
             (everybody has to log in again)", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: usize,
    },
    /// The system gave no randomness.
    #[error("no randomness for a token secret: {0}")]
    Random(#[from] rand::rngs::SysError),
}

/// Reads the secret at `path`, or makes one there that its owner alone can read.
///
/// Processes that start together on one folder agree: a secret appears under its name whole or
/// not at all, and whoever comes second takes the first one's.
pub fn load_or_make(path: &Path) -> Result<Secret, SecretFileError> {
    let fail = |source| SecretFileError::Io { path: path.to_owned(), source };
    if !path.try_exists().map_err(fail)? {
        make(path)?;
    }
    let mode = fs::metadata(path).map_err(fail)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretFileError::Open { path: path.to_owned(), mode });
    }
    let bytes = fs::read(path).map_err(fail)?;
    if bytes.len() < BYTES {
        return Err(SecretFileError::Short { path: path.to_owned(), bytes: bytes.len() });
    }
    Ok(Secret::new(bytes))
}

fn make(path: &Path) -> Result<(), SecretFileError> {
    let mut bytes = [0; BYTES];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes)?;
    let mut unfinished = path.as_os_str().to_owned();
    // Not after the process: containers that share a folder are all number 1.
    unfinished.push(format!(".{:016x}", rand::random::<u64>()));
    let unfinished = PathBuf::from(unfinished);
    let made = write_and_link(&bytes, &unfinished, path);
    let _ = fs::remove_file(&unfinished);
    made.map_err(|source| SecretFileError::Io { path: path.to_owned(), source })
}

fn write_and_link(bytes: &[u8], unfinished: &Path, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match fs::hard_link(unfinished, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let made = load_or_make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load_or_make(&path).unwrap().bytes(), made.bytes());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_secret_that_others_can_read_or_that_is_cut_short_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        load_or_make(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load_or_make(&path).unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        assert!(load_or_make(&path).unwrap_err().to_string().contains("has 5 bytes"));
    }
}
