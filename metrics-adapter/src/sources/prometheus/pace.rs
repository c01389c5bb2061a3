//! How often a question is asked: what is expensive more seldom, and yet before its last answer is stale.

use std::time::Duration;

/// A question takes at most this part of the time, where its answers are good for long enough.
pub(super) const SHARE: u32 = 20;
/// The quickest of so many answers counts: that one was slow, as of a cache that was cold, says nothing of the next.
const LOOKS_BACK: usize = 3;

/// How long the last answers took.
#[derive(Debug, Default)]
pub(super) struct Pace {
    took: [Option<Duration>; LOOKS_BACK],
    next: usize,
}

impl Pace {
    /// How long it is from an answer that took so long to the next.
    pub(super) fn after(&mut self, took: Duration, interval: Duration, stale_after: Duration) -> Duration {
        self.took[self.next] = Some(took);
        self.next = (self.next + 1) % LOOKS_BACK;
        let usual = self.took.iter().flatten().min().copied().unwrap_or(took);
        interval.max(usual.saturating_mul(SHARE)).min(longest(interval, stale_after))
    }
}

/// The longest pause after which an answer may still be late without the one before having become stale.
pub(super) fn longest(interval: Duration, stale_after: Duration) -> Duration {
    interval.max(stale_after / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);
    const STALE_AFTER: Duration = Duration::from_mins(4);

    #[test]
    fn one_slow_answer_sets_no_pace_and_lasting_slowness_one_that_answers_outlive() {
        let mut pace = Pace::default();
        let mut after = |millis: u64| pace.after(Duration::from_millis(millis), INTERVAL, STALE_AFTER);
        assert_eq!(after(10), INTERVAL);
        assert_eq!(after(9_000), INTERVAL, "an outlier");
        assert_eq!(after(10), INTERVAL);
        assert_eq!(after(1_000), INTERVAL);
        assert_eq!(after(1_000), INTERVAL);
        assert_eq!(after(1_000), Duration::from_secs(20), "it is slow");
        assert_eq!(after(9_000), Duration::from_secs(20));
        assert_eq!(after(9_000), Duration::from_secs(20));
        assert_eq!(after(9_000), STALE_AFTER / 2, "and not more seldom than its answers allow");
        assert_eq!(after(10), INTERVAL);
    }
}
