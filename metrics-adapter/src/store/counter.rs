//! Counters to rates.
//!
//! What is kept of a series is not its value but its growth: how much it has grown from each point to the
//! next, over resets and restarts. A rate is the growth between two points divided by the time between
//! them. It is the sum of the steps between them and of nothing before: one sample that claims too much takes
//! the precision from no window but those that it is in. The growth between two samples is never more than what was counted between them, so no rate is
//! ever more than what happened, and none is negative.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::interner::{Interned, Interner};
use super::record::{MetricRecord, SeriesValue};
use crate::model::{Absence, Moment, Now, RawSample, Wall};

/// A window is kept in at most so many steps; points closer together than a step replace each other.
const STEPS: u32 = 8;
/// So many series that a target does not have any more are remembered.
const MOST_VANISHED: usize = 1_000;
/// A sample that claims to be later than now by more than this has a wrong clock.
const FUTURE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct CounterHistory {
    window: Duration,
    interval: Duration,
    /// When the points of all series were taken, the oldest first.
    times: Vec<Moment>,
    /// The last timestamp of the samples' own, if they have one.
    stamp: Option<Wall>,
    series: Vec<Series>,
    places: HashMap<Arc<str>, usize>,
    /// Counts samplings, to tell what was seen in this one.
    sampling: u64,
    /// Whether series that had vanished were forgotten: then one that appears may be one that comes back.
    forgot: bool,
}

#[derive(Debug)]
struct Series {
    own: Interned,
    /// The counter's last value.
    last: f64,
    /// When it had that.
    last_at: Moment,
    /// How much it has grown up to each of the times, from the time before.
    growth: Vec<f64>,
    /// The sampling that it was last seen in.
    seen: u64,
    /// Its last sample, if it was none that a counter can have.
    odd: Option<f64>,
}

impl CounterHistory {
    pub(super) fn new(window: Duration, interval: Duration) -> Self {
        Self {
            window,
            interval,
            times: Vec::new(),
            stamp: None,
            series: Vec::new(),
            places: HashMap::new(),
            sampling: 0,
            forgot: false,
        }
    }

