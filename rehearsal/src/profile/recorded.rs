use std::time::Duration;

use metrics_adapter::model::Wall;

use super::parse::{LONGEST, rate};
use super::{Profile, Segment, Shape};

/// Reads lines of time and rate; a first line that is no such pair is a header. The time is seconds, since whenever, or
/// RFC 3339. Each rate holds until the next line, and the last as long as the one before.
pub(super) fn read(text: &str, label: &str) -> Result<Profile, String> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (number, record) in reader.records().enumerate() {
        let record = record.map_err(|error| format!("is no CSV: {error}"))?;
        let at = |problem: String| format!("line {}: {problem}", line_of(text, &record));
        let [time, value] = [record.get(0), record.get(1)].map(Option::unwrap_or_default);
        if record.len() != 2 {
            return Err(at(format!("{} columns; two are expected, time and requests a second", record.len())));
        }
        let seconds = match moment(time) {
            Some(seconds) => seconds,
            None if number == 0 => continue,
            None => return Err(at(format!("`{time}` is neither seconds nor a time as 2026-01-01T00:00:00Z"))),
        };
        let rate = rate(value).map_err(at)?;
        if let Some((before, _)) = points.last().filter(|(before, _)| *before >= seconds) {
            return Err(at(format!("`{time}` is not after the line before, which is at {before} s")));
        }
        let (first, before) = (points.first().map_or(seconds, |(first, _)| *first), points.last());
        if seconds - first > LONGEST.as_secs_f64() {
            return Err(at(format!("`{time}` is more than a year after the first line, which is at {first} s")));
        }
        if before.is_some_and(|(before, _)| seconds - before < 1e-3) {
            return Err(at(format!("`{time}` is less than a millisecond after the line before")));
        }
        points.push((seconds, rate));
    }
    if points.len() < 2 {
        return Err(format!("{} lines of time and rate; a load needs two at least", points.len()));
    }
    let mut last = Duration::ZERO;
    let gaps = points.iter().zip(points.iter().skip(1).map(Some).chain([None]));
    let segments = gaps.map(|((start, rate), next)| {
        let length = next.map_or(last, |(end, _)| Duration::from_secs_f64(end - start));
        last = length;
        Segment { shape: Shape::Hold(*rate), length }
    });
    Ok(Profile::of(label, segments.collect::<Vec<_>>()))
}

/// The line a record stands in; the reader's own count is that before the empty lines.
fn line_of(text: &str, record: &csv::StringRecord) -> usize {
    let start = record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or_default();
    let rest = text.get(start..).unwrap_or_default();
    let end = text.len() - rest.trim_start_matches(['\r', '\n']).len();
    1 + text.as_bytes().iter().take(end).filter(|byte| **byte == b'\n').count()
}

/// Seconds since whenever; a spreadsheet's or Prometheus' own.
fn moment(text: &str) -> Option<f64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.abs() < 1e11).then_some(seconds);
    }
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 have less than 53 bits")]
    Wall::parse(text).ok().map(|wall| wall.millis() as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_and_jq_write_is_read() {
        let profile = read("1795345200,\"12.5\"\n1795345260,\"50\"\n1795345320,\"0\"\n", "x").unwrap();
        assert_eq!(profile.length(), Duration::from_mins(3));
        assert_eq!(profile.rate(Duration::from_secs(59)), Some(12.5));
        assert_eq!(profile.rate(Duration::from_mins(1)), Some(50.0));
        assert_eq!(profile.rate(Duration::from_secs(170)), Some(0.0));
    }

    #[test]
    fn a_header_and_written_times_are_read() {
        let profile = read("time,rate\n2026-01-01T00:00:00Z, 5\n2026-01-01T00:01:00Z, 6\n", "x").unwrap();
        assert_eq!(profile.steps(), [(Duration::ZERO, 5.0), (Duration::from_mins(1), 6.0)]);
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_line() {
        for (text, expected) in [
            ("", "0 lines of time and rate; a load needs two at least"),
            ("0,1\n", "1 lines of time and rate; a load needs two at least"),
            ("time,rate\n0,1\n1,x\n", "line 3: `x` is not a number of requests a second"),
            ("0,1\nsoon,1\n", "line 2: `soon` is neither seconds nor a time as 2026-01-01T00:00:00Z"),
            ("0,1\n0,2\n", "line 2: `0` is not after the line before, which is at 0 s"),
            ("0,1\n1,-2\n", "line 2: `-2` requests a second: a rate is between 0 and 1000000"),
            ("0,1,2\n", "line 1: 3 columns; two are expected, time and requests a second"),
            ("0,1\n\n2;3\n", "line 3: 1 columns; two are expected, time and requests a second"),
            ("0,1\n1795345200,2\n", "line 2: `1795345200` is more than a year after the first line, which is at 0 s"),
            ("0,1\n0.0000001,2\n", "line 2: `0.0000001` is less than a millisecond after the line before"),
            ("0,1\n1,NaN\n", "line 2: `NaN` requests a second: a rate is between 0 and 1000000"),
        ] {
            assert_eq!(read(text, "x").unwrap_err(), expected, "{text:?}");
        }
    }
}
