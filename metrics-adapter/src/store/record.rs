use std::sync::Arc;
use std::time::Duration;

use crate::config::{Kind, Rule};
use crate::model::{Absence, Labels, Measurement, Moment, Scrape, ScrapeFailure, Selector, Usage};

/// What is known of a pod. It never changes; the next scrape makes another.
#[derive(Debug)]
pub struct PodRecord {
    /// One a rule, in the configuration's order; none before the first success.
    pub metrics: Arc<[MetricRecord]>,
    /// What its process uses.
    pub usage: Result<Usage, Absence>,
    /// How its target does.
    pub target: TargetState,
}

/// How a target does.
#[derive(Clone, Debug)]
pub struct TargetState {
    /// Scrapes so far.
    pub attempts: u64,
    /// Those that succeeded.
    pub successes: u64,
    /// When the last was.
    pub last_attempt: Moment,
    /// When the last that succeeded was.
    pub last_success: Option<Moment>,
    /// How long the last took.
    pub took: Duration,
    /// How large the last exposition was.
    pub bytes: usize,
    /// How many of its series rules select.
    pub series: usize,
    /// Why the last gave nothing, if it failed.
    pub failure: Option<ScrapeFailure>,
    /// What is odd about the last.
    pub warning: Option<String>,
}

/// The values of one metric of one pod.
#[derive(Debug)]
pub struct MetricRecord {
    at: Moment,
    window: Duration,
    total: Result<f64, Absence>,
    series: Box<[SeriesValue]>,
}

/// The value of one series.
#[derive(Debug)]
pub struct SeriesValue {
    /// Its labels.
    pub labels: Arc<Labels>,
    /// Its value, or its rate a second; the sample itself if it was none that a counter can have.
    pub value: f64,
}

/// Whether labels are wanted.
pub type Selects<'a> = dyn FnMut(&Arc<Labels>) -> bool + 'a;

impl MetricRecord {
    pub(super) fn absent(at: Moment, absence: Absence) -> Self {
        Self { at, window: Duration::ZERO, total: Err(absence), series: Box::default() }
    }

    pub(super) fn of(at: Moment, window: Duration, series: Box<[SeriesValue]>) -> Self {
        Self { at, window, total: Err(Absence::NoSeries), series }
    }

    /// With the value of all series together.
    pub(super) fn aggregated(mut self, rule: &Rule) -> Self {
        if !self.series.is_empty() {
            self.total = combine(rule, self.series.iter().map(|series| series.value));
        }
        self
    }

    /// The value of the series that a selector on their labels selects. `selects` may remember its answers:
    /// the same labels are behind the same `Arc`.
    pub fn measurement(
        &self,
        rule: &Rule,
        selects: Option<&mut Selects<'_>>,
        now: Moment,
        stale_after: Duration,
    ) -> Result<Measurement, Absence> {
        let value = match selects {
            None => self.total,
            Some(selects) => {
                let selected = self.series.iter().filter(|series| selects(&series.labels));
                match self.total {
                    Err(absence) if self.series.is_empty() => Err(absence),
                    _ => combine(rule, selected.map(|series| series.value)),
                }
            }
        };
        let value = value?;
        if now.since(self.at) > stale_after {
            return Err(Absence::Stale);
        }
        Ok(Measurement { value, at: self.at, window: self.window })
    }

    /// When its last samples were taken.
    #[must_use]
    pub fn at(&self) -> Moment {
        self.at
    }

    /// All series with their values.
    #[must_use]
    pub fn series(&self) -> &[SeriesValue] {
        &self.series
    }

    /// Which labels a selector selects, remembered for the time of one request.
    pub fn remembering(selector: &Selector) -> impl FnMut(&Arc<Labels>) -> bool {
        let mut known = std::collections::HashMap::new();
        move |labels: &Arc<Labels>| *known.entry(Arc::as_ptr(labels)).or_insert_with(|| selector.matches(labels))
    }
}

/// One value of several series. One that is no number spoils it: a part of the whole would pass for the whole.
fn combine(rule: &Rule, values: impl Iterator<Item = f64>) -> Result<f64, Absence> {
    let (mut infinite, mut below) = (false, false);
    let values = values.inspect(|value| {
        infinite |= !value.is_finite();
        below |= *value < 0.0;
    });
    let combined = rule.aggregate.of(values).ok_or(Absence::NoSeries)?;
    if infinite || crate::model::quantity::Milli::nearest(combined).is_none() {
        return Err(Absence::NotFinite);
    }
    // A gauge's parts may cancel each other out; a counter that is below zero is none.
    let negative = if rule.kind == Kind::Gauge { combined < 0.0 && !rule.allow_negative } else { below };
    if negative { Err(Absence::Negative) } else { Ok(combined) }
}

/// Makes a target's records, one after the other.
#[derive(Debug)]
pub(super) struct Records {
    metrics: Arc<[MetricRecord]>,
    usage: Result<Usage, Absence>,
    attempts: u64,
    successes: u64,
    last_success: Option<Moment>,
    bytes: usize,
    series: usize,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            metrics: Arc::default(),
            usage: Err(Absence::NeverScraped),
            attempts: 0,
            successes: 0,
            last_success: None,
            bytes: 0,
            series: 0,
        }
    }
}

impl Records {
    /// What was measured before stays, and grows old.
    pub(super) fn failed(&mut self, at: Moment, took: Duration, failure: ScrapeFailure) -> PodRecord {
        self.attempts += 1;
        self.record(at, took, Some(failure), None)
    }

    pub(super) fn succeeded(
        &mut self,
        at: Moment,
        took: Duration,
        scrape: &Scrape,
        metrics: Vec<MetricRecord>,
        usage: Result<Usage, Absence>,
        duplicates: usize,
    ) -> PodRecord {
        (self.attempts, self.successes) = (self.attempts + 1, self.successes + 1);
        self.last_success = Some(at);
        (self.metrics, self.usage) = (metrics.into(), usage);
        (self.bytes, self.series) = (scrape.bytes, scrape.samples.len());
        let twice = match duplicates {
            0 => None,
            1 => Some("1 series stands twice in it; the first counts".to_owned()),
            more => Some(format!("{more} series stand twice in it; the first of each counts")),
        };
        self.record(at, took, None, twice.or_else(|| scrape.warning.clone()))
    }

    fn record(&self, at: Moment, took: Duration, failure: Option<ScrapeFailure>, warning: Option<String>) -> PodRecord {
        PodRecord {
            metrics: Arc::clone(&self.metrics),
            usage: self.usage,
            target: TargetState {
                attempts: self.attempts,
                successes: self.successes,
                last_attempt: at,
                last_success: self.last_success,
                took,
                bytes: self.bytes,
                series: self.series,
                failure,
                warning,
            },
        }
    }
}
