use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::client::failure;
use crate::model::{Labels, QueryFailure, QueryFailureReason, QuerySample, Wall};

/// So many characters of what is no answer are told.
const EXCERPT: usize = 120;
/// So many warnings are told.
const WARNINGS: usize = 5;
/// So many characters of an error are told.
const WORDS: usize = 600;

/// What Prometheus's API answers with.
#[derive(Deserialize)]
struct Envelope<'a> {
    status: &'a str,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(rename = "errorType", default)]
    error_type: String,
    #[serde(default)]
    error: String,
    warnings: Option<Vec<String>>,
    infos: Option<Vec<String>>,
    /// `VictoriaMetrics`'s.
    #[serde(rename = "isPartial", default)]
    is_partial: bool,
}

/// What is said beside an answer.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    pub(super) warnings: Vec<String>,
    pub(super) infos: Vec<String>,
    pub(super) is_partial: bool,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType")]
    result_type: &'a str,
    #[serde(borrow)]
    result: &'a RawValue,
}

#[derive(Deserialize)]
struct Item {
    #[serde(deserialize_with = "labels")]
    metric: Labels,
    value: Option<(f64, String)>,
    histogram: Option<IgnoredAny>,
}

/// A number for an answer.
pub(super) fn generation() -> u64 {
    static GENERATION: AtomicU64 = AtomicU64::new(1);
    GENERATION.fetch_add(1, Ordering::Relaxed)
}

/// The samples of an answer to a query, and what is odd about it.
pub(super) fn read(body: &[u8], accept_partial: bool) -> Result<(Vec<QuerySample>, Vec<String>), QueryFailure> {
    let broken = |error: serde_json::Error| malformed(body, &error);
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(broken)?;
    succeeded(StatusCode::OK, envelope.status, &envelope.error_type, &envelope.error)?;
    let (warnings, infos) = (envelope.warnings.unwrap_or_default(), envelope.infos.unwrap_or_default());
    let remarks = Remarks { warnings, infos, is_partial: envelope.is_partial };
    let mut warnings = remarks.of_a_whole(accept_partial)?;
    let data = envelope.data.ok_or_else(|| failure(QueryFailureReason::Malformed, "an answer without data"))?;
    let data: Data<'_> = serde_json::from_str(data.get()).map_err(broken)?;
    let samples = match data.result_type {
        "vector" => {
            let items: Vec<Item> = serde_json::from_str(data.result.get()).map_err(broken)?;
            let histograms = items.iter().filter(|item| item.histogram.is_some()).count();
            if histograms > 0 {
                warnings.push(format!(
                    "{histograms} native histograms are passed over; histogram_quantile() makes values of them"
                ));
            }
            items.into_iter().filter_map(|item| item.value.map(|value| sample(item.metric, &value))).collect()
        }
        "scalar" => {
            let value: (f64, String) = serde_json::from_str(data.result.get()).map_err(broken)?;
            vec![sample(Labels::default(), &value)]
        }
        other => {
            let advice = match other {
                "matrix" => "rate() or max_over_time() makes a value of a range",
                _ => "a metric is a number",
            };
            let problem = format!("the query gives a {other}, not a vector; {advice}");
            return Err(failure(QueryFailureReason::Refused, problem));
        }
    };
    Ok((samples, warnings))
}

fn sample(labels: Labels, (time, value): &(f64, String)) -> QuerySample {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970; what is larger is cut off")]
    let time = Wall::from_millis((time * 1000.0).round() as i64);
    // What is no number has no value either.
    QuerySample { labels, value: value.parse().unwrap_or(f64::NAN), time }
}

/// Prometheus's own words, if these are some that say what went wrong.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> Option<QueryFailure> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).ok()?;
    (envelope.status == "error").then(|| refused(status, &envelope.error_type, &envelope.error))
}

/// Whether the API says `success`; if not, why not.
pub(super) fn succeeded(code: StatusCode, status: &str, error_type: &str, error: &str) -> Result<(), QueryFailure> {
    match status {
        "success" => Ok(()),
        "error" => Err(refused(code, error_type, error)),
        _ => Err(failure(
            QueryFailureReason::Malformed,
            "JSON, but not of Prometheus's API: its status is neither success nor error",
        )),
    }
}

fn refused(code: StatusCode, error_type: &str, error: &str) -> QueryFailure {
    let reason = match error_type {
        "timeout" => QueryFailureReason::Timeout,
        "unavailable" | "internal" | "canceled" => QueryFailureReason::Status,
        "unauthorized" | "forbidden" => QueryFailureReason::Credentials,
        "bad_data" | "execution" => QueryFailureReason::Refused,
        // VictoriaMetrics and proxies have other words, or write the status once more.
        _ => match code {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => QueryFailureReason::Credentials,
            StatusCode::TOO_MANY_REQUESTS => QueryFailureReason::Status,
            code if code.is_server_error() => QueryFailureReason::Status,
            _ => QueryFailureReason::Refused,
        },
    };
    let words: String = error.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(WORDS).collect();
    failure(reason, format!("{error_type}: {words}"))
}

impl Remarks {
    /// What is odd about an answer; an error, if it is an answer of a part of the data.
    pub(super) fn of_a_whole(self, accept_partial: bool) -> Result<Vec<String>, QueryFailure> {
        // Prometheus's remarks on a query begin so; any other warning means that something could not be read.
        let (on_query, mut lacking): (Vec<_>, Vec<_>) =
            self.warnings.into_iter().partition(|warning| warning.starts_with("PromQL "));
        if self.is_partial {
            lacking.insert(0, "it says of itself that it is partial".to_owned());
        }
        lacking.truncate(WARNINGS);
        if !lacking.is_empty() && !accept_partial {
            let lacking = lacking.join("; ");
            let problem = format!(
                "the answer is of a part of the data: {lacking}; prometheus.partialResponses: accept takes it all the same"
            );
            return Err(failure(QueryFailureReason::Partial, problem));
        }
        Ok(lacking.into_iter().chain(on_query.into_iter().chain(self.infos).take(WARNINGS)).collect())
    }
}

/// With the beginning of what came instead.
pub(super) fn malformed(body: &[u8], error: &dyn fmt::Display) -> QueryFailure {
    let text = String::from_utf8_lossy(&body[..body.len().min(EXCERPT * 4)]);
    let excerpt: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(EXCERPT).collect();
    let problem = match body.trim_ascii_start().first() {
        Some(b'{') => format!("JSON that cannot be read, or not to its end: {error}"),
        Some(_) => format!(
            "no JSON of Prometheus's API, but {excerpt:?}; is this Prometheus, and is the path of prometheus.url its prefix?"
        ),
        None => "nothing at all; is this Prometheus, and is the path of prometheus.url its prefix?".to_owned(),
    };
    failure(QueryFailureReason::Malformed, problem)
}

fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
    struct Pairs;
    impl<'de> Visitor<'de> for Pairs {
        type Value = Labels;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("labels")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
            let mut pairs: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(map.size_hint().unwrap_or(4));
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs.into_iter().collect())
        }
    }
    deserializer.deserialize_map(Pairs)
}
