use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use super::cluster::ClusterSight;
use super::prometheus::PrometheusReport;
use super::report::{
    AbsentReport, ErrorReport, FileReport, MetricReport, NodeReport, Report, ScrapeReport, TargetReport, ValueReport,
};
use crate::cluster::{Pod, View};
use crate::config::{Aggregate, Config, Kind, Rule};
use crate::health::{Health, Probe};
use crate::lookup::{Facts, Instant};
use crate::model::quantity::{Bytes, Milli, Nano};
use crate::model::{Absence, Measurement, Moment, Now, Usage};
use crate::reload;
use crate::store::{PodRecord, PrometheusState, Snapshot};

/// Everything that the status page is made from.
#[derive(Clone, Debug)]
pub struct Sight {
    /// What exists, and what is known of it.
    pub facts: Facts,
    /// Whether the adapter can be asked.
    pub health: Health,
    /// How Prometheus does.
    pub prometheus: watch::Receiver<PrometheusState>,
    /// The configuration, and whether its file is right.
    pub config: watch::Receiver<reload::State<Config>>,
    /// Where the configuration is; none for the built-in default.
    pub config_path: Option<PathBuf>,
    /// What is served with over TLS, and where it is; none without.
    pub certificates: Option<(PathBuf, watch::Receiver<reload::State<CertifiedKey>>)>,
    /// Where the targets are, what that file says, and whether it is right; none in a cluster.
    pub targets: Option<(PathBuf, watch::Receiver<reload::State<View>>)>,
    /// What there is in a cluster alone.
    pub cluster: Option<ClusterSight>,
}

impl Sight {
    /// What there is to see now.
    #[must_use]
    pub fn report(&self) -> Report {
        let instant = self.facts.now();
        let Instant { view, snapshot, now, .. } = &instant;
        let seen = Seen { view, snapshot, now: *now };
        let finding = self.health.probe(Probe::Ready);
        let scrape = &snapshot.config.scrape;
        Report {
            version: env!("CARGO_PKG_VERSION"),
            now: now.wall.to_string(),
            started: self.health.started().wall.to_string(),
            ready: finding.ok,
            readiness: finding.lines,
            files: self.files(),
            scrape: ScrapeReport {
                interval: duration(scrape.interval),
                timeout: duration(scrape.timeout),
                stale_after: duration(scrape.stale_after),
            },
            metrics: snapshot.config.rules.iter().enumerate().map(|(place, rule)| seen.metric(place, rule)).collect(),
            targets: view.pods(None).iter().filter(|pod| is_target(pod)).map(|pod| seen.target(pod)).collect(),
            prometheus: self.prometheus(&instant),
            cluster: self.cluster.as_ref().map(|cluster| cluster.report(&self.facts.inventory)),
            nodes: view.nodes().iter().map(|node| seen.node(&node.name)).collect(),
        }
    }

    fn prometheus(&self, instant: &Instant) -> Option<PrometheusReport> {
        let settings = instant.catalog.config.prometheus.as_ref()?;
        let state = self.prometheus.borrow().clone();
        Some(PrometheusReport {
            url: settings.url.to_string(),
            up: state.up,
            error: state.failure.as_ref().map(ErrorReport::from),
            interval: duration(settings.interval),
            stale_after: duration(settings.stale_after),
            rules: super::prometheus::rules(instant),
            queries: super::prometheus::queries(&self.facts.demand.all(), instant.now.moment),
        })
    }

    fn files(&self) -> Vec<FileReport> {
        let config = self.config.borrow();
        let path = |path: &PathBuf| path.display().to_string();
        let mut files = vec![FileReport {
            what: "config",
            path: self.config_path.as_ref().map(path),
            loaded: config.loaded.to_string(),
            problem: config.problem.clone(),
        }];
        if let Some((own, targets)) = &self.targets {
            let targets = targets.borrow();
            files.push(FileReport {
                what: "targets",
                path: Some(path(own)),
                loaded: targets.loaded.to_string(),
                problem: targets.problem.clone(),
            });
        }
        if let Some((own, state)) = &self.certificates {
            let state = state.borrow();
            files.push(FileReport {
                what: "tls",
                path: Some(path(own)),
                loaded: state.loaded.to_string(),
                problem: state.problem.clone(),
            });
        }
        files
    }
}

