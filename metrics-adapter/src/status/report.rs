use serde::Serialize;

use super::cluster::ClusterReport;
use super::prometheus::PrometheusReport;

/// Everything that the status page shows, and `/status.json` says. No secret is in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Of the adapter.
    pub version: &'static str,
    /// When the report was made, RFC 3339.
    pub now: String,
    /// When the adapter was started, RFC 3339.
    pub started: String,
    /// Whether it is ready.
    pub ready: bool,
    /// The lines of `/readyz?verbose`.
    pub readiness: Vec<String>,
    /// The files that are followed: the configuration, the targets.
    pub files: Vec<FileReport>,
    /// How targets are scraped.
    pub scrape: ScrapeReport,
    /// The metrics that are served.
    pub metrics: Vec<MetricReport>,
    /// The pods and their targets, sorted by namespace and name.
    pub targets: Vec<TargetReport>,
    /// The machines.
    pub nodes: Vec<NodeReport>,
    /// Prometheus, if it is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusReport>,
    /// What only a cluster has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterReport>,
}

/// A file that is followed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileReport {
    /// `config` or `targets`.
    pub what: &'static str,
    /// Where it is; none for the built-in default.
    pub path: Option<String>,
    /// When it was last read and right, RFC 3339.
    pub loaded: String,
    /// What is wrong with it since: what it said before is in force.
    pub problem: Option<String>,
}

/// How targets are scraped; durations as `5s`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScrapeReport {
    /// From one scrape of a target to the next.
    pub interval: String,
    /// For one scrape.
    pub timeout: String,
    /// The age from which a sample is no value.
    pub stale_after: String,
}

/// A metric that is served.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricReport {
    /// Its name in the custom metrics API.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Where it comes from: `scrape`.
    pub source: &'static str,
    /// The rule in words.
    pub rule: String,
    /// How many pods there are.
    pub pods: usize,
    /// How many of them have a value.
    pub pods_with_value: usize,
    /// All their values as one, as the rule aggregates them; a quantity.
    pub total: Option<String>,
    /// The age of the oldest of them, in seconds.
    pub freshness_seconds: Option<f64>,
    /// Why the others have none.
    pub absent: Vec<AbsentReport>,
    /// The most recent error of a target that would have given it.
    pub last_error: Option<String>,
}

/// Why some pods have no value.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AbsentReport {
    /// How many.
    pub pods: usize,
    /// Why, as in "2 pods are …".
    pub reason: &'static str,
}

/// A pod and its target.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetReport {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// Where its metrics are.
    pub url: Option<String>,
    /// The pod's labels, `app=web,tier=front`.
    pub labels: String,
    /// `up`: the last scrape succeeded; `down`: it failed; `waiting`: there was none yet.
    pub state: &'static str,
    /// How long ago the last scrape was, in seconds.
    pub last_scrape_seconds_ago: Option<f64>,
    /// How long it took.
    pub duration_seconds: Option<f64>,
    /// How large the last exposition was.
    pub bytes: Option<usize>,
    /// How many of its series rules select.
    pub series: Option<usize>,
    /// Scrapes so far.
    pub attempts: u64,
    /// Those that failed.
    pub failures: u64,
    /// Why the last failed: a reason from a closed list, and what happened.
    pub error: Option<ErrorReport>,
    /// What is odd about the last exposition.
    pub warning: Option<String>,
    /// A value for each metric, in the order of [`Report::metrics`].
    pub values: Vec<ValueReport>,
    /// What its process uses, as quantities; none if it is not known.
    pub cpu: Option<String>,
    /// In bytes, as a quantity.
    pub memory: Option<String>,
}

/// Why a scrape failed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorReport {
    /// From the closed list that the metric's label has.
    pub reason: &'static str,
    /// What happened.
    pub problem: String,
}

/// A metric's value of one pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueReport {
    /// The metric.
    pub metric: String,
    /// A quantity.
    pub value: Option<String>,
    /// Why there is none.
    pub absent: Option<&'static str>,
    /// Its age, in seconds.
    pub age_seconds: Option<f64>,
    /// What it was taken over, in seconds.
    pub window_seconds: Option<f64>,
}

/// What a machine uses.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeReport {
    /// Its name.
    pub name: String,
    /// As a quantity.
    pub cpu: Option<String>,
    /// In bytes, as a quantity.
    pub memory: Option<String>,
    /// In bytes, as a quantity.
    pub swap: Option<String>,
    /// The pods that its kubelet tells of.
    pub pods: usize,
    /// `up`: the last reading of its kubelet succeeded; `down`: it failed; `waiting`: there was none yet. Without a
    /// cluster the machine itself is read.
    pub state: &'static str,
    /// How long ago the last reading was, in seconds.
    pub last_read_seconds_ago: Option<f64>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
    /// What is odd about it.
    pub warning: Option<String>,
}
