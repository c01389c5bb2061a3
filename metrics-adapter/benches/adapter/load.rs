use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::adapter::Adapter;

/// The load generator reads its regular expressions as URLs first, to which a backslash is a slash.
const NAMESPACE: &str = "/apis/custom[.]metrics[.]k8s[.]io/v1beta2/namespaces/bench/pods/";
/// Fifty selectors, each of 980 of the 1,000 pods. A regular expression.
pub(crate) const STAR: &str = "%2A/http_requests_per_second[?]labelSelector=shard[+]notin[+]%28s[0-4][0-9]%29";
/// A hundred of the pods, one a question.
pub(crate) const ONE: &str = "web-6d4cf56db6-000[0-9][0-9]/http_requests_per_second";

/// What the load generator saw.
pub(crate) struct Row {
    pub(crate) per_second: f64,
    p50: f64,
    pub(crate) p99: f64,
    pub(crate) errors: f64,
    kilobytes: f64,
    server_micros: f64,
    load_micros: f64,
}

/// Lets ten clients ask, over TLS and each over one connection, for some seconds.
pub(crate) fn ask(adapter: &Adapter, path: &str, accept: &str, encoding: &str, seconds: u32) -> Row {
    let oha = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin/oha");
    let port = adapter.api.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}{NAMESPACE}{path}");
    let mut command = Command::new("bash");
    command.args(["-c", "TIMEFORMAT='%U %S'; time \"$@\"", "bash"]).arg(oha);
    command.args(["--no-tui", "--output-format", "json", "-w", "--insecure", "--ipv4", "--rand-regex-url"]);
    command.args(["-c", &crate::CLIENTS.to_string(), "-z", &format!("{seconds}s")]);
    command.args(["-H", &format!("accept: {accept}"), "-H", &format!("accept-encoding: {encoding}")]);
    if let Some((certificate, key)) = &adapter.proxy {
        command.args(["--cert", certificate, "--key", key, "-H", &format!("x-remote-user: {}", crate::guarded::USER)]);
        command.args(["-H", "x-remote-group: system:serviceaccounts", "-H", "x-remote-group: system:authenticated"]);
    }
    command.arg(&url);
    let before = adapter.cpu_seconds();
    let out = command.output().unwrap();
    let server_seconds = adapter.cpu_seconds() - before;
    let (said, complaint) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "oha ended with {}: {complaint}", out.status);
    let report: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("oha's report: {error}: {said}"));
    let load_seconds: f64 =
        complaint.lines().last().unwrap_or_default().split(' ').map(|time| time.parse::<f64>().unwrap()).sum();
    let count = |distribution: &str, wanted: fn(&str) -> bool| -> f64 {
        let entries = report[distribution].as_object().into_iter().flatten();
        entries.filter(|(what, _)| wanted(what)).fold(0.0, |sum, (_, count)| sum + count.as_f64().unwrap())
    };
    let answers = count("statusCodeDistribution", |_| true);
    let refused = count("statusCodeDistribution", |status| !status.starts_with('2'));
    let millis = |name: &str| report["latencyPercentiles"][name].as_f64().unwrap_or(f64::NAN) * 1e3;
    let summary = &report["summary"];
    Row {
        per_second: answers / summary["total"].as_f64().unwrap(),
        p50: millis("p50"),
        p99: millis("p99"),
        errors: refused + count("errorDistribution", |_| true),
        kilobytes: summary["totalData"].as_f64().unwrap() / answers / 1000.0,
        server_micros: server_seconds / answers * 1e6,
        load_micros: load_seconds / answers * 1e6,
    }
}

impl Row {
    pub(crate) fn print(&self, name: &str) {
        let Self { per_second, p50, p99, errors, kilobytes, server_micros, load_micros } = self;
        println!(
            "{name:34}{per_second:>9.0}{p50:>9.2}{p99:>9.2}{errors:>7.0}{kilobytes:>9.1}{server_micros:>9.0}{load_micros:>7.0}"
        );
    }
}