    /// Takes in the samples of one scrape. Gives the rates, and how many series came twice.
    pub(super) fn absorb<'a>(
        &mut self,
        scraped: Moment,
        restarted: bool,
        samples: impl Iterator<Item = &'a RawSample> + Clone,
        text: &str,
        interner: &mut Interner,
        now: &Now,
    ) -> (MetricRecord, usize) {
        let at = taken_at(scraped, samples.clone(), now);
        // What is not newer than the last is the last, once more. The same timestamp is compared as it is: the moment
        // that it stands for is computed anew each time, and not to the nanosecond.
        let stamp = stamp_of(samples.clone());
        let same = stamp.is_some() && stamp == self.stamp;
        if same || self.times.last().is_some_and(|last| *last >= at) {
            return (self.rates(), 0);
        }
        self.stamp = stamp;
        self.advance(at);
        if restarted {
            self.series.iter_mut().for_each(|series| series.last = 0.0);
        }
        self.sampling += 1;
        let (mut place, mut duplicates) = (0, 0);
        for sample in samples {
            let labels = &text[sample.labels.clone()];
            // An exposition has its series in the same order each time.
            if self.series.get(place).is_none_or(|series| *series.own.text != *labels) {
                place = self.place_of(labels, interner);
            }
            duplicates += usize::from(!self.series[place].grow(sample.value, self.sampling, &self.times));
            place += 1;
        }
        self.forget_vanished();
        (self.rates(), duplicates)
    }

    /// Series that vanish are remembered, in case they come back; but not without end.
    fn forget_vanished(&mut self) {
        let sampling = self.sampling;
        let seen = self.series.iter().filter(|series| series.seen == sampling).count();
        if self.series.len() <= 2 * seen + MOST_VANISHED {
            return;
        }
        self.series.retain(|series| series.seen == sampling);
        self.places = self.series.iter().enumerate().map(|(place, own)| (Arc::clone(&own.own.text), place)).collect();
        self.forgot = true;
    }

    /// Makes room for a point.
    fn advance(&mut self, at: Moment) {
        let step = self.window / STEPS;
        let close =
            self.times.len() >= 2 && self.times[self.times.len() - 1].since(self.times[self.times.len() - 2]) < step;
        if close {
            self.times.pop();
        }
        self.times.push(at);
        let old = self.times.iter().take_while(|time| at.since(**time) > self.longest()).count();
        self.times.drain(..old);
        for series in &mut self.series {
            if !close {
                series.growth.push(0.0);
            }
            series.growth.drain(..old);
        }
    }

    /// After a gap a rate over more than this would be of a time that nobody asks about.
    fn longest(&self) -> Duration {
        self.window * 2 + self.interval
    }

    fn place_of(&mut self, labels: &str, interner: &mut Interner) -> usize {
        if let Some(place) = self.places.get(labels) {
            return *place;
        }
        let own = interner.intern(labels);
        self.places.insert(Arc::clone(&own.text), self.series.len());
        // Who was read before, without this series, has counted from zero since. At the first reading nothing
        // is known of the time before.
        let unknown = self.sampling == 1 || self.forgot;
        let last = if unknown { f64::NAN } else { 0.0 };
        let last_at = self.times.iter().rev().nth(1).copied().unwrap_or_default();
        let growth = vec![0.0; self.times.len()];
        self.series.push(Series { own, last, last_at, growth, seen: 0, odd: None });
        self.series.len() - 1
    }

    /// The point that the rate is taken from: the one that makes the span closest to the window.
    fn base(&self) -> Option<usize> {
        let (latest, earlier) = self.times.split_last()?;
        let distance = |time: &Moment| latest.since(*time).abs_diff(self.window);
        (0..earlier.len()).min_by_key(|place| distance(&earlier[*place]))
    }

    fn rates(&self) -> MetricRecord {
        let at = self.times.last().copied().unwrap_or_default();
        let Some(base) = self.base() else {
            return MetricRecord::absent(
                at,
                if self.times.is_empty() { Absence::NeverScraped } else { Absence::ScrapedOnce },
            );
        };
        let window = at.since(self.times[base]);
        let seconds = window.as_secs_f64();
        let series = self.series.iter().filter_map(|series| {
            let grown: f64 = series.growth.get(base + 1..)?.iter().sum();
            // What has vanished still counts for as long as it grew within the window.
            let present = series.seen == self.sampling || grown > 0.0;
            let value = series.odd.unwrap_or(grown / seconds);
            present.then(|| SeriesValue { labels: Arc::clone(&series.own.labels), value })
        });
        MetricRecord::of(at, window, series.collect())
    }

    pub(super) fn points(&self) -> usize {
        self.series.len() * self.times.len()
    }
}

impl Series {
    /// Takes in the value of a sampling, the last of `times`. False if there was one already.
    fn grow(&mut self, value: f64, sampling: u64, times: &[Moment]) -> bool {
        if self.seen == sampling {
            return false;
        }
        self.seen = sampling;
        self.odd = (!value.is_finite() || value < 0.0).then_some(value);
        if self.odd.is_some() {
            return true;
        }
        // A counter that is less than it was has started again from zero.
        let grown = if self.last.is_nan() {
            0.0
        } else if value < self.last {
            value
        } else {
            value - self.last
        };
        // It may have grown at any time since its last value, which is not always the last sampling's. No window that
        // begins after that value may have more than was counted in it, so none of those has it.
        let since = times.iter().rposition(|time| *time <= self.last_at).map_or(0, |place| place + 1);
        if let Some(step) = self.growth.get_mut(since) {
            *step += grown;
        }
        (self.last, self.last_at) = (value, times.last().copied().unwrap_or_default());
        true
    }
}

/// The latest timestamp of the samples' own.
pub(super) fn stamp_of<'a>(samples: impl Iterator<Item = &'a RawSample>) -> Option<Wall> {
    samples.filter_map(|sample| sample.timestamp).max()
}

/// When samples were taken: when they were scraped, unless they say so themselves.
pub(super) fn taken_at<'a>(scraped: Moment, samples: impl Iterator<Item = &'a RawSample>, now: &Now) -> Moment {
    match stamp_of(samples) {
        None => scraped,
        Some(timestamp) => {
            let taken = now.moment_of(timestamp);
            if taken.since(scraped) > FUTURE { scraped } else { taken.min(scraped) }
        }
    }
}
