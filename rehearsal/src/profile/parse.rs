use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::recorded;
use super::{Profile, Segment, Shape};

/// More is not load but an attack; and a number that large is a slip.
const FASTEST: f64 = 1_000_000.0;
/// The longest time that anything is given.
pub(super) const LONGEST: Duration = Duration::from_hours(24 * 366);

const FORMS: &str = "steps:20@100s,140@5m  ramp:20..480@10m  sine:20..480@1h  spike:20..480@2m  FILE.csv";

/// A load profile that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The description is wrong.
    #[error("load `{text}`: {problem}")]
    Description {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The file is wrong, or cannot be read.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// With the line.
        problem: String,
    },
}

/// Reads `steps:RATE@TIME,…`, `ramp:FROM..TO@TIME`, `sine:LOW..HIGH@PERIOD`, `spike:BASE..PEAK@TIME`, or the name of a
/// CSV file.
impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let text = text.trim();
        let wrong = |problem: String| ProfileError::Description { text: text.to_owned(), problem };
        let Some((shape, rest)) = text.split_once(':') else {
            let path = PathBuf::from(text);
            if text.is_empty() || (path.extension().is_none() && !path.exists()) {
                return Err(wrong(format!("is neither a load nor a file; a load is one of {FORMS}")));
            }
            let problem = |problem: String| ProfileError::File { path: path.clone(), problem };
            let content = std::fs::read_to_string(&path).map_err(|error| problem(error.to_string()))?;
            return recorded::read(&content, text).map_err(problem);
        };
        let segments = match shape {
            "steps" => rest.split(',').map(step).collect::<Result<Vec<_>, _>>().map_err(wrong)?,
            "ramp" => {
                let (from, to, length) = between(rest).map_err(wrong)?;
                vec![Segment { shape: Shape::Ramp { from, to }, length }]
            }
            "sine" => {
                let (low, high, period) = between(rest).map_err(wrong)?;
                vec![Segment { shape: Shape::Sine { low, high, period }, length: period }]
            }
            "spike" => {
                let (base, peak, length) = between(rest).map_err(wrong)?;
                [base, peak, base].map(|rate| Segment { shape: Shape::Hold(rate), length }).into()
            }
            other => return Err(wrong(format!("`{other}` is no shape; a load is one of {FORMS}"))),
        };
        Ok(Self::of(text, segments))
    }
}

fn step(part: &str) -> Result<Segment, String> {
    let (at, length) = part.split_once('@').ok_or_else(|| format!("`{part}` is not of the form 140@30s"))?;
    Ok(Segment { shape: Shape::Hold(rate(at)?), length: time(length)? })
}

fn between(text: &str) -> Result<(f64, f64, Duration), String> {
    let form = || format!("`{text}` is not of the form 20..480@10m");
    let (rates, length) = text.split_once('@').ok_or_else(form)?;
    let (from, to) = rates.split_once("..").ok_or_else(form)?;
    Ok((rate(from)?, rate(to)?, time(length)?))
}

/// Requests a second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let rate: f64 = text.parse().map_err(|_| format!("`{text}` is not a number of requests a second"))?;
    if (0.0..=FASTEST).contains(&rate) {
        Ok(rate)
    } else {
        Err(format!("`{text}` requests a second: a rate is between 0 and {FASTEST}"))
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let time = humantime::parse_duration(text).map_err(|_| format!("`{text}` is not a time; write 30s, 5m or 1h"))?;
    if time < Duration::from_millis(1) || time > LONGEST {
        return Err(format!("`{text}`: a time is between 1ms and a year"));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_write() {
        for (text, expected) in [
            ("", "load ``: is neither a load nor a file; a load is one of steps:20@100s,140@5m"),
            ("flat", "load `flat`: is neither a load nor a file"),
            ("flat:20@1m", "load `flat:20@1m`: `flat` is no shape; a load is one of steps:"),
            ("steps:20", "load `steps:20`: `20` is not of the form 140@30s"),
            ("steps:20@10", "load `steps:20@10`: `10` is not a time; write 30s, 5m or 1h"),
            ("steps:20@0s", "load `steps:20@0s`: `0s`: a time is between 1ms and a year"),
            ("steps:x@10s", "load `steps:x@10s`: `x` is not a number of requests a second"),
            ("steps:-1@10s", "load `steps:-1@10s`: `-1` requests a second: a rate is between 0 and 1000000"),
            ("steps:NaN@10s", "load `steps:NaN@10s`: `NaN` requests a second: a rate is between 0 and 1000000"),
            ("ramp:20@10s", "load `ramp:20@10s`: `20@10s` is not of the form 20..480@10m"),
            ("missing.csv", "missing.csv: No such file or directory"),
        ] {
            let error = text.parse::<Profile>().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
