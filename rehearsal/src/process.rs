//! Processes that end with the rehearsal, however it ends.
//!
//! All of them are in one process group, led by a guard: a process that waits until the rehearsal's end of a pipe is
//! closed, which the kernel does even when the rehearsal is killed, and then ends the group.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What the guard is called on the command line.
pub const GUARD: &str = "guard";
/// How long the group has after a SIGTERM when the rehearsal is gone.
const LAST_GRACE: Duration = Duration::from_secs(3);
/// How long what a process wrote before its end may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The lines of a log that are shown when its process fails.
const LAST_LINES: usize = 5;

/// Ends the processes of the group once the rehearsal is gone.
#[derive(Debug)]
pub struct Guard {
    group: Pid,
    /// Closed by the kernel when this process ends.
    pipe: Mutex<std::process::ChildStdin>,
    child: Mutex<std::process::Child>,
}

impl Guard {
    /// Starts the guard.
    pub fn start() -> io::Result<Self> {
        let mut child = std::process::Command::new(std::env::current_exe()?)
            .arg(GUARD)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()?;
        let pipe = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let group = Pid::from_child(&child);
        Ok(Self { group, pipe: Mutex::new(pipe), child: Mutex::new(child) })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // What is told that all is over has nothing to end.
        let told = self.pipe.lock().is_ok_and(|mut pipe| pipe.write_all(b"over").is_ok());
        if let Ok(mut child) = self.child.lock()
            && told
        {
            kill_process(self.group, Signal::KILL).ok();
            drop(child.wait());
        }
    }
}

/// What the guard does: waits for the end of the pipe, and ends its group.
pub fn guard() {
    // The group's signals are meant for the others.
    let ignored = tokio::runtime::Builder::new_current_thread().enable_all().build().map(|runtime| {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let kept = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
            let (sender, mut over) = mpsc::channel(1);
            std::thread::spawn(move || {
                let mut said = String::new();
                drop(io::stdin().read_to_string(&mut said));
                drop(sender.blocking_send(said));
            });
            let said = over.recv().await.unwrap_or_default();
            if said.is_empty() {
                let group = rustix::process::getpgrp();
                kill_process_group(group, Signal::TERM).ok();
                tokio::time::sleep(LAST_GRACE).await;
                kill_process_group(group, Signal::KILL).ok();
            }
            drop(kept);
        });
    });
    drop(ignored);
}

/// A program that cannot be started, or failed.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It is not there.
    #[error("{} is missing: build it with `cargo build --release --bins`, or start the rehearsal with `make run`", _0.display())]
    Missing(PathBuf),
    /// It could not be started.
    #[error("{name} cannot be started: {source}")]
    Start {
        /// Which.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It ended.
    #[error("{name} ended ({status}); the end of its log, {}:\n{tail}", log.display())]
    Ended {
        /// Which.
        name: String,
        /// How.
        status: ExitStatus,
        /// Its last lines.
        tail: String,
        /// The whole log.
        log: PathBuf,
    },
    /// It does not get on.
    #[error("{name} was not ready after {}: {problem}; its log is {}", humantime::format_duration(*waited), log.display())]
    Slow {
        /// Which.
        name: String,
        /// For so long.
        waited: Duration,
        /// What is missing.
        problem: String,
        /// Its log.
        log: PathBuf,
    },
}

/// A program that stands beside this one.
pub fn sibling(name: &str) -> Result<PathBuf, ProcessError> {
    let path = std::env::current_exe().unwrap_or_default().with_file_name(name);
    if path.is_file() { Ok(path) } else { Err(ProcessError::Missing(path)) }
}

/// A running process, its log in a file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// What it says, for those who look for its ports.
    lines: mpsc::UnboundedReceiver<String>,
    tail: Arc<Mutex<Vec<String>>>,
    /// They end with what they copy.
    copies: JoinSet<()>,
}

