use std::collections::HashMap;
use std::time::Duration;

use hyper::StatusCode;
use metrics_adapter::model::Wall;
use metrics_adapter::model::quantity::Quantity;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::autoscaler::{Api, Measured, Pod, PodReadings, Reading, Sample, Unmeasured};

/// The window of a custom metric that names none, as the controller has it.
const DEFAULT_WINDOW: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MetricValue {
    described_object: Described,
    timestamp: String,
    window_seconds: Option<u64>,
    value: String,
}

#[derive(Deserialize)]
struct Described {
    name: String,
}

#[derive(Deserialize)]
struct ExternalValue {
    value: String,
}

#[derive(Deserialize)]
struct PodMetrics {
    metadata: Metadata,
    timestamp: String,
    window: String,
    containers: Vec<ContainerMetrics>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: String,
}

#[derive(Deserialize)]
struct ContainerMetrics {
    name: String,
    usage: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Status {
    message: String,
}

/// The message of an error's `Status`; the status line's reason if the body is none.
pub(super) fn message(status: StatusCode, body: &[u8]) -> String {
    serde_json::from_slice::<Status>(body).map_or_else(|_| status.to_string(), |status| status.message)
}

fn items<T: DeserializeOwned>(api: Api, body: &[u8]) -> Result<Vec<T>, Unmeasured> {
    let list: List<T> = serde_json::from_slice(body).map_err(|error| unreadable(api, &error.to_string()))?;
    if list.items.is_empty() { Err(Unmeasured::Empty(api)) } else { Ok(list.items) }
}

fn unreadable(api: Api, problem: &str) -> Unmeasured {
    Unmeasured::Fetch { api, cause: format!("the answer makes no sense: {problem}") }
}

fn milli(api: Api, text: &str) -> Result<i64, Unmeasured> {
    Quantity::parse(text).map(Quantity::milli).map_err(|error| unreadable(api, &error.to_string()))
}

fn wall(api: Api, text: &str) -> Result<Wall, Unmeasured> {
    Wall::parse(text).map_err(|error| unreadable(api, &error))
}

/// Each value to its pod; those of nobody are strangers.
fn assign(pods: &[Pod], values: Vec<(String, Sample)>) -> PodReadings {
    let mut by_name: HashMap<String, Sample> = values.into_iter().collect();
    let of = pods.iter().map(|pod| by_name.remove(&*pod.name)).collect();
    PodReadings { of, strangers: by_name.into_values().map(|sample| sample.milli).collect() }
}

/// `MetricValueList` of pods.
pub(super) fn of_pods(body: &[u8], pods: &[Pod]) -> Measured {
    let items: Vec<MetricValue> = items(Api::Custom, body)?;
    let values = items.into_iter().map(|item| {
        let sample = Sample {
            milli: milli(Api::Custom, &item.value)?,
            at: wall(Api::Custom, &item.timestamp)?,
            window: item.window_seconds.map_or(DEFAULT_WINDOW, Duration::from_secs),
        };
        Ok((item.described_object.name, sample))
    });
    Ok(Reading::Pods(assign(pods, values.collect::<Result<_, _>>()?)))
}

/// `MetricValueList` of one object.
pub(super) fn of_object(body: &[u8]) -> Measured {
    let list: List<MetricValue> =
        serde_json::from_slice(body).map_err(|error| unreadable(Api::Custom, &error.to_string()))?;
    match list.items.as_slice() {
        [item] => Ok(Reading::Totals(vec![milli(Api::Custom, &item.value)?])),
        items => {
            let count = items.len();
            let cause = format!("the custom metrics API server returned {count} results when we asked for exactly one");
            Err(Unmeasured::Fetch { api: Api::Custom, cause })
        }
    }
}

/// `ExternalMetricValueList`
pub(super) fn external(body: &[u8]) -> Measured {
    let items: Vec<ExternalValue> = items(Api::External, body)?;
    let values = items.iter().map(|item| milli(Api::External, &item.value));
    Ok(Reading::Totals(values.collect::<Result<_, _>>()?))
}

/// `PodMetricsList`: a pod whose containers do not all have the resource has no value.
pub(super) fn usage(body: &[u8], resource: &str, container: Option<&str>, pods: &[Pod]) -> Measured {
    let api = Api::Resource;
    let items: Vec<PodMetrics> = items(api, body)?;
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        let wanted = |own: &&ContainerMetrics| container.is_none_or(|name| own.name == name);
        let containers: Vec<&ContainerMetrics> = item.containers.iter().filter(wanted).collect();
        if let Some(container) = container
            && containers.is_empty()
        {
            let pod = format!("{}/{}", item.metadata.namespace, item.metadata.name);
            return Err(Unmeasured::Container { container: container.to_owned(), pod });
        }
        let mut sum = Some(0_i64).filter(|_| !containers.is_empty());
        for own in containers {
            sum = match (sum, own.usage.get(resource)) {
                (Some(sum), Some(value)) => Some(sum.saturating_add(milli(api, value)?)),
                _ => None,
            };
        }
        let Some(milli) = sum else { continue };
        let window = window(&item.window).ok_or_else(|| unreadable(api, &format!("window `{}`", item.window)))?;
        values.push((item.metadata.name, Sample { milli, at: wall(api, &item.timestamp)?, window }));
    }
    Ok(Reading::Pods(assign(pods, values)))
}

