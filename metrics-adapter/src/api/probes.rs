use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Api;
use crate::health::{Health, Probe};

const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// What a probe is answered, on either listener.
#[must_use]
pub fn probe_answer(health: &Health, probe: Probe, query: Option<&str>) -> Response {
    let finding = health.probe(probe);
    let status = if finding.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let parts = query.unwrap_or_default().split('&');
    let verbose = parts.into_iter().any(|part| part == "verbose" || part.starts_with("verbose="));
    (status, HEADERS, finding.text(probe, verbose)).into_response()
}

pub(super) async fn healthz(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Response {
    probe_answer(&api.health, Probe::Live("healthz"), query.as_deref())
}

pub(super) async fn livez(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Response {
    probe_answer(&api.health, Probe::Live("livez"), query.as_deref())
}

pub(super) async fn readyz(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Response {
    probe_answer(&api.health, Probe::Ready, query.as_deref())
}
