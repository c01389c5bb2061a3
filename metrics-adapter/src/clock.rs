//! The only place that reads the clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::{Moment, Now, Wall};

/// What the monotonic clock shows when it is started. A sample can say that it was taken before that, and must be
/// as old as it says: older than anything is kept.
const HEAD_START: Duration = Duration::from_hours(48);

/// The process's clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose moments count from now.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// What the clocks show.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
        };
        Now { moment: self.moment(), wall: Wall::from_millis(wall) }
    }

    /// The monotonic one alone.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment::after_start(HEAD_START + self.origin.elapsed())
    }

    /// The runtime's timer at a moment.
    #[must_use]
    pub fn instant_of(&self, moment: Moment) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + moment.since(Moment::after_start(HEAD_START)))
    }
}
