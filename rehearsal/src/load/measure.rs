use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// From a microsecond to a minute, to three digits: of fixed size.
const HIGHEST_MICROS: u64 = 60_000_000;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection.
    NotConnected,
    /// The connection broke.
    Broken,
    /// No answer in time.
    TimedOut,
    /// Too many were on their way.
    NotSent,
}

impl Failure {
    pub(super) const ALL: [Self; 4] = [Self::NotConnected, Self::Broken, Self::TimedOut, Self::NotSent];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::NotConnected => "no connection",
            Self::Broken => "connection broken",
            Self::TimedOut => "timed out",
            Self::NotSent => "not sent, too many on their way",
        }
    }
}

/// What was measured, in all and since it was last taken.
#[derive(Debug)]
pub struct Measurements(Mutex<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) due: u64,
    /// By the first digit of the status.
    pub(super) statuses: [u64; 5],
    pub(super) failures: [u64; 4],
    pub(super) latency: Histogram<u64>,
    /// From the moment a request was due to that of its sending.
    pub(super) delay: Histogram<u64>,
    pub(super) mean: Spread,
    /// Answers that count as failures, by their status.
    pub(super) bad: BTreeMap<u16, u64>,
    rates: Rates,
    interval: Interval,
    began: Instant,
    /// Of the latest answer.
    last: Option<Instant>,
}

/// What was measured since it was last taken.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Requests that were due.
    pub due: u64,
    /// Requests that were answered, with whatever status.
    pub answered: u64,
    /// Requests without an answer, and answers that count as failures.
    pub errors: u64,
    latency: Histogram<u64>,
}

/// Latencies below which that part of all lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of all.
    pub p50: Duration,
    /// 99 of a hundred.
    pub p99: Duration,
}

/// Mean, deviation and maximum, without keeping what they are of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
    most: f64,
}

impl Spread {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let before = value - self.mean;
        self.mean += before / self.count;
        self.squares += before * (value - self.mean);
        self.most = self.most.max(value);
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    pub(super) fn deviation(&self) -> f64 {
        if self.count < 2.0 { 0.0 } else { (self.squares / (self.count - 1.0)).sqrt() }
    }

    pub(super) fn most(&self) -> f64 {
        self.most
    }
}

/// Rates of whole seconds, however often somebody looks.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    spread: Spread,
    /// Of the second that is not over.
    answered: u64,
    seconds: f64,
}

impl Rates {
    /// Who looks every second does so a little early, too.
    const WHOLE: f64 = 0.95;
    /// A rest that is much shorter than a second says little.
    const LEAST: f64 = 0.5;

    fn add(&mut self, answered: u64, seconds: f64) {
        self.answered += answered;
        self.seconds += seconds;
        if self.seconds >= Self::WHOLE {
            self.end();
        }
    }

    fn end(&mut self) {
        #[expect(clippy::cast_precision_loss, reason = "answers of a second are few")]
        self.spread.add(self.answered as f64 / self.seconds);
        (self.answered, self.seconds) = (0, 0.0);
    }

    /// With the second that is not over, if most of it is.
    fn with_rest(mut self) -> Spread {
        if self.seconds >= Self::LEAST {
            self.end();
        }
        self.spread
    }
}

fn histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants, and a test makes one")]
    Histogram::new_with_bounds(1, HIGHEST_MICROS, 3).expect("bounds that a histogram can have")
}

impl Default for Interval {
    fn default() -> Self {
        Self { due: 0, answered: 0, errors: 0, latency: histogram() }
    }
}

impl Default for Measurements {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            due: 0,
            statuses: [0; 5],
            failures: [0; 4],
            latency: histogram(),
            delay: histogram(),
            mean: Spread::default(),
            bad: BTreeMap::new(),
            rates: Rates::default(),
            interval: Interval::default(),
            began: Instant::now(),
            last: None,
        }))
    }
}

impl Interval {
    /// Of the latencies; none without answers.
    #[must_use]
    pub fn quantiles(&self) -> Option<Quantiles> {
        (!self.latency.is_empty()).then(|| quantiles(&self.latency))
    }
}

