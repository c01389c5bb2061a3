use std::fmt;
use std::time::Duration;

use super::measure::{Failure, Measurements, quantile};

/// All of a load's measurements, as they are printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Requests that were due.
    pub requests: u64,
    /// Answers by the first digit of their status.
    pub statuses: [u64; 5],
    /// Answers that count as failures, by their status.
    pub bad: Vec<(u16, u64)>,
    /// Requests without an answer, with why.
    pub failures: Vec<(&'static str, u64)>,
    /// Answers a second: mean, deviation, maximum.
    pub rate: (f64, f64, f64),
    /// From the moment a request was due to its answer, in seconds: mean, deviation, maximum.
    pub latency: (f64, f64, f64),
    /// Latencies by the part of all that is faster.
    pub quantiles: Vec<(f64, Duration)>,
    /// From the moment a request was due to its sending: 99 of a hundred, and the longest.
    pub delay: (Duration, Duration),
}

const PARTS: [f64; 6] = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

impl Summary {
    /// Of what was measured so far.
    #[must_use]
    pub fn of(measurements: &Measurements) -> Self {
        let inner = measurements.inner();
        let failures = Failure::ALL.iter().zip(inner.failures);
        let rates = inner.rates();
        let longest = Duration::from_micros(inner.latency.max());
        Self {
            requests: inner.due,
            statuses: inner.statuses,
            bad: inner.bad.iter().map(|(status, count)| (*status, *count)).collect(),
            failures: failures.map(|(failure, count)| (failure.label(), count)).collect(),
            rate: (inner.rate(), rates.deviation(), rates.most().max(inner.rate())),
            latency: (inner.mean.mean(), inner.mean.deviation(), inner.mean.most().max(longest.as_secs_f64())),
            quantiles: PARTS.iter().map(|part| (*part, quantile(&inner.latency, *part))).collect(),
            delay: (quantile(&inner.delay, 0.99), Duration::from_micros(inner.delay.max())),
        }
    }

    /// Requests that failed: without an answer, or with one that counts as a failure.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.iter().map(|(_, count)| count).chain(self.bad.iter().map(|(_, count)| count)).sum()
    }

    /// How many failed, and which answers did so with what status: `3 (404: 2, 503: 1)`.
    #[must_use]
    pub fn failed_by_status(&self) -> String {
        let bad: Vec<String> = self.bad.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        let bad = if bad.is_empty() { String::new() } else { format!(" ({})", bad.join(", ")) };
        format!("{}{bad}", self.failed())
    }

    /// The latency below which that part of all lies.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        let found = self.quantiles.iter().find(|(own, _)| (own - part).abs() < 1e-9);
        found.map(|(_, latency)| *latency).unwrap_or_default()
    }
}

/// As few digits as tell something: `433.29ms`, `0.94s`, `87.00us`.
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        _ if seconds < 0.001 => format!("{:.2}us", seconds * 1e6),
        _ if seconds < 1.0 => format!("{:.2}ms", seconds * 1e3),
        _ => format!("{seconds:.2}s"),
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mean, deviation, most) = self.rate;
        writeln!(f, "Statistics        Avg      Stdev        Max")?;
        writeln!(f, "  Reqs/sec {mean:>12.2} {deviation:>10.2} {most:>10.2}")?;
        let (mean, deviation, most) = self.latency;
        writeln!(f, "  Latency  {:>12} {:>10} {:>10}", time(mean), time(deviation), time(most))?;
        writeln!(f, "  Latency distribution, from the moment a request was due")?;
        for (part, latency) in &self.quantiles {
            writeln!(f, "    {:>5} % {:>12}", format!("{}", part * 100.0), time(latency.as_secs_f64()))?;
        }
        writeln!(f, "  HTTP codes:")?;
        let [one, two, three, four, five] = self.statuses;
        writeln!(f, "    1xx - {one}, 2xx - {two}, 3xx - {three}, 4xx - {four}, 5xx - {five}")?;
        let others: u64 = self.failures.iter().map(|(_, count)| count).sum();
        let named: Vec<String> = self
            .failures
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(failure, count)| format!("{failure} - {count}"))
            .collect();
        let named = if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) };
        writeln!(f, "    others - {others}{named}")?;
        let (usual, longest) = self.delay;
        write!(f, "  Sent late by {} for 99 %, {} at most", time(usual.as_secs_f64()), time(longest.as_secs_f64()))
    }
}
