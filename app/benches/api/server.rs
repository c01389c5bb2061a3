use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;

use crate::process::Memory;
use crate::question::Cast;

/// Longer than a server ever takes to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// The real binary, with an environment of nothing but what is given.
pub(crate) fn conduit(env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conduit"));
    command.env_clear().env("BIND_ADDRESS", "127.0.0.1").envs(env.iter().copied()).stdin(Stdio::null());
    command
}

/// A database: the setting that names it.
pub(crate) struct Store {
    setting: &'static str,
    value: String,
}

impl Store {
    pub(crate) fn postgres(url: String) -> Self {
        Self { setting: "DATABASE_URL", value: url }
    }

    pub(crate) fn sqlite(file: &Path) -> Self {
        Self { setting: "DATA_FILE", value: file.to_str().unwrap().to_owned() }
    }

    fn env(&self) -> (&str, &str) {
        (self.setting, &self.value)
    }

    /// Fills it, and gives back what `seed` said of it.
    pub(crate) fn seed(&self, articles: u32, password: &str) -> Vec<String> {
        let mut command = conduit(&[self.env(), ("APP_ENV", "dev"), ("LOG_FORMAT", "json")]);
        command.args(["seed", "--users", "1000", "--favorites", "100000"]);
        let out = command.args(["--articles", &articles.to_string(), "--password", password]).output().unwrap();
        let (said, complaint) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "seed ended with {}: {complaint}\n{said}", out.status);
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let messages = lines.filter_map(|line| Some(line["message"].as_str()?.to_owned()));
        messages.filter(|message| message.contains("a second")).collect()
    }
}

type Sent = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    api: String,
    ops: String,
    token: String,
    agent: Agent,
}

impl Server {
    /// Starts one as in production, with its log in a file.
    pub(crate) fn start(store: &Store, log: PathBuf) -> Self {
        let secret = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let env = [store.env(), ("APP_ENV", "prod"), ("JWT_SECRET", &secret), ("PORT", "0"), ("OPS_PORT", "0")];
        let child = conduit(&env).stdout(File::create(&log).unwrap()).spawn().unwrap();
        let mut server =
            Self { child, log, api: String::new(), ops: String::new(), token: String::new(), agent: agent() };
        server.api = server.logged_address("api");
        server.ops = server.logged_address("ops");
        server
    }

    /// Waits for the log line that names a listener's address.
    fn logged_address(&mut self, listener: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = fs::read_to_string(&self.log).unwrap();
            let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(address) = lines.find_map(|line| line[listener].as_str().map(str::to_owned)) {
                return format!("http://{address}");
            }
            self.assert_running();
            assert!(Instant::now() < deadline, "the server does not serve; its log: {}", self.log.display());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the server ended with {status}; its log: {}", self.log.display());
        }
    }

    pub(crate) fn api(&self) -> &str {
        &self.api
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory::of(&self.pid())
    }

    /// How many statements it has sent so far.
    pub(crate) fn statements(&self) -> f64 {
        let metrics = self.text("/metrics", self.agent.get(format!("{}/metrics", self.ops)).call());
        let counts = metrics.lines().filter(|line| line.starts_with("db_query_duration_seconds_count"));
        counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    fn post(&self, path: &str, body: &str) -> Value {
        let request = self.agent.post(format!("{}{path}", self.api)).content_type("application/json");
        self.read(path, request.header("authorization", format!("Token {}", self.token)).send(body))
    }

    fn read(&self, path: &str, sent: Sent) -> Value {
        serde_json::from_str(&self.text(path, sent)).unwrap()
    }

    fn text(&self, path: &str, sent: Sent) -> String {
        let answer = sent.and_then(|mut response| response.body_mut().read_to_string());
        answer.unwrap_or_else(|error| panic!("{path}: {error}; the server's log: {}", self.log.display()))
    }

    /// Logs the viewer in and lets them follow whom they follow.
    pub(crate) fn welcome(&mut self, cast: &Cast) {
        let agent = &self.agent;
        let login = agent.post(format!("{}/api/users/login", self.api)).content_type("application/json");
        let user = self.read("login", login.send(cast.login()));
        user["user"]["token"].as_str().unwrap().clone_into(&mut self.token);
        for name in &cast.followed {
            self.post(&format!("/api/profiles/{name}/follow"), "");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent() -> Agent {
    Agent::config_builder().timeout_global(Some(PATIENCE)).build().into()
}

/// The time from the start of a server on a file that does not exist yet until it says that it is ready.
pub(crate) fn time_to_ready(folder: &Path) -> Duration {
    let data = tempfile::tempdir_in(folder).unwrap();
    let log = folder.join("ready.log");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let store = Store::sqlite(&data.path().join("conduit.sqlite3"));
    let env = [store.env(), ("APP_ENV", "prod"), ("PORT", "0"), ("OPS_PORT", &port)];
    let mut command = conduit(&env);
    command.stdout(File::create(&log).unwrap());
    let (agent, url) = (agent(), format!("http://127.0.0.1:{port}/readyz"));
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut ready = false;
    while !ready && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
        ready = agent.get(&url).call().is_ok();
    }
    let taken = started.elapsed();
    let _ = child.kill();
    let _ = child.wait();
    assert!(ready, "the server is not ready after {taken:?}; its log: {}", log.display());
    taken
}
