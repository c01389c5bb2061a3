use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::client::failure;
use crate::model::{Labels, QueryFailure, QueryFailureReason, QuerySample, Wall};

/// So much of what is no answer is told.
const EXCERPT: usize = 120;
/// So many warnings are told.
const WARNINGS: usize = 5;

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
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
    /// VictoriaMetrics's.
    #[serde(rename = "isPartial", default)]
    is_partial: bool,
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
    let envelope = envelope(body)?;
    let (mut warnings, partial) = completeness(&envelope, accept_partial);
    if let Some(partial) = partial {
        return Err(partial);
    }
    let broken = |error: serde_json::Error| malformed(body, &error);
    let data = envelope.data.ok_or_else(|| failure(QueryFailureReason::Malformed, "an answer without data"))?;
    let data: Data<'_> = serde_json::from_str(data.get()).map_err(broken)?;
    let samples = match data.result_type {
        "vector" => {
            let items: Vec<Item> = serde_json::from_str(data.result.get()).map_err(broken)?;
            let histograms = items.iter().filter(|item| item.histogram.is_some()).count();
            if histograms > 0 {
                warnings.push(format!(
                    "{histograms} native histograms are passed over; histogram_quantile makes values of them"
                ));
            }
            items.into_iter().filter_map(|item| item.value.map(|value| sample(item.metric, &value))).collect()
        }
        "scalar" => {
            let value: (f64, String) = serde_json::from_str(data.result.get()).map_err(broken)?;
            vec![sample(Labels::default(), &value)]
        }
        other => {
            let problem = format!(
                "the query gives a {other}, not a vector; without the range at its end, or under rate(), it does"
            );
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
pub(super) fn refusal(body: &[u8]) -> Option<QueryFailure> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).ok()?;
    (envelope.status == "error").then(|| refused(&envelope))
}

fn envelope(body: &[u8]) -> Result<Envelope<'_>, QueryFailure> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| malformed(body, &error))?;
    match envelope.status {
        "success" => Ok(envelope),
        "error" => Err(refused(&envelope)),
        _ => Err(failure(QueryFailureReason::Malformed, "neither success nor error is its status")),
    }
}

fn refused(envelope: &Envelope<'_>) -> QueryFailure {
    let Envelope { error_type, error, .. } = envelope;
    let reason = match error_type.as_str() {
        "timeout" => QueryFailureReason::Timeout,
        "unavailable" | "internal" | "canceled" => QueryFailureReason::Status,
        "unauthorized" | "forbidden" => QueryFailureReason::Credentials,
        _ => QueryFailureReason::Refused,
    };
    failure(reason, format!("{error_type}: {}", error.chars().take(600).collect::<String>()))
}

/// What is odd, and the failure if the answer is of a part of the data.
fn completeness(envelope: &Envelope<'_>, accept_partial: bool) -> (Vec<String>, Option<QueryFailure>) {
    // Prometheus's remarks on a query begin so; any other warning means that something could not be read.
    let (remarks, others): (Vec<_>, Vec<_>) =
        envelope.warnings.iter().cloned().partition(|warning| warning.starts_with("PromQL "));
    let mut said: Vec<String> = others;
    if envelope.is_partial {
        said.insert(0, "it says of itself that it is partial".to_owned());
    }
    said.truncate(WARNINGS);
    let mut warnings: Vec<String> = remarks.into_iter().chain(envelope.infos.iter().cloned()).take(WARNINGS).collect();
    if said.is_empty() {
        return (warnings, None);
    }
    if accept_partial {
        warnings.splice(0..0, said);
        return (warnings, None);
    }
    let problem = format!(
        "the answer is of a part of the data: {}; prometheus.partialResponses: accept takes it",
        said.join("; ")
    );
    (warnings, Some(failure(QueryFailureReason::Partial, problem)))
}

/// With the beginning of what came instead.
pub(super) fn malformed(body: &[u8], error: &dyn fmt::Display) -> QueryFailure {
    let text = String::from_utf8_lossy(&body[..body.len().min(EXCERPT * 4)]);
    let excerpt: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(EXCERPT).collect();
    let problem = if body.first().is_none_or(|first| *first != b'{') {
        format!(
            "no JSON of Prometheus's API, but {excerpt:?}; is this Prometheus, and is the path of prometheus.url its prefix?"
        )
    } else {
        format!("JSON that cannot be read: {error}")
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
