//! What a source says. A key that is not known is refused.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What all dashboards share.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the runbook can be read.
    pub runbook: String,
    /// Grafana's colours by their meaning.
    pub palette: BTreeMap<String, String>,
}

impl Settings {
    /// Whether the runbook is read at an address, and not in Grafana.
    pub fn is_elsewhere(&self) -> bool {
        self.runbook.starts_with("http")
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dashboard {
    pub uid: String,
    pub title: String,
    pub description: String,
    /// The metric whose jobs and instances can be chosen.
    pub listed: String,
    #[serde(default)]
    pub variables: Vec<Variable>,
    pub rows: Vec<Row>,
}

/// A variable beside `datasource`, `job` and `instance`, of which one value is chosen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    pub name: String,
    pub label: String,
    pub query: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub title: String,
    pub panels: Vec<Panel>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    pub title: String,
    /// How to read it, and where to go on.
    pub description: String,
    #[serde(default = "timeseries", rename = "type")]
    pub kind: String,
    /// In columns of Grafana's 24.
    #[serde(default = "half")]
    pub width: u64,
    /// In Grafana's rows of the grid.
    #[serde(default = "usual")]
    pub height: u64,
    /// Grafana's name of it.
    pub unit: String,
    pub decimals: Option<u64>,
    #[serde(default)]
    pub stack: bool,
    /// A line across.
    pub threshold: Option<Limit>,
    /// The colour of values below the first step.
    #[serde(default = "good")]
    pub base: String,
    /// Colours from a value on, each by its meaning.
    #[serde(default)]
    pub steps: Vec<Step>,
    pub queries: Vec<Query>,
}

/// `{warn: 0.8}`
pub type Step = BTreeMap<String, Limit>;

/// Where a line or a colour begins: a number, or where it is said already.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Limit {
    Number(f64),
    Said(Said),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Said {
    /// The autoscaler's threshold of a metric: of its manifest.
    Hpa(String),
    /// What an alert compares with; the least, if its rules compare with several.
    Alert(String),
    /// The same in seconds, of an alert that counts days.
    Days(String),
    /// The bucket that a recording rule counts up to.
    Bucket(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    pub expr: String,
    pub legend: String,
    /// By its meaning; without, each series has another one.
    pub colour: Option<String>,
    /// The least time between two points, of which `$__rate_interval` is four; without, the scrape interval.
    pub step: Option<String>,
}

fn timeseries() -> String {
    "timeseries".to_owned()
}

fn good() -> String {
    "good".to_owned()
}

fn half() -> u64 {
    12
}

fn usual() -> u64 {
    8
}
