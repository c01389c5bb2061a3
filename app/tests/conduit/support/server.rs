use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;

use super::postgres::{Cluster, shared_postgres};

/// Signs the tokens of every server under test that is on Postgres.
const SECRET: &str = "a secret of the tests, which is long enough";

/// Which database a server keeps its data in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// The real binary, with an environment of nothing but what is given.
pub(crate) fn conduit(env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conduit"));
    command.env_clear().envs([
        ("BIND_ADDRESS", "127.0.0.1"),
        ("PORT", "0"),
        ("OPS_PORT", "0"),
        ("LOG_FORMAT", "json"),
        ("APP_ENV", "test"),
    ]);
    command.envs(env.iter().copied()).stdin(Stdio::null());
    command
}

/// The lines that a server has logged so far.
#[derive(Clone, Default)]
pub(crate) struct Log {
    lines: Arc<(Mutex<Vec<Value>>, Condvar)>,
}

impl Log {
    /// A test that fails while it waits must not hide the log.
    fn lock(&self) -> MutexGuard<'_, Vec<Value>> {
        self.lines.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &str) {
        let line = serde_json::from_str(line).unwrap_or_else(|_| panic!("a log line is not JSON: {line}"));
        self.lock().push(line);
        self.lines.1.notify_all();
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.lock().clone()
    }

    /// Waits for a line that `wanted` finds something in.
    #[track_caller]
    pub(crate) fn wait_for<T>(&self, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut lines = self.lock();
        loop {
            if let Some(found) = lines.iter().find_map(&wanted) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} in the log: {lines:#?}");
            lines = self.lines.1.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits for a line whose message holds `text`.
    #[track_caller]
    pub(crate) fn wait_for_message(&self, text: &str) -> Value {
        self.wait_for(text, |line| line["message"].as_str()?.contains(text).then(|| line.clone()))
    }
}

/// A running server. Killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    /// `http://127.0.0.1:port` of the API.
    pub(crate) api: String,
    /// `http://127.0.0.1:port` of metrics and probes.
    pub(crate) ops: String,
    pub(crate) log: Log,
    pub(crate) agent: Agent,
    /// The database's address, if it is Postgres.
    pub(crate) database: Option<String>,
    folder: Option<TempDir>,
}

impl Server {
    /// Starts a server on an empty database of its own.
    pub(crate) fn start(backend: Backend) -> Self {
        Self::start_with(backend, &[])
    }

    /// As [`start`](Self::start), with more settings.
    pub(crate) fn start_with(backend: Backend, env: &[(&str, &str)]) -> Self {
        match backend {
            Backend::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("conduit.sqlite3");
                let mut all = vec![("DATA_FILE", file.to_str().unwrap())];
                all.extend_from_slice(env);
                let mut server = Self::with_env(&all);
                server.folder = Some(folder);
                server
            }
            Backend::Postgres => Self::on_postgres(shared_postgres(), &Cluster::fresh_name(), env),
        }
    }

    /// Starts a server on that database of that Postgres.
    pub(crate) fn on_postgres(cluster: &Cluster, database: &str, env: &[(&str, &str)]) -> Self {
        let url = cluster.url(database);
        let mut all = vec![("DATABASE_URL", url.as_str()), ("JWT_SECRET", SECRET)];
        all.extend_from_slice(env);
        let mut server = Self::with_env(&all);
        server.database = Some(database.to_owned());
        server
    }

    /// Starts a server with just these settings and waits until it serves.
    pub(crate) fn with_env(env: &[(&str, &str)]) -> Self {
        let mut server = Self::launch(env);
        server.api = server.log.wait_for("API's address", |line| Some(format!("http://{}", line["api"].as_str()?)));
        server.wait_ready();
        server
    }

    /// Starts a server and waits only until its operators' listener answers.
    pub(crate) fn launch(env: &[(&str, &str)]) -> Self {
        let mut child = conduit(env).stdout(Stdio::piped()).spawn().unwrap();
        let log = Log::default();
        let (out, lines) = (child.stdout.take().unwrap(), log.clone());
        std::thread::spawn(move || BufReader::new(out).lines().for_each(|line| lines.push(&line.unwrap())));
        let ops = log.wait_for("operators' address", |line| Some(format!("http://{}", line["ops"].as_str()?)));
        Self { child, api: String::new(), ops, log, agent: super::client::agent(), database: None, folder: None }
    }

    /// Waits until `/readyz` says yes.
    #[track_caller]
    pub(crate) fn wait_ready(&self) {
        eventually("ready", || self.ops("/readyz").status == 200);
    }

    pub(crate) fn address(&self) -> &str {
        self.api.strip_prefix("http://").unwrap()
    }

    /// The folder of `SQLite`'s file.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().to_owned()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the server did not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The log of a server whose test failed is what explains it.
        if std::thread::panicking() {
            for line in self.log.lines() {
                println!("{line}");
            }
        }
    }
}

/// Waits until something holds, for half a minute at most.
#[track_caller]
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not {what} in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}
