//! The configuration file: which metrics there are, and how targets are scraped.
//!
//! Everything has a default; without a file the adapter serves `http_requests_per_second` from conduit's
//! `http_requests_total`. `metrics-adapter/README.md` documents each field.

pub mod args;
mod file;
mod metrics;
mod pods;
mod prometheus;
mod rule;
mod series;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::rules::{ExternalQueryRule, QueryRule, ResourceRules, SeriesRule};

pub use pods::{PodRule, PodSettings, Port, scheme};
pub use prometheus::PrometheusSettings;
pub use rule::{Aggregate, Kind, Rule};

/// What the adapter does.
#[derive(Debug)]
pub struct Config {
    /// Each configuration that was read has its own number.
    pub generation: u64,
    /// How targets are scraped.
    pub scrape: ScrapeSettings,
    /// The metrics that are served, in the order of the file.
    pub rules: Vec<Rule>,
    /// How Prometheus is asked, if it is.
    pub prometheus: Option<PrometheusSettings>,
    /// The metrics that are plain PromQL, in the order of the file.
    pub queries: Vec<QueryRule>,
    /// The external metrics that are plain PromQL.
    pub external_queries: Vec<ExternalQueryRule>,
    /// `rules`, as prometheus-adapter has them.
    pub series_rules: Vec<SeriesRule>,
    /// `externalRules`.
    pub external_rules: Vec<SeriesRule>,
    /// `resourceRules`.
    pub resource_rules: Option<ResourceRules>,
    /// How Prometheus is asked, where the file does not say where it is; a flag may.
    without_url: Option<PrometheusSettings>,
    warnings: Vec<String>,
}

/// How targets are scraped.
#[derive(Clone, Debug)]
pub struct ScrapeSettings {
    /// The time from one scrape of a target to the next.
    pub interval: Duration,
    /// The time that a scrape may take from first to last; at most the interval.
    pub timeout: Duration,
    /// Expositions of more than 256 KiB that are read at once; smaller ones wait for nobody.
    pub concurrency: usize,
    /// The largest body, in bytes.
    pub body_limit: usize,
    /// The most series of one target that rules may select.
    pub series_limit: usize,
    /// The age from which a sample is no value any more.
    pub stale_after: Duration,
    /// Who vouches for targets of `https://`.
    pub tls: ScrapeTls,
    /// Which pods of a cluster are targets.
    pub pods: PodSettings,
}

/// Who vouches for targets of `https://`.
#[derive(Clone, Debug, Default)]
pub struct ScrapeTls {
    /// Certificates of authorities, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Nobody: any certificate will do.
    pub insecure_skip_verify: bool,
}

impl Default for ScrapeSettings {
    fn default() -> Self {
        let interval = Duration::from_secs(5);
        Self {
            interval,
            timeout: Duration::from_secs(3),
            concurrency: 64,
            body_limit: 16 << 20,
            series_limit: 5_000,
            stale_after: interval * 3,
            tls: ScrapeTls::default(),
            pods: PodSettings::default(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::with(ScrapeSettings::default(), vec![Rule::http_requests_per_second()])
    }
}

impl Config {
    /// Reads a configuration file; the error is one line that says where and what.
    pub fn parse(text: &str) -> Result<Self, String> {
        file::parse(text).map_err(|problem| problem.to_string())
    }

    fn with(scrape: ScrapeSettings, rules: Vec<Rule>) -> Self {
        static GENERATION: AtomicU64 = AtomicU64::new(1);
        Self {
            generation: GENERATION.fetch_add(1, Ordering::Relaxed),
            scrape,
            rules,
            prometheus: None,
            queries: Vec::new(),
            external_queries: Vec::new(),
            series_rules: Vec::new(),
            external_rules: Vec::new(),
            resource_rules: None,
            without_url: None,
            warnings: Vec::new(),
        }
    }

    /// What is odd about it, though it is good: one line each, with its place in the file.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let of_prometheus = self.prometheus.as_ref().and_then(PrometheusSettings::warning);
        self.warnings.iter().cloned().chain(of_prometheus).collect()
    }

    /// What of it Prometheus must be asked for, by the name of the first such section.
    fn needs_prometheus(&self) -> Option<&'static str> {
        let sections = [
            ("a query in metrics", !self.queries.is_empty()),
            ("externalMetrics", !self.external_queries.is_empty()),
            ("rules", !self.series_rules.is_empty()),
            ("externalRules", !self.external_rules.is_empty()),
            ("resourceRules", self.resource_rules.is_some()),
        ];
        sections.into_iter().find(|(_, needs)| *needs).map(|(section, _)| section)
    }

    /// The rule that a metric is served by, and its place.
    #[must_use]
    pub fn rule(&self, metric: &str) -> Option<(usize, &Rule)> {
        self.rules.iter().enumerate().find(|(_, rule)| rule.name == metric)
    }
}