/// Whether a pod is one, or would be but for something that is wrong. The other pods of a cluster are nobody's concern.
fn is_target(pod: &Pod) -> bool {
    pod.target.is_some() || pod.problem.is_some()
}

struct Seen<'a> {
    view: &'a View,
    snapshot: &'a Snapshot,
    now: Now,
}

impl Seen<'_> {
    fn metric(&self, place: usize, rule: &Rule) -> MetricReport {
        let mut absent: BTreeMap<Absence, usize> = BTreeMap::new();
        let mut values: Vec<Measurement> = Vec::new();
        let mut last_error: Option<(Moment, String)> = None;
        let pods = self.view.pods(None).iter().filter(|pod| is_target(pod));
        for pod in pods.clone() {
            let record = self.snapshot.record(pod.key);
            match self.value(place, rule, pod, record) {
                Ok(measured) => values.push(measured),
                Err(absence) => *absent.entry(absence).or_default() += 1,
            }
            if let Some((record, failure)) = record.and_then(|record| Some((record, record.target.failure.as_ref()?)))
                && last_error.as_ref().is_none_or(|(at, _)| *at < record.target.last_attempt)
            {
                let text = format!("{}/{}: {}: {}", pod.namespace, pod.name, failure.reason, failure.problem);
                last_error = Some((record.target.last_attempt, text));
            }
        }
        let total = rule.aggregate.of(values.iter().map(|own| own.value)).and_then(Milli::nearest);
        MetricReport {
            name: rule.name.clone(),
            description: rule.description.clone(),
            source: "scrape",
            rule: in_words(rule),
            pods: pods.count(),
            pods_with_value: values.len(),
            total: total.map(|total| total.to_string()),
            freshness_seconds: values.iter().map(|own| own.at).min().map(|oldest| self.age(oldest)),
            absent: absent
                .into_iter()
                .map(|(absence, pods)| AbsentReport { pods, reason: absence.explain() })
                .collect(),
            last_error: last_error.map(|(_, text)| text),
        }
    }

    fn value(&self, place: usize, rule: &Rule, pod: &Pod, record: Option<&PodRecord>) -> Result<Measurement, Absence> {
        if pod.target.is_none() {
            return Err(Absence::NoTarget);
        }
        let metric = record.and_then(|record| record.metrics.get(place)).ok_or(Absence::NeverScraped)?;
        metric.measurement(rule, None, self.now.moment, self.snapshot.config.scrape.stale_after)
    }

    fn target(&self, pod: &Pod) -> TargetReport {
        let record = self.snapshot.record(pod.key);
        let target = record.map(|record| &record.target);
        let rules = self.snapshot.config.rules.iter().enumerate();
        let failure = target.and_then(|target| target.failure.as_ref());
        let (cpu, memory, _) = usage(record.and_then(|record| self.fresh(record.usage.ok()?)));
        TargetReport {
            namespace: pod.namespace.to_string(),
            pod: pod.name.to_string(),
            url: pod.target.as_ref().map(ToString::to_string),
            labels: pod.labels.to_string(),
            state: match (target, failure) {
                (None, _) if pod.problem.is_some() => "down",
                (None, _) => "waiting",
                (Some(_), Some(_)) => "down",
                (Some(_), None) => "up",
            },
            last_scrape_seconds_ago: target.map(|target| self.age(target.last_attempt)),
            duration_seconds: target.map(|target| target.took.as_secs_f64()),
            bytes: target.filter(|target| target.successes > 0).map(|target| target.bytes),
            series: target.filter(|target| target.successes > 0).map(|target| target.series),
            attempts: target.map_or(0, |target| target.attempts),
            failures: target.map_or(0, |target| target.attempts - target.successes),
            error: failure
                .map(|failure| ErrorReport { reason: failure.reason.label(), problem: failure.problem.clone() })
                .or_else(|| Some(ErrorReport { reason: "target", problem: pod.problem.clone()? })),
            warning: target.and_then(|target| target.warning.clone()),
            values: rules.map(|(place, rule)| self.value_report(place, rule, pod, record)).collect(),
            cpu,
            memory,
        }
    }

    fn value_report(&self, place: usize, rule: &Rule, pod: &Pod, record: Option<&PodRecord>) -> ValueReport {
        let value = self.value(place, rule, pod, record);
        let measured = value.ok();
        ValueReport {
            metric: rule.name.clone(),
            value: measured.and_then(|own| Milli::nearest(own.value)).map(|value| value.to_string()),
            absent: value.err().map(Absence::explain),
            age_seconds: measured.map(|own| self.age(own.at)),
            window_seconds: measured.map(|own| own.window.as_secs_f64()),
        }
    }

    fn node(&self, name: &str) -> NodeReport {
        let record = self.snapshot.node(name);
        let fresh = record.and_then(|record| {
            let usage = record.usage.ok()?;
            (self.now.moment.since(usage.at) <= record.stale_after).then_some(usage)
        });
        let (cpu, memory, swap) = usage(fresh);
        let target = record.map(|record| &record.target);
        let failure = target.and_then(|target| target.failure.as_ref());
        NodeReport {
            name: name.to_owned(),
            cpu,
            memory,
            swap,
            pods: record.map_or(0, |record| record.pods.len()),
            state: match (target, failure) {
                (None, _) => "waiting",
                (Some(_), Some(_)) => "down",
                (Some(_), None) => "up",
            },
            last_read_seconds_ago: target.map(|target| self.age(target.last_attempt)),
            error: failure
                .map(|failure| ErrorReport { reason: failure.reason.label(), problem: failure.problem.clone() }),
            warning: target.and_then(|target| target.warning.clone()),
        }
    }

    fn fresh(&self, usage: Usage) -> Option<Usage> {
        (self.now.moment.since(usage.at) <= self.snapshot.config.scrape.stale_after).then_some(usage)
    }

    fn age(&self, at: Moment) -> f64 {
        self.now.moment.since(at).as_secs_f64()
    }
}

