//! Load over time: a rate of requests a second for each moment, from a short description or from a CSV file.

mod parse;
mod recorded;

use std::time::Duration;

pub use parse::ProfileError;

/// A rate for each moment of a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    label: String,
    /// One after the other, each with its start.
    segments: Vec<(Duration, Segment)>,
    length: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    shape: Shape,
    length: Duration,
}

/// Rates are requests a second.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Hold(f64),
    Ramp {
        from: f64,
        to: f64,
    },
    /// From the lowest, up and down again in a period.
    Sine {
        low: f64,
        high: f64,
        period: Duration,
    },
}

/// More parts than a load of any use has.
const MOST_PARTS: u128 = 2_000_000;

/// While a rate changes steadily it is taken for constant this long.
const SLICE: Duration = Duration::from_millis(20);

impl Profile {
    fn of(label: &str, segments: impl IntoIterator<Item = Segment>) -> Self {
        let mut length = Duration::ZERO;
        let segments = segments
            .into_iter()
            .map(|segment| {
                let start = length;
                length += segment.length;
                (start, segment)
            })
            .collect();
        Self { label: label.to_owned(), segments, length }
    }

    /// As it was given.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How long it lasts.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.length
    }

    /// The same rates on a clock that runs so many times as fast.
    #[must_use]
    pub fn paced(&self, pace: f64) -> Self {
        let faster = |segment: &Segment| Segment {
            length: segment.length.div_f64(pace),
            shape: match segment.shape {
                Shape::Sine { low, high, period } => Shape::Sine { low, high, period: period.div_f64(pace) },
                other => other,
            },
        };
        Self::of(&self.label, self.segments.iter().map(|(_, segment)| faster(segment)))
    }

    /// As often as fits into that time, and cut there. None if that were more parts than anybody means.
    #[must_use]
    pub fn repeated(&self, length: Duration) -> Option<Self> {
        let mut left = length;
        let mut segments = Vec::new();
        let times = length.as_nanos().checked_div(self.length.as_nanos())?;
        if times.saturating_mul(self.segments.len() as u128) > MOST_PARTS {
            return None;
        }
        while !left.is_zero() {
            for (_, segment) in &self.segments {
                let take = segment.length.min(left);
                if !take.is_zero() {
                    segments.push(segment.cut(take));
                }
                left -= take;
            }
        }
        Some(Self::of(&self.label, segments))
    }

    /// Until when the rate holds, or a second of one that changes steadily.
    #[must_use]
    pub fn steady_until(&self, moment: Duration) -> Duration {
        let Some((start, segment)) = self.at(moment) else { return self.length };
        let end = *start + segment.length;
        if matches!(segment.shape, Shape::Hold(_)) { end } else { end.min(moment + Duration::from_secs(1)) }
    }

    fn at(&self, moment: Duration) -> Option<&(Duration, Segment)> {
        let place = self.segments.partition_point(|(start, _)| *start <= moment);
        self.segments.get(place.checked_sub(1)?).filter(|(start, segment)| moment < *start + segment.length)
    }

    /// Requests a second at that moment; none once it is over.
    #[must_use]
    pub fn rate(&self, moment: Duration) -> Option<f64> {
        self.at(moment).map(|(start, segment)| segment.rate(moment.saturating_sub(*start)))
    }

    /// The highest rate.
    #[must_use]
    pub fn peak(&self) -> f64 {
        let highest = |segment: &Segment| match segment.shape {
            Shape::Hold(rate) => rate,
            Shape::Ramp { from, to } => from.max(to),
            Shape::Sine { high, .. } => high,
        };
        self.segments.iter().map(|(_, segment)| highest(segment)).fold(0.0, f64::max)
    }

    /// The moments at which the rate jumps, and the rates from then on; the beginning is one.
    #[must_use]
    pub fn steps(&self) -> Vec<(Duration, f64)> {
        let mut before = None;
        let mut steps = Vec::new();
        for (start, segment) in &self.segments {
            let begins = segment.rate(Duration::ZERO);
            if before.is_none_or(|rate: f64| (rate - begins).abs() > f64::EPSILON * begins.abs()) {
                steps.push((*start, begins));
            }
            before = Some(segment.rate(segment.length));
        }
        steps
    }

    /// The moments at which requests are due: evenly spaced at the rate of each moment.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals<'_> {
        Arrivals { profile: self, moment: Duration::ZERO, first: true }
    }
}