/// A Go duration, as `15.1s`, `1m30s` or `500ms`.
fn window(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        sum += Duration::try_from_secs_f64(number * unit).ok()?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::autoscaler::Phase;

    fn pods() -> Vec<Pod> {
        ["web-0", "web-1"]
            .map(|name| Pod {
                name: name.into(),
                phase: Phase::Running,
                deleted: false,
                started: None,
                readiness: None,
                containers: Arc::new([]),
            })
            .into()
    }

    #[test]
    fn a_window_is_a_duration_of_go() {
        assert_eq!(window("15.1s"), Some(Duration::from_millis(15_100)));
        assert_eq!(window("1m0.5s"), Some(Duration::from_millis(60_500)));
        assert_eq!(window("500ms"), Some(Duration::from_millis(500)));
        assert_eq!((window(""), window("15"), window("15x")), (None, None, None));
    }

    #[test]
    fn a_pod_counts_with_all_of_its_containers_or_not_at_all() {
        let body = br#"{"items":[
            {"metadata":{"name":"web-1","namespace":"shop"},"timestamp":"2026-01-01T00:00:00Z","window":"10s",
             "containers":[{"name":"a","usage":{"cpu":"1500001n"}},{"name":"b","usage":{"cpu":"3m"}}]},
            {"metadata":{"name":"web-0","namespace":"shop"},"timestamp":"2026-01-01T00:00:00Z","window":"10s",
             "containers":[{"name":"a","usage":{"cpu":"1m"}},{"name":"b","usage":{"memory":"3"}}]},
            {"metadata":{"name":"gone","namespace":"shop"},"timestamp":"2026-01-01T00:00:00Z","window":"10s",
             "containers":[{"name":"a","usage":{"cpu":"7m"}}]}]}"#;
        let Ok(Reading::Pods(readings)) = usage(body, "cpu", None, &pods()) else { panic!() };
        assert_eq!(readings.of[0], None);
        assert_eq!(readings.of[1].unwrap().milli, 5, "each container is rounded up to thousandths");
        assert_eq!(readings.strangers, [7]);
        let error = usage(body, "cpu", Some("b"), &pods()).unwrap_err().to_string();
        assert_eq!(error, "failed to get container metrics: container b not present in metrics for pod shop/gone");
        assert_eq!(
            usage(b"{\"items\":[]}", "cpu", None, &[]).unwrap_err().to_string(),
            "no metrics returned from resource metrics API"
        );
    }
}
