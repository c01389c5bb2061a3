use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::question::Question;
use crate::server::Server;

/// Where `.ci/tools bench` installs the load generator.
pub(crate) fn oha() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin/oha")
}

/// What a load generator saw.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Requests that were answered.
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    /// Milliseconds; too few requests have none.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    /// Answers that were no success, and requests without an answer.
    pub(crate) errors: f64,
    /// The CPU time that the generator used itself.
    pub(crate) cpu_seconds: f64,
}

/// Lets so many clients ask a question again and again for some seconds.
pub(crate) fn ask(server: &Server, question: &Question, clients: u32, seconds: u32) -> Load {
    let mut command = Command::new("bash");
    command.args(["-c", "TIMEFORMAT='%U %S'; time \"$@\"", "bash"]).arg(oha());
    // What is asked when the time is up is still answered: an aborted request would be an error of the server's.
    command.args(["--no-tui", "--output-format", "json", "-w", "-t", "30s", "-z", &format!("{seconds}s")]);
    command.args(["-c", &clients.to_string()]).args(arguments(server, question));
    let out = command.output().unwrap();
    let (said, complaint) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{}: oha ended with {}: {complaint}", question.name, out.status);
    let report: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("oha's report: {error}: {said}"));
    let times = complaint.lines().last().unwrap_or_default();
    Load::read(&report, times.split(' ').map(|time| time.parse::<f64>().unwrap()).sum())
}

fn arguments(server: &Server, question: &Question) -> Vec<String> {
    let url = format!("{}{}", server.api(), question.path);
    let mut arguments = Vec::new();
    if question.as_user {
        arguments.extend(["-H".to_owned(), format!("authorization: Token {}", server.token())]);
    }
    if let Some(body) = &question.body {
        arguments.extend(["-m", "POST", "-T", "application/json", "-d", body].map(str::to_owned));
    }
    if question.is_pattern {
        arguments.push("--rand-regex-url".to_owned());
    }
    arguments.push(url);
    arguments
}

impl Load {
    fn read(report: &Value, cpu_seconds: f64) -> Self {
        let statuses = counts(&report["statusCodeDistribution"]);
        let requests = sum(&statuses, |_| true);
        let refused = sum(&statuses, |status| !status.starts_with('2'));
        let unanswered = sum(&counts(&report["errorDistribution"]), |_| true);
        let percentile = |name: &str| report["latencyPercentiles"][name].as_f64().map(|seconds| seconds * 1e3);
        Self {
            requests,
            per_second: requests / report["summary"]["total"].as_f64().unwrap(),
            p50: percentile("p50"),
            p99: percentile("p99"),
            errors: refused + unanswered,
            cpu_seconds,
        }
    }
}

fn counts(distribution: &Value) -> Vec<(&str, f64)> {
    let entries = distribution.as_object().into_iter().flatten();
    entries.map(|(what, count)| (what.as_str(), count.as_f64().unwrap())).collect()
}

fn sum(counts: &[(&str, f64)], wanted: impl Fn(&str) -> bool) -> f64 {
    // An empty sum of floating-point numbers would be -0.
    counts.iter().filter(|(what, _)| wanted(what)).fold(0.0, |sum, (_, count)| sum + count)
}
