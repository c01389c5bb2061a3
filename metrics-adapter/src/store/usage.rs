use std::time::Duration;

use crate::model::{Absence, Moment, Scrape, Usage};

/// A process that says it started this much later than it said before, in seconds, may have been restarted.
/// Less is the rounding of how it computes its start.
const LATER: f64 = 1.0;

/// What a process has used so far, from its own `process_*` metrics.
#[derive(Debug)]
pub(super) struct UsageHistory {
    /// What the CPU's use is taken over: two intervals.
    window: Duration,
    /// CPU seconds used so far, the oldest first.
    points: Vec<(Moment, f64)>,
    memory_bytes: Option<u64>,
    started: Option<f64>,
}

impl UsageHistory {
    pub(super) fn new(interval: Duration) -> Self {
        Self { window: interval * 2, points: Vec::new(), memory_bytes: None, started: None }
    }

    /// Takes in what one scrape says. Whether the process was started again since the last.
    ///
    /// A start that is later alone proves nothing: it is computed from the machine's clock, which may have been
    /// set. A process that has used less CPU time than before is another.
    pub(super) fn absorb(&mut self, scrape: &Scrape, at: Moment) -> bool {
        let later = scrape.process_start.zip(self.started).is_some_and(|(now, before)| now > before + LATER);
        self.started = scrape.process_start.or(self.started);
        self.memory_bytes = scrape.memory_bytes.and_then(whole);
        let cpu = scrape.cpu_seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
        let Some(cpu) = cpu else {
            self.points.clear();
            return false;
        };
        let less = self.points.last().is_some_and(|(_, before)| cpu < *before);
        if less {
            self.points.clear();
        }
        if self.points.last().is_none_or(|(last, _)| *last < at) {
            self.points.push((at, cpu));
        }
        // The oldest that is kept is the last that lies a window back, give or take half an interval.
        let old = |points: &[(Moment, f64)]| points.len() > 2 && at.since(points[1].0) + self.window / 4 >= self.window;
        while old(&self.points) {
            self.points.remove(0);
        }
        later && less
    }

    pub(super) fn current(&self) -> Result<Usage, Absence> {
        let (Some((base, before)), Some((at, after))) = (self.points.first(), self.points.last()) else {
            return Err(Absence::NoSeries);
        };
        let window = at.since(*base);
        if window.is_zero() {
            return Err(Absence::ScrapedOnce);
        }
        let memory_bytes = self.memory_bytes.ok_or(Absence::NoSeries)?;
        let cpu_nanocores = whole((after - before) / window.as_secs_f64() * 1e9).ok_or(Absence::NotFinite)?;
        Ok(Usage { cpu_nanocores, memory_bytes, swap_bytes: None, at: *at, window })
    }
}

/// The nearest whole number, if there is one.
pub(super) fn whole(value: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was just compared")]
    let whole = (0.0..9e18).contains(&value).then(|| value.round() as u64);
    whole
}
