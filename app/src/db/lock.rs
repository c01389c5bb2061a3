use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Held by one process at a time while it makes or migrates a `SQLite` file: its migrations, unlike
/// Postgres', take no lock of their own. Released when dropped, or when the process ends.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Makes the file's folder if need be, and waits for the lock beside the file.
    pub fn beside(file: &Path) -> io::Result<Self> {
        if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut name = file.as_os_str().to_owned();
        name.push(".lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(PathBuf::from(name))?;
        lock.lock()?;
        Ok(Self { _file: lock })
    }
}