type Quantities = (Option<String>, Option<String>, Option<String>);

fn usage(usage: Option<Usage>) -> Quantities {
    let Some(Usage { cpu_nanocores, memory_bytes, swap_bytes, .. }) = usage else { return (None, None, None) };
    // Thousandths of a core are what people think in.
    let cpu = Nano(cpu_nanocores / 1_000_000 * 1_000_000).to_string();
    // Whole mebibytes, for the same reason.
    let mebi = |bytes: u64| Bytes(bytes >> 20 << 20).to_string();
    (Some(cpu), Some(mebi(memory_bytes)), swap_bytes.map(mebi))
}

fn duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// A rule as a sentence.
#[must_use]
pub fn in_words(rule: &Rule) -> String {
    let series =
        if rule.select.is_empty() { rule.series.clone() } else { format!("{} with {}", rule.series, rule.select) };
    let what = match rule.kind {
        Kind::Counter { window } => format!("growth of {series} a second, over {}", duration(window)),
        Kind::Gauge => format!("last value of {series}"),
    };
    let together = match rule.aggregate {
        Aggregate::Sum => "summed",
        Aggregate::Average => "averaged",
        Aggregate::Maximum => "the largest",
        Aggregate::Minimum => "the smallest",
    };
    let negative = if rule.allow_negative { "; may be negative" } else { "" };
    format!("{what}; {together} over a pod's series, and over the pods of an object{negative}")
}
