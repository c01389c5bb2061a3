//! The OpenAPI documents: small, and enough for `kubectl explain podmetrics`.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::Api;
use super::answer::document;
use super::discovery::entity_tag;
use super::failure::Failure;

const JSON: &str = "application/json";
const V2: &str = include_str!("openapi/v2.json");
/// By path.
const V3: [(&str, &str); 4] = [
    ("apis/custom.metrics.k8s.io/v1beta1", include_str!("openapi/custom.metrics.k8s.io.v1beta1.json")),
    ("apis/custom.metrics.k8s.io/v1beta2", include_str!("openapi/custom.metrics.k8s.io.v1beta2.json")),
    ("apis/external.metrics.k8s.io/v1beta1", include_str!("openapi/external.metrics.k8s.io.v1beta1.json")),
    ("apis/metrics.k8s.io/v1beta1", include_str!("openapi/metrics.k8s.io.v1beta1.json")),
];

/// The group of pods' and nodes' usage, which somebody else may serve.
const USAGE: &str = "apis/metrics.k8s.io/";

/// The documents of what is served.
fn served(api: &Api) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let resource_metrics = api.resource_metrics;
    V3.iter().filter(move |(path, _)| resource_metrics || !path.starts_with(USAGE))
}

/// `/openapi/v2`
pub(super) async fn v2(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    document(&headers, v2_of(&api).into_bytes(), JSON)
}

fn v2_of(api: &Api) -> String {
    if api.resource_metrics {
        return V2.to_owned();
    }
    let mut all: Value = serde_json::from_str(V2).unwrap_or_default();
    if let Some(paths) = all["paths"].as_object_mut() {
        paths.retain(|path, _| !path.trim_start_matches('/').starts_with(USAGE));
    }
    all.to_string()
}

/// `/openapi/v3`: where the documents are. The hash changes with the document, so that each is asked for once.
pub(super) async fn v3_index(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let paths: Map<_, _> = served(&api)
        .map(|(path, text)| {
            let hash = entity_tag(text.as_bytes());
            let url = format!("/openapi/v3/{path}?hash={}", hash.trim_matches('"'));
            ((*path).to_owned(), json!({"serverRelativeURL": url}))
        })
        .collect();
    document(&headers, json!({"paths": paths}).to_string().into_bytes(), JSON)
}

/// `/openapi/v3/{path}`
pub(super) async fn v3(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Ok(Path(path)) = path else { return Err(Failure::no_such_path()) };
    let (_, text) = served(&api).find(|(own, _)| *own == path).ok_or_else(Failure::no_such_path)?;
    Ok(document(&headers, text.as_bytes().to_vec(), JSON))
}