pub(super) fn quantiles(histogram: &Histogram<u64>) -> Quantiles {
    Quantiles { p50: quantile(histogram, 0.5), p99: quantile(histogram, 0.99) }
}

pub(super) fn quantile(histogram: &Histogram<u64>, part: f64) -> Duration {
    Duration::from_micros(histogram.value_at_quantile(part))
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

impl Inner {
    /// Answers a second, of each second.
    pub(super) fn rates(&self) -> Spread {
        self.rates.with_rest()
    }

    /// Answers a second, from the begin to the last one.
    pub(super) fn rate(&self) -> f64 {
        let answered: u64 = self.statuses.iter().sum();
        let elapsed = self.last.map_or(0.0, |last| last.saturating_duration_since(self.began).as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "for reading")]
        let rate = answered as f64 / elapsed.max(1e-3);
        if answered == 0 { 0.0 } else { rate }
    }
}

impl Measurements {
    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn due(&self) {
        let mut inner = self.inner();
        inner.due += 1;
        inner.interval.due += 1;
    }

    /// A request that was due is wanted no more.
    pub(super) fn withdrawn(&self) {
        let mut inner = self.inner();
        inner.due = inner.due.saturating_sub(1);
        inner.interval.due = inner.interval.due.saturating_sub(1);
    }

    pub(super) fn sent(&self, due: Instant) {
        let delay = micros(due);
        self.inner().delay.saturating_record(delay);
    }

    pub(super) fn answered(&self, status: u16, bad: bool, due: Instant) {
        let latency = micros(due);
        let mut inner = self.inner();
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        if let Some(count) = inner.statuses.get_mut(class) {
            *count += 1;
        }
        inner.last = Some(Instant::now());
        inner.latency.saturating_record(latency);
        #[expect(clippy::cast_precision_loss, reason = "a latency in microseconds has less than 53 bits")]
        inner.mean.add(latency as f64 / 1e6);
        inner.interval.answered += 1;
        if bad {
            inner.interval.errors += 1;
            *inner.bad.entry(status).or_default() += 1;
        }
        inner.interval.latency.saturating_record(latency);
    }

    pub(super) fn failed(&self, failure: Failure, due: Instant) {
        let latency = micros(due);
        let mut inner = self.inner();
        // Who waited in vain has waited.
        if matches!(failure, Failure::TimedOut | Failure::Broken) {
            inner.latency.saturating_record(latency);
            inner.interval.latency.saturating_record(latency);
        }
        let place = Failure::ALL.iter().position(|own| *own == failure);
        if let Some(count) = place.and_then(|place| inner.failures.get_mut(place)) {
            *count += 1;
        }
        inner.interval.errors += 1;
    }

    /// What was measured since this was last called, `seconds` ago: for those who look every second, or oftener.
    pub fn take(&self, seconds: f64) -> Interval {
        let mut inner = self.inner();
        let answered = inner.interval.answered;
        inner.rates.add(answered, seconds);
        std::mem::take(&mut inner.interval)
    }

    /// Of all latencies so far; none without answers.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let inner = self.inner();
        (!inner.latency.is_empty()).then(|| quantiles(&inner.latency))
    }

    /// Requests due, and those that failed, so far.
    pub fn totals(&self) -> (u64, u64) {
        let inner = self.inner();
        (inner.due, inner.failures.iter().chain(inner.bad.values()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_whole_seconds_however_often_somebody_looks() {
        // Ten looks a second, at 10 and at 30 answers a second.
        let mut rates = Rates::default();
        for tenth in 0..40 {
            rates.add(if tenth < 20 { 1 } else { 3 }, 0.1);
        }
        let spread = rates.with_rest();
        assert!((spread.mean() - 20.0).abs() < 1e-6 && (spread.most() - 30.0).abs() < 1e-6, "{spread:?}");
        assert!((spread.deviation() - 11.547).abs() < 1e-3, "{spread:?}");
        // Every second, give or take a little, and a rest.
        let mut rates = Rates::default();
        for (answered, seconds) in [(100, 0.999), (100, 1.001), (1, 0.01)] {
            rates.add(answered, seconds);
        }
        assert!((rates.with_rest().mean() - 100.0).abs() < 0.2);
    }
}