impl Segment {
    fn rate(&self, within: Duration) -> f64 {
        match self.shape {
            Shape::Hold(rate) => rate,
            Shape::Ramp { from, to } => from + (to - from) * within.as_secs_f64() / self.length.as_secs_f64(),
            Shape::Sine { low, high, period } => {
                let turn = within.as_secs_f64() / period.as_secs_f64() * std::f64::consts::TAU;
                low + (high - low) * (1.0 - turn.cos()) / 2.0
            }
        }
    }

    /// Its beginning.
    fn cut(&self, length: Duration) -> Self {
        let shape = match self.shape {
            Shape::Ramp { from, .. } => Shape::Ramp { from, to: self.rate(length) },
            other => other,
        };
        Self { shape, length }
    }
}

/// See [`Profile::arrivals`].
#[derive(Clone, Debug)]
pub struct Arrivals<'a> {
    profile: &'a Profile,
    moment: Duration,
    first: bool,
}

impl Iterator for Arrivals<'_> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // The first request is due at once, if there is any load.
        let mut owed = if std::mem::take(&mut self.first) { f64::MIN_POSITIVE } else { 1.0 };
        loop {
            let (start, segment) = self.profile.at(self.moment)?;
            let end = *start + segment.length;
            let rate = segment.rate(self.moment.saturating_sub(*start));
            let slice = match segment.shape {
                Shape::Hold(_) => end.saturating_sub(self.moment),
                _ => SLICE.min(end.saturating_sub(self.moment)),
            };
            let due = owed / rate;
            if due < slice.as_secs_f64() {
                self.moment += Duration::from_secs_f64(due);
                return Some(self.moment);
            }
            owed -= rate * slice.as_secs_f64();
            self.moment += slice;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(text: &str) -> Profile {
        text.parse().unwrap()
    }

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn each_shape_has_its_rate_at_each_moment() {
        let steps = profile("steps:20@10s,140@30s");
        assert_eq!(steps.rate(secs(0)), Some(20.0));
        assert_eq!(steps.rate(secs(10)), Some(140.0), "a step begins with its moment");
        assert_eq!(steps.rate(secs(40)), None, "and is over at its end");
        assert_eq!(steps.steps(), [(secs(0), 20.0), (secs(10), 140.0)]);
        let ramp = profile("ramp:0..100@100s");
        assert_eq!(ramp.rate(secs(25)), Some(25.0));
        let sine = profile("sine:100..300@60s");
        assert_eq!(sine.rate(secs(0)), Some(100.0));
        assert!((sine.rate(secs(30)).unwrap() - 300.0).abs() < 1e-9);
        assert!((sine.rate(secs(15)).unwrap() - 200.0).abs() < 1e-9);
        let spike = profile("spike:20..400@60s");
        assert_eq!(
            (spike.rate(secs(0)), spike.rate(secs(60)), spike.rate(secs(120))),
            (Some(20.0), Some(400.0), Some(20.0))
        );
        assert_eq!(spike.length(), secs(180), "as long before and after as the peak itself");
        assert!((spike.peak() - 400.0).abs() < 1e-9);
    }

    #[test]
    fn arrivals_are_evenly_spaced_and_as_many_as_the_rates_say() {
        let arrivals: Vec<f64> = profile("steps:10@1s,0@2s,4@1s").arrivals().map(|due| due.as_secs_f64()).collect();
        assert_eq!(arrivals.len(), 14, "{arrivals:?}");
        assert!(arrivals.windows(2).all(|pair| pair[0] < pair[1]));
        assert!((arrivals[1] - 0.1).abs() < 1e-6, "{arrivals:?}");
        assert!(!arrivals.iter().any(|due| (1.01..3.0).contains(due)), "none while the rate is 0: {arrivals:?}");
        for (text, expected) in [("ramp:0..100@10s", 500.0), ("sine:0..100@10s", 500.0), ("spike:10..90@10s", 1100.0)] {
            let count = u32::try_from(profile(text).arrivals().count()).unwrap();
            assert!((f64::from(count) - expected).abs() < 3.0, "{text}: {count}");
        }
        assert_eq!(profile("steps:0@10s").arrivals().count(), 0);
    }

    #[test]
    fn a_faster_clock_keeps_the_rates() {
        let paced = profile("steps:20@10s,140@30s").paced(5.0);
        assert_eq!(paced.length(), secs(8));
        assert_eq!(paced.steps(), [(secs(0), 20.0), (secs(2), 140.0)]);
        let week = profile("sine:1..2@1d").repeated(secs(7 * 86_400 + 5)).unwrap();
        assert_eq!(week.length(), secs(7 * 86_400 + 5));
        assert_eq!(week.rate(secs(7 * 86_400)), Some(1.0));
        assert_eq!(profile("steps:1@1ms").repeated(secs(7 * 86_400)), None);
    }
}
