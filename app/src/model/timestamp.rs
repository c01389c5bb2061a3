use std::fmt;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// The last millisecond of the year 9999, past which the written form has no room.
const LAST: i64 = 253_402_300_799_999;
const MILLIS_A_DAY: i64 = 86_400_000;

/// A moment, in whole milliseconds since the Unix epoch.
///
/// Written in UTC with exactly three fractional digits: `2016-02-18T03:22:56.637Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Timestamp {
    /// The written form, as ASCII.
    #[must_use]
    pub fn digits(self) -> [u8; 24] {
        let millis = self.0.clamp(0, LAST);
        let (days, rest) = (millis / MILLIS_A_DAY, millis % MILLIS_A_DAY);
        let (year, month, day) = date(days);
        let mut digits = *b"0000-00-00T00:00:00.000Z";
        let fields = [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, rest / 3_600_000),
            (14, 2, rest / 60_000 % 60),
            (17, 2, rest / 1_000 % 60),
            (20, 3, rest % 1_000),
        ];
        for (start, width, mut number) in fields {
            for digit in digits[start..start + width].iter_mut().rev() {
                *digit += u8::try_from(number % 10).unwrap_or_default();
                number /= 10;
            }
        }
        digits
    }
}

/// The Gregorian date of a day since the Unix epoch, reckoned in years that begin in March and in
/// cycles of 400 years, which are all alike (Howard Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`).
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (cycle, day_of_cycle) = (days / 146_097, days % 146_097);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (cycle * 400 + year_of_cycle + i64::from(month <= 2), month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits().iter().try_for_each(|digit| f.write_char(char::from(*digit)))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_calendar_is_the_one_that_everybody_uses() {
        // Every day of 500 years and then some, at a time of day that moves.
        for day in 0..200_000_u64 {
            let time = UNIX_EPOCH + Duration::from_millis(day * 86_400_000 + day * 7_919 % 86_400_000);
            let expected = humantime::format_rfc3339_millis(time).to_string();
            assert_eq!(Timestamp::from(time).to_string(), expected);
        }
    }

    #[test]
    fn three_digits_are_written_even_when_they_are_zeros() {
        let written = |millis| Timestamp::from_millis(millis).to_string();
        assert_eq!(written(1_455_765_776_637), "2016-02-18T03:22:56.637Z");
        assert_eq!(written(1_455_765_776_630), "2016-02-18T03:22:56.630Z");
        assert_eq!(written(1_455_765_776_000), "2016-02-18T03:22:56.000Z");
        assert_eq!(written(-1), "1970-01-01T00:00:00.000Z");
        assert_eq!(written(i64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
