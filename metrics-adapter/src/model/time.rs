use std::fmt;
use std::time::Duration;

/// A point on the process's monotonic clock: nanoseconds since its start, which lies some time before that of the
/// process. Rates and ages are computed from these, so that a step of the wall clock changes none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// So many nanoseconds after the clock's start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// That long after the clock's start; 584 years is the latest.
    #[must_use]
    pub fn after_start(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Nanoseconds after the clock's start.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this; none if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This long before; the start at the earliest.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(Self::after_start(span).0))
    }

    /// This long after.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(Self::after_start(span).0))
    }
}

/// A point in time as people and other machines write it: milliseconds since 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(i64);

impl Wall {
    /// So many milliseconds since 1970.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, as Kubernetes writes times.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Reads RFC 3339, as `2026-01-01T00:00:00Z`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed: Result<jiff::Timestamp, _> = text.parse();
        parsed
            .map(|timestamp| Self(timestamp.as_millisecond()))
            .map_err(|_| format!("`{text}` is not a time; write it as 2026-01-01T00:00:00Z"))
    }
}

/// RFC 3339 in whole seconds, as `2026-01-01T00:00:00Z`.
impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.seconds()) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            // Later than the year 9999 or earlier than the year -9999.
            Err(_) => f.write_str("0001-01-01T00:00:00Z"),
        }
    }
}

/// What both clocks show at one instant. Everything that computes with time is given one of these.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The monotonic clock.
    pub moment: Moment,
    /// The wall clock.
    pub wall: Wall,
}

impl Now {
    /// When the moment was, or will be, by the wall clock of now.
    #[must_use]
    pub fn wall_of(&self, moment: Moment) -> Wall {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let distance = millis(self.moment.since(moment)).saturating_sub(millis(moment.since(self.moment)));
        Wall(self.wall.0.saturating_sub(distance))
    }

    /// The moment at which the wall clock of now showed, or will show, that time.
    #[must_use]
    pub fn moment_of(&self, wall: Wall) -> Moment {
        let ago = self.wall.0.saturating_sub(wall.0);
        let span = Duration::from_millis(ago.unsigned_abs());
        if ago >= 0 { self.moment.before(span) } else { self.moment.after(span) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { moment: Moment::from_nanos(100_000_000_000), wall: Wall::from_millis(1_767_225_600_500) };

    #[test]
    fn a_moment_is_shown_by_the_wall_clock_of_now() {
        assert_eq!(NOW.wall_of(NOW.moment).to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(NOW.wall_of(NOW.moment.before(Duration::from_secs(1))).to_string(), "2025-12-31T23:59:59Z");
        assert_eq!(NOW.wall_of(NOW.moment.after(Duration::from_secs(61))).to_string(), "2026-01-01T00:01:01Z");
    }

    #[test]
    fn a_time_of_the_wall_clock_is_a_moment() {
        for seconds in [-5_000, 0, 7_000] {
            let wall = Wall::from_millis(NOW.wall.millis() + seconds);
            assert_eq!(NOW.wall_of(NOW.moment_of(wall)), wall);
        }
        assert_eq!(NOW.moment_of(Wall::from_millis(i64::MIN)), Moment::default(), "not before the start");
    }

    #[test]
    fn times_are_read_as_rfc_3339_with_any_offset() {
        assert_eq!(Wall::parse("2026-01-01T01:00:00+01:00").unwrap().to_string(), "2026-01-01T00:00:00Z");
        assert!(Wall::parse("yesterday").unwrap_err().contains("write it as 2026-01-01T00:00:00Z"));
    }
}
