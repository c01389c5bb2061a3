use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use super::eventually;

/// How far the history reaches back, in seconds: longer than any range of the tests.
const PAST: u64 = 15 * 60;
/// How far it reaches into the future: longer than any test takes.
const FUTURE: u64 = 45 * 60;
/// From one sample to the next, in seconds.
const STEP: u64 = 5;

/// A real Prometheus. Killed when dropped.
pub(crate) struct Prometheus {
    child: Option<Child>,
    address: SocketAddr,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Prometheus {
    /// With a history of these series, a line each: `name{labels} 7.5` stays, `name{labels} {{7}}` grows by 7 a second. The
    /// history goes on while the test runs, so that a rate is what is written here, to the last digit.
    pub(crate) fn of(series: &str) -> Self {
        Self::with(series, &[])
    }

    /// The same with more arguments.
    pub(crate) fn with(series: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("history"), history(series)).unwrap();
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics", "history", "data"])
            .current_dir(folder.path())
            .output()
            .expect("promtool comes with Debian's prometheus: `make tools` installs it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::write(folder.path().join("prometheus.yml"), "global: {scrape_interval: 1h}\n").unwrap();
        Self::start(folder, arguments)
    }

    /// One that scrapes these addresses every second, each with the labels that it has.
    pub(crate) fn scraping(targets: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("prometheus.yml"), scraping(targets)).unwrap();
        Self::start(folder, &[])
    }

    fn start(folder: TempDir, arguments: &[&str]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let arguments = arguments.iter().map(|own| (*own).to_owned()).collect();
        let mut prometheus = Self { child: None, address, arguments, folder };
        prometheus.run();
        prometheus
    }

    /// From now on it scrapes this address alone, with these labels.
    pub(crate) fn scrape_instead(&self, url: &str, labels: &str) {
        std::fs::write(self.file("prometheus.yml"), scraping(&[(url, labels)])).unwrap();
        let child = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-HUP", &child]).status().unwrap().success());
    }

    /// Starts it again where it was.
    pub(crate) fn run(&mut self) {
        let log = std::fs::File::create(self.file("log")).unwrap();
        let child = Command::new("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"])
            .arg(format!("--web.listen-address={}", self.address))
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("`make tools` installs Debian's prometheus");
        self.child = Some(child);
        eventually("ready: Prometheus", || {
            TcpListener::bind(self.address).is_err() && self.get("/-/ready").is_some_and(|(status, _)| status == 200)
        });
    }

    /// Stops it.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where it is: `http://127.0.0.1:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn get(&self, path: &str) -> Option<(u16, String)> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        let mut answer = agent.get(format!("{}{path}", self.url())).call().ok()?;
        Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
    }

    /// The times at which it evaluated a query for somebody, as its query log has them.
    pub(crate) fn evaluations(&self, query: &str) -> Vec<String> {
        let log = std::fs::read_to_string(self.file("queries")).unwrap_or_default();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let own = lines.filter(|line| line["params"]["query"] == query);
        own.filter_map(|line| Some(line["params"]["start"].as_str()?.to_owned())).collect()
    }

    /// What PromQL says at a time, asked directly: each sample's labels and value.
    pub(crate) fn query_at(&self, query: &str, time: &str) -> Vec<(Value, f64)> {
        let (query, time) = (form_urlencode(query), form_urlencode(time));
        let (status, text) = self.get(&format!("/api/v1/query?query={query}&time={time}")).expect("an answer");
        assert_eq!(status, 200, "{text}");
        let mut json: Value = serde_json::from_str(&text).unwrap();
        let samples = json["data"]["result"].as_array_mut().unwrap().iter_mut();
        samples.map(|sample| (sample["metric"].take(), sample["value"][1].as_str().unwrap().parse().unwrap())).collect()
    }

    /// A counter of its own metrics, all series of that name that have this label text summed.
    pub(crate) fn counter(&self, name: &str, label: &str) -> f64 {
        let (_, text) = self.get("/metrics").expect("its own metrics");
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            println!("{}", std::fs::read_to_string(self.file("log")).unwrap_or_default());
        }
    }
}

/// A configuration that scrapes these addresses every second, each with its labels.
fn scraping(targets: &[(&str, &str)]) -> String {
    let mut config =
        "global: {scrape_interval: 1s, scrape_timeout: 1s, query_log_file: queries}\nscrape_configs:\n".to_owned();
    for (at, (url, labels)) in targets.iter().enumerate() {
        let (address, path) = url.trim_start_matches("http://").split_once('/').unwrap();
        let _ = writeln!(
            config,
            "- job_name: job-{at}\n  metrics_path: /{path}\n  static_configs:\n  - {{targets: ['{address}'], labels: {{{labels}}}}}"
        );
    }
    config
}

fn form_urlencode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The series as OpenMetrics with a time stamp for each sample.
fn history(series: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / STEP * STEP;
    let mut text = String::new();
    for line in series.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let rate = value.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        for at in (now - PAST..now + FUTURE).step_by(usize::try_from(STEP).unwrap()) {
            let _ = match rate {
                #[expect(clippy::cast_precision_loss, reason = "an hour of seconds")]
                Some(rate) => {
                    writeln!(text, "{name} {} {at}", rate.parse::<f64>().unwrap() * (at - (now - PAST) + 1000) as f64)
                }
                None => writeln!(text, "{name} {value} {at}"),
            };
        }
    }
    text + "# EOF\n"
}

/// A file of the fixtures of prometheus-adapter.
pub(crate) fn recorded(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/prometheus-adapter").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
