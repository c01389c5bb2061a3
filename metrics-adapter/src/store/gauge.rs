use std::sync::Arc;
use std::time::Duration;

use super::counter::{stamp_of, taken_at};
use super::interner::{Interned, Interner};
use super::record::{MetricRecord, SeriesValue};
use crate::model::{Absence, Moment, Now, RawSample, Wall};

/// The last samples of a gauge.
#[derive(Debug, Default)]
pub(super) struct GaugeHistory {
    at: Option<Moment>,
    /// The last timestamp of the samples' own, if they have one.
    stamp: Option<Wall>,
    series: Vec<(Interned, f64)>,
}

impl GaugeHistory {
    /// Takes in the samples of one scrape. Gives the values, and how many series came twice.
    pub(super) fn absorb<'a>(
        &mut self,
        scraped: Moment,
        samples: impl Iterator<Item = &'a RawSample> + Clone,
        text: &str,
        interner: &mut Interner,
        now: &Now,
    ) -> (MetricRecord, usize) {
        let at = taken_at(scraped, samples.clone(), now);
        let mut duplicates = 0;
        let stamp = stamp_of(samples.clone());
        // A sample that stands still grows old, whatever the clock does that it is compared with.
        let same = stamp.is_some() && stamp == self.stamp;
        if !same && self.at.is_none_or(|last| last < at) {
            (self.at, self.stamp) = (Some(at), stamp);
            let mut before = std::mem::take(&mut self.series).into_iter();
            let mut seen = std::collections::HashSet::new();
            for sample in samples {
                let labels = &text[sample.labels.clone()];
                // An exposition has its series in the same order each time.
                let own = before.next().map(|(own, _)| own).filter(|own| *own.text == *labels);
                let own = own.unwrap_or_else(|| interner.intern(labels));
                if seen.insert(Arc::clone(&own.text)) {
                    self.series.push((own, sample.value));
                } else {
                    duplicates += 1;
                }
            }
        }
        (self.values(), duplicates)
    }

    fn values(&self) -> MetricRecord {
        let Some(at) = self.at else { return MetricRecord::absent(Moment::default(), Absence::NeverScraped) };
        let values =
            self.series.iter().map(|(own, value)| SeriesValue { labels: Arc::clone(&own.labels), value: *value });
        MetricRecord::of(at, Duration::ZERO, values.collect())
    }

    pub(super) fn points(&self) -> usize {
        self.series.len()
    }
}
