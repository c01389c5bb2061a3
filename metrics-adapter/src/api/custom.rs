//! custom.metrics.k8s.io: a metric of pods, or of what groups them.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::Api;
use super::answer::Body;
use super::failure::Failure;
use super::json::{Json, Times};
use super::negotiate::Format;
use super::protobuf::Message;
use super::selection::Query;
use crate::lookup::{Instant, Served, Value, Wanted};

/// The versions of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1beta1,
    V1beta2,
}

impl Version {
    fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "v1beta1" => Ok(Self::V1beta1),
            "v1beta2" => Ok(Self::V1beta2),
            _ => Err(Failure::no_such_path()),
        }
    }

    fn api_version(self) -> &'static str {
        match self {
            Self::V1beta1 => "custom.metrics.k8s.io/v1beta1",
            Self::V1beta2 => "custom.metrics.k8s.io/v1beta2",
        }
    }
}

/// What is asked about, and in which version.
struct Question {
    version: Version,
    wanted: Wanted,
}

type Parameters<T> = Result<Path<T>, PathRejection>;

fn parameters<T>(path: Parameters<T>) -> Result<T, Failure> {
    path.map(|Path(parameters)| parameters).map_err(|error| Failure::bad_request(error.body_text()))
}

/// `…/namespaces/{namespace}/{resource}/{name}/{metric}`
pub(super) async fn of_object(
    State(api): State<Arc<Api>>,
    path: Parameters<(String, String, String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (version, namespace, resource, name, metric) = parameters(path)?;
    answer(&api, &version, (resource, Some(namespace), name, metric), &uri, &headers).await
}

/// `…/namespaces/{namespace}/metrics/{metric}`: of the namespace itself.
pub(super) async fn of_namespace(
    State(api): State<Arc<Api>>,
    path: Parameters<(String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (version, name, metric) = parameters(path)?;
    answer(&api, &version, ("namespaces".to_owned(), None, name, metric), &uri, &headers).await
}

/// `…/{resource}/{name}/{metric}`: of what is in no namespace, or of all namespaces.
pub(super) async fn of_root_object(
    State(api): State<Arc<Api>>,
    path: Parameters<(String, String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (version, resource, name, metric) = parameters(path)?;
    answer(&api, &version, (resource, None, name, metric), &uri, &headers).await
}

/// A resource, a namespace, a name and a metric.
type Of = (String, Option<String>, String, String);

async fn answer(
    api: &Api,
    version: &str,
    (resource, namespace, name, metric): Of,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let version = Version::parse(version)?;
    let format = Format::of_values(headers)?;
    let instant = api.facts.now();
    let asked = uri.path_and_query().map_or("", |asked| asked.as_str());
    if let Some(body) = api.cache.get(asked, format, &instant) {
        return Ok(body.respond(headers, uri, &instant.now));
    }
    let Query { labels, metric_labels, .. } = Query::parse(uri.query())?;
    let many = name == "*";
    let wanted = Wanted { resource, namespace, name, metric, labels, series: metric_labels };
    let served = wanted.served(&api.facts, &instant).await?;
    // Prometheus may have answered meanwhile.
    let now = api.facts.clock.now();
    let instant = Instant { now, ..instant };
    let question = Question { version, wanted };
    let values = question.wanted.values(&served, &instant)?;
    let list = List { question: &question, values };
    let mut body = Body::new(list.encode(format), format);
    body.oldest = list.values.iter().map(|value| value.at).min();
    let stale_after = match &served {
        Served::Scraped(_) => instant.snapshot.config.scrape.stale_after,
        Served::Asked(metric) => metric.state.stale_after,
    };
    body.good_until = body.oldest.map(|oldest| oldest.after(stale_after));
    let body = Arc::new(body);
    match &served {
        Served::Scraped(_) if many => api.cache.put(asked, format, &instant, &body),
        Served::Asked(metric) => api.cache.put_asked(asked, format, &instant, metric, &body),
        Served::Scraped(_) => {}
    }
    Ok(body.respond(headers, uri, &instant.now))
}

/// A `MetricValueList`.
struct List<'a> {
    question: &'a Question,
    values: Vec<Value<'a>>,
}

impl List<'_> {
    fn encode(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Protobuf => self.protobuf(),
            _ => self.json(),
        }
    }

    fn json(&self) -> Vec<u8> {
        let Question { version, wanted: Wanted { metric, series, .. } } = self.question;
        // What is the same in each item is put together once.
        let mut name = Json::default();
        match version {
            Version::V1beta1 => name.raw(",\"metricName\":").string(metric),
            Version::V1beta2 => {
                name.raw(",\"metric\":{\"name\":").string(metric).raw(",\"selector\":");
                name.selector(series).raw("}")
            }
        };
        name.raw(",\"timestamp\":\"");
        let mut last = Json::default();
        if *version == Version::V1beta1 {
            last.raw(",\"selector\":").selector(series);
        }
        let window = if *version == Version::V1beta1 { "\",\"window\":" } else { "\",\"windowSeconds\":" };
        let mut times = Times::default();
        let mut json = Json::with_capacity(128 + self.values.len() * 256);
        json.type_meta("MetricValueList", version.api_version()).raw("\"metadata\":{},\"items\":");
        json.list('[', ']', self.values.iter(), |json, value| {
            json.raw("{\"describedObject\":").reference(&value.object);
            json.0.extend_from_slice(&name.0);
            json.raw(times.text(value.time)).raw(window).plain(value.window_seconds);
            json.raw(",\"value\":\"").plain(value.quantity).raw("\"");
            json.0.extend_from_slice(&last.0);
            json.raw("}");
        });
        json.raw("}");
        json.0
    }

    fn protobuf(&self) -> Vec<u8> {
        let Question { version, wanted: Wanted { metric, series, .. } } = self.question;
        let mut list = Message::with_capacity(64 + self.values.len() * 160);
        list.list_meta(1);
        for value in &self.values {
            list.nested(2, |item| {
                item.reference(1, &value.object);
                match version {
                    Version::V1beta1 => item.string(2, metric),
                    Version::V1beta2 => item.nested(2, |identifier| {
                        identifier.string(1, metric);
                        identifier.selector(2, series);
                    }),
                }
                item.time(3, value.time);
                item.varint(4, value.window_seconds);
                item.quantity(5, value.quantity);
                if *version == Version::V1beta1 {
                    item.selector(6, series);
                }
            });
        }
        list.enveloped(version.api_version(), "MetricValueList")
    }
}
