use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

/// The real binary, with an environment of nothing but what is given.
pub(crate) fn adapter(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-adapter"));
    command.env_clear().args(arguments).stdin(Stdio::null());
    command
}

/// A running adapter, in standalone mode on free ports. Killed when dropped.
pub(crate) struct Adapter {
    pub(crate) child: Child,
    /// `http://127.0.0.1:port` of the APIs.
    pub(crate) api: String,
    /// `http://127.0.0.1:port` of the operators' pages.
    pub(crate) ops: String,
    log: Log,
    /// Ends when all that it said was read.
    reader: Option<JoinHandle<()>>,
    agent: Agent,
    folder: TempDir,
}

#[derive(Clone, Default)]
struct Log(Arc<(Mutex<Vec<Value>>, Condvar)>);

impl Log {
    #[track_caller]
    fn wait_for<T>(&self, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut lines = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = lines.iter().find_map(&wanted) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} in the log: {lines:#?}");
            lines = self.0.1.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Adapter {
    /// Starts with a configuration (none for the built-in one) and a targets file, and waits until it listens.
    pub(crate) fn start(config: Option<&str>, targets: &str) -> Self {
        Self::start_with(config, targets, &[])
    }

    /// As [`start`](Self::start), with more arguments.
    pub(crate) fn start_with(config: Option<&str>, targets: &str, arguments: &[&str]) -> Self {
        Self::start_in(config, targets, arguments, &[])
    }

    /// As [`start_with`](Self::start_with), with variables in its environment.
    pub(crate) fn start_in(
        config: Option<&str>,
        targets: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let targets_file = folder.path().join("targets.yaml");
        std::fs::write(&targets_file, targets).unwrap();
        let mut command = adapter(&["--standalone", "--port", "0", "--ops-port", "0", "--log-format", "json"]);
        command.arg("--targets").arg(&targets_file).args(arguments);
        if !arguments.contains(&"--node-name") {
            command.args(["--node-name", "machine"]);
        }
        command.envs(environment.iter().copied());
        if let Some(config) = config {
            let config_file = folder.path().join("config.yaml");
            std::fs::write(&config_file, config).unwrap();
            command.arg("--config").arg(config_file);
        }
        Self::run(command, folder)
    }

    /// Starts a command, and waits until it listens.
    pub(crate) fn run(mut command: Command, folder: TempDir) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let log = Log::default();
        let (out, lines) = (child.stdout.take().unwrap(), log.clone());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or_else(|_| panic!("a log line is not JSON: {line}"));
                lines.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                lines.0.1.notify_all();
            }
        });
        let scheme = log.wait_for("scheme", |line| {
            let said = line["message"].as_str()?.strip_prefix("metrics APIs: ")?;
            Some(said.split_once("://")?.0.to_owned())
        });
        let api = log.wait_for("APIs' address", |line| Some(format!("{scheme}://{}", line["api"].as_str()?)));
        let ops = log.wait_for("operators' address", |line| Some(format!("http://{}", line["ops"].as_str()?)));
        Self { child, api, ops, log, reader: Some(reader), agent: agent(), folder }
    }

    /// One that a static holds, which nothing drops: it ends with this program. Left alone it would go on asking ports
    /// that are by then another's.
    pub(crate) fn until_exit(self) -> Self {
        let mut guard = Command::new("sh");
        guard.args(["-c", &format!("read -r _; kill -KILL {}", self.child.id())]);
        let guard = guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // What it reads from is closed when this program ends, however it does.
        std::mem::forget(guard);
        self
    }

    /// Where its files are: `targets.yaml`, `config.yaml`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a file in one step, as a careful writer does.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        let new = self.file("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, self.file(name)).unwrap();
    }

    /// The lines of the log so far whose message holds `text`.
    pub(crate) fn log_lines(&self, text: &str) -> Vec<Value> {
        let lines = self.log.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines
            .iter()
            .filter(|line| line["message"].as_str().is_some_and(|message| message.contains(text)))
            .cloned()
            .collect()
    }

    /// What the APIs' listener answers.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[])
    }

    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.ask(method, &format!("{}{path}", self.api), headers)
    }

    /// What the operators' listener answers.
    #[track_caller]
    pub(crate) fn ops(&self, path: &str) -> Reply {
        self.ask("GET", &format!("{}{path}", self.ops), &[])
    }

    #[track_caller]
    fn ask(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = self.agent.run(request.body(()).unwrap());
        let mut response = sent.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
        let body = response.body_mut().with_config().limit(100 << 20).read_to_vec().unwrap();
        Reply { status: response.status().as_u16(), headers: response.headers().clone(), body }
    }

    /// A value of the custom metrics API in namespace `shop`: `pods/web-1`, `services/web`. None is none.
    pub(crate) fn value(&self, object: &str, metric: &str) -> Option<f64> {
        let reply = self.get(&format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/{object}/{metric}"));
        (reply.status == 200).then(|| quantity(reply.json()["items"][0]["value"].as_str().unwrap()))
    }

    /// What the status page says of a pod's target.
    #[track_caller]
    pub(crate) fn status_of(&self, pod: &str) -> Value {
        let targets = self.ops("/status.json").expect(200).json()["targets"].take();
        let found = targets.as_array().unwrap().iter().find(|target| target["pod"] == pod).cloned();
        found.unwrap_or_else(|| panic!("no pod {pod} in {targets}"))
    }

    /// The memory that it holds, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Waits until it says that it is ready.
    #[track_caller]
    pub(crate) fn wait_ready(&self) {
        eventually("ready", || self.ops("/readyz").status == 200);
    }

    /// A series of its own metrics.
    #[track_caller]
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.ops("/metrics").text();
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits until it has ended by itself, and all that it said was read.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                if let Some(reader) = self.reader.take() {
                    reader.join().unwrap();
                }
                return status;
            }
            assert!(Instant::now() < deadline, "the adapter did not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            for line in self.log.0.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                println!("{line}");
            }
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The message of a Status, which must be one of that code.
    #[track_caller]
    pub(crate) fn failure(&self, code: u16) -> String {
        let json = self.json();
        assert_eq!((self.status, json["code"].as_u64()), (code, Some(u64::from(code))), "{json}");
        assert_eq!((json["kind"].as_str(), json["apiVersion"].as_str()), (Some("Status"), Some("v1")), "{json}");
        json["message"].as_str().unwrap().to_owned()
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
}

/// A quantity's value.
pub(crate) fn quantity(text: &str) -> f64 {
    let (number, factor) = match text.strip_suffix('m') {
        Some(milli) => (milli, 0.001),
        None => match text.strip_suffix('k') {
            Some(kilo) => (kilo, 1000.0),
            None => (text, 1.0),
        },
    };
    number.parse::<f64>().unwrap_or_else(|_| panic!("{text}")) * factor
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
