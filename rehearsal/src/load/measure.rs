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
    /// Requests that were answered, of each whole second.
    pub(super) rates: Spread,
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
    /// Requests without an answer, and answers of 500 and more.
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
            rates: Spread::default(),
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

    pub(super) fn answered(&self, status: u16, due: Instant) {
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
        inner.interval.errors += u64::from(status >= 500);
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

    /// What was measured since this was last called, `seconds` ago: for those who look every second.
    pub fn take(&self, seconds: f64) -> Interval {
        let mut inner = self.inner();
        #[expect(clippy::cast_precision_loss, reason = "answers of a second are few")]
        let rate = inner.interval.answered as f64 / seconds;
        // A rest that is much shorter than a second says little.
        if seconds >= 0.5 {
            inner.rates.add(rate);
        }
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
        (inner.due, inner.failures.iter().sum::<u64>() + inner.statuses[4])
    }
}
