//! external.metrics.k8s.io: metrics of no object, which Prometheus has.

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
use crate::lookup::{External, ExternalValue};

const API_VERSION: &str = "external.metrics.k8s.io/v1beta1";

/// `…/namespaces/{namespace}/{metric}`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let format = Format::of_values(&headers)?;
    // The metric's selector comes under the name that objects' selectors have elsewhere.
    let Query { labels: series, .. } = Query::parse(uri.query())?;
    let Path((namespace, metric)) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    let external = External { namespace, metric, series };
    let mut instant = api.facts.now();
    let served = external.served(&api.facts, &instant).await?;
    instant.now = api.facts.clock.now();
    let values = external.values(&served, &instant)?;
    let list = List { metric: &external.metric, values };
    let bytes = match format {
        Format::Protobuf => list.protobuf(),
        _ => list.json(),
    };
    let mut body = Body::new(bytes, format);
    body.oldest = list.values.iter().map(|value| value.at).min();
    Ok(body.respond(&headers, &uri, &instant.now))
}

/// An `ExternalMetricValueList`.
struct List<'a> {
    metric: &'a str,
    values: Vec<ExternalValue<'a>>,
}

impl List<'_> {
    fn json(&self) -> Vec<u8> {
        let mut times = Times::default();
        let mut json = Json::with_capacity(128 + self.values.len() * 256);
        json.type_meta("ExternalMetricValueList", API_VERSION).raw("\"metadata\":{},\"items\":");
        json.list('[', ']', self.values.iter(), |json, value| {
            json.raw("{\"metricName\":").string(self.metric).raw(",\"metricLabels\":").labels(value.labels);
            json.raw(",\"timestamp\":\"").raw(times.text(value.time)).raw("\",\"window\":").plain(value.window_seconds);
            json.raw(",\"value\":\"").plain(value.quantity).raw("\"}");
        });
        json.raw("}");
        json.0
    }

    fn protobuf(&self) -> Vec<u8> {
        let mut list = Message::with_capacity(64 + self.values.len() * 160);
        list.list_meta(1);
        for value in &self.values {
            list.nested(2, |item| {
                item.string(1, self.metric);
                item.labels(2, value.labels);
                item.time(3, value.time);
                item.varint(4, value.window_seconds);
                item.quantity(5, value.quantity);
            });
        }
        list.enveloped(API_VERSION, "ExternalMetricValueList")
    }
}