impl Process {
    /// Starts a program in the guard's group; what it writes goes to the log.
    pub fn start(guard: &Guard, name: &str, mut command: Command, log: &Path) -> Result<Self, ProcessError> {
        let failed = |source| ProcessError::Start { name: name.to_owned(), source };
        let file =
            File::options().create(true).append(true).open(log).map_err(|source| {
                failed(io::Error::new(source.kind(), format!("its log {}: {source}", log.display())))
            })?;
        // Lines are read through a pipe: the ports are in them.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(guard.group.as_raw_nonzero().get())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let (sender, lines) = mpsc::unbounded_channel();
        let tail = Arc::new(Mutex::new(Vec::new()));
        let other = file.try_clone().map_err(failed)?;
        let mut copies = JoinSet::new();
        if let Some(output) = child.stdout.take() {
            copies.spawn(copy(output, file, sender.clone(), Arc::clone(&tail)));
        }
        if let Some(errors) = child.stderr.take() {
            copies.spawn(copy(errors, other, sender, Arc::clone(&tail)));
        }
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), lines, tail, copies })
    }

    /// The address that the process says it listens on, as `key=127.0.0.1:1234`.
    pub async fn address(&mut self, key: &str, within: Duration) -> Result<SocketAddr, ProcessError> {
        let found = tokio::time::timeout(within, async {
            while let Some(line) = self.lines.recv().await {
                let mut words = line.split_whitespace().filter_map(|word| word.strip_prefix(key)?.strip_prefix('='));
                if let Some(address) = words.find_map(|address| address.parse().ok()) {
                    return Some(address);
                }
            }
            None
        })
        .await;
        match found {
            Ok(Some(address)) => Ok(address),
            Ok(None) => Err(self.ended().await),
            Err(_) => Err(self.slow(within, "it did not say where it listens")),
        }
    }

    /// The error of a process that was to run on.
    pub async fn ended(&mut self) -> ProcessError {
        let status = self.child.wait().await;
        self.last_words().await;
        match status {
            Ok(status) => {
                ProcessError::Ended { name: self.name.clone(), status, tail: self.tail(), log: self.log.clone() }
            }
            Err(source) => ProcessError::Start { name: self.name.clone(), source },
        }
    }

    /// The error of a process that does not become ready.
    #[must_use]
    pub fn slow(&self, waited: Duration, problem: &str) -> ProcessError {
        ProcessError::Slow { name: self.name.clone(), waited, problem: problem.to_owned(), log: self.log.clone() }
    }

    /// What a process that ended wrote may still be on its way.
    async fn last_words(&mut self) {
        let last = async { while self.copies.join_next().await.is_some() {} };
        tokio::time::timeout(LAST_WORDS, last).await.ok();
    }

    fn tail(&self) -> String {
        self.tail.lock().map(|lines| lines.join("\n")).unwrap_or_default()
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Its number; none once it has ended.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks it to stop, and ends it if it has not after `grace`. Says whether it went by itself.
    pub async fn stop(&mut self, grace: Duration) -> bool {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
            kill_process(pid, Signal::TERM).ok();
        }
        let gracefully = match tokio::time::timeout(grace, self.child.wait()).await {
            Ok(status) => status.is_ok_and(|status| status.success()),
            Err(_) => {
                self.child.kill().await.ok();
                false
            }
        };
        self.last_words().await;
        gracefully
    }
}

/// Lines into the log, and to who looks for something in them.
async fn copy(
    output: impl AsyncRead + Unpin,
    file: File,
    sender: mpsc::UnboundedSender<String>,
    tail: Arc<Mutex<Vec<String>>>,
) {
    let mut file = tokio::fs::File::from_std(file);
    let mut output = BufReader::new(output);
    let mut first = 0_usize;
    let mut bytes = Vec::new();
    while output.read_until(b'\n', &mut bytes).await.is_ok_and(|read| read > 0) {
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        bytes.clear();
        // A log that cannot be written, on a full disk say, must not stop the process.
        drop(file.write_all(format!("{line}\n").as_bytes()).await);
        drop(file.flush().await);
        if let Ok(mut tail) = tail.lock() {
            if tail.len() == LAST_LINES {
                tail.remove(0);
            }
            tail.push(line.clone());
        }
        // Ports stand at the beginning; what comes later is not kept for nobody.
        first += 1;
        if first < 100 {
            drop(sender.send(line));
        }
    }
}
