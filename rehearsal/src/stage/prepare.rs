use std::fs::{File, TryLockError};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;

use super::{Settings, StageError};
use crate::process::{Guard, Process, ProcessError, sibling};
use crate::{adapter, replicas};

/// The programs that are played with.
pub(super) struct Programs {
    pub(super) conduit: PathBuf,
    pub(super) adapter: PathBuf,
}

impl Programs {
    pub(super) fn find() -> Result<Self, ProcessError> {
        Ok(Self { conduit: sibling("conduit")?, adapter: sibling("metrics-adapter")? })
    }
}

/// Listens at the door's port, and looks whether the adapter's are free, before anything is started.
pub(super) fn ports(settings: &Settings) -> Result<TcpListener, StageError> {
    let listen = |port: u16, what: &'static str, flag: &'static str| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|source| StageError::Port { port, what, flag, source })
    };
    let (api, ops) = settings.adapter_ports;
    drop(listen(api, "the metrics-adapter", "--adapter-port")?);
    drop(listen(ops, "the metrics-adapter's status page", "--adapter-ops-port")?);
    let door = listen(settings.port, "the front door", "--port")?;
    let system = |source| StageError::System { what: "the front door", source };
    door.set_nonblocking(true).map_err(system)?;
    Ok(door)
}

/// The files of a run.
pub(super) struct Files {
    pub(super) folder: PathBuf,
    pub(super) logs: PathBuf,
    pub(super) database: PathBuf,
    /// Held for as long as the files are in use.
    _lock: File,
}

/// Not the name of the API's own file: the folder may be the one where that is, and this one is replaced.
const DATABASE: &str = "rehearsal.sqlite3";
/// The log of who fills the database.
const SEED_LOG: &str = "seed.log";

/// A folder with the files' places; those of an earlier run go, and nothing else does.
pub(super) fn folder(settings: &Settings) -> Result<Files, StageError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StageError::File { path, source }
    };
    // Processes have this one as their own; a path that is relative to another one would be lost.
    let folder = std::path::absolute(&settings.folder).map_err(failed(&settings.folder))?;
    let logs = folder.join("logs");
    std::fs::create_dir_all(&logs).map_err(failed(&logs))?;
    let path = folder.join("lock");
    let lock = File::options().create(true).append(true).open(&path).map_err(failed(&path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StageError::InUse(folder)),
        Err(TryLockError::Error(source)) => return Err(failed(&path)(source)),
    }
    remove_logs(&logs).map_err(failed(&logs))?;
    let database = folder.join(DATABASE);
    let of_database = ["", "-wal", "-shm"].map(|end| format!("{DATABASE}{end}"));
    for file in of_database.into_iter().chain(adapter::FILES.map(str::to_owned)) {
        let path = folder.join(file);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&path)(error)),
            _ => {}
        }
    }
    Ok(Files { folder, logs, database, _lock: lock })
}

/// Whether a rehearsal gives its logs names like this one.
fn is_own_log(name: &str) -> bool {
    let of_replica = name.strip_suffix(".log").is_some_and(replicas::is_name);
    of_replica || [SEED_LOG, adapter::LOG].contains(&name)
}

/// Only what a rehearsal writes there itself.
fn remove_logs(logs: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(logs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_own_log) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Who wrote the articles.
const USERS: u32 = 50;

/// Fills the database, so that there is something to read.
pub(super) async fn seed(
    guard: &Arc<Guard>,
    programs: &Programs,
    files: &Files,
    articles: u32,
) -> Result<(), ProcessError> {
    let mut command = Command::new(&programs.conduit);
    command
        .arg("seed")
        .args(["--users", &USERS.to_string(), "--articles", &articles.to_string()])
        // Of all pairs of users and articles half can be had at most.
        .args(["--favorites", &(articles.saturating_mul(USERS) / 4).min(1000).to_string()])
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("DATA_FILE", &files.database)
        .env("LOG_FORMAT", "text");
    let mut process = Process::start(guard, "conduit seed", command, &files.logs.join(SEED_LOG))?;
    // A slow disk takes a thousand a second.
    let patience = Duration::from_mins(1) + Duration::from_millis(articles.into());
    match tokio::time::timeout(patience, process.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(_) => Err(process.ended().await),
        Err(_) => Err(process.slow(patience, "it did not end")),
    }
}
