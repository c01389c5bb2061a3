//! The OpenAPI documents: static, small, and enough for `kubectl explain podmetrics`.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Map, json};

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

/// `/openapi/v2`
pub(super) async fn v2(headers: HeaderMap) -> Response {
    document(&headers, V2.as_bytes().to_vec(), JSON)
}

/// `/openapi/v3`: where the documents are. The hash changes with the document, so that each is asked for once.
pub(super) async fn v3_index(headers: HeaderMap) -> Response {
    let paths: Map<_, _> = V3
        .iter()
        .map(|(path, text)| {
            let hash = entity_tag(text.as_bytes());
            let url = format!("/openapi/v3/{path}?hash={}", hash.trim_matches('"'));
            ((*path).to_owned(), json!({"serverRelativeURL": url}))
        })
        .collect();
    document(&headers, json!({"paths": paths}).to_string().into_bytes(), JSON)
}

/// `/openapi/v3/{path}`
pub(super) async fn v3(path: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Result<Response, Failure> {
    let Ok(Path(path)) = path else { return Err(Failure::no_such_path()) };
    let (_, text) = V3.iter().find(|(own, _)| *own == path).ok_or_else(Failure::no_such_path)?;
    Ok(document(&headers, text.as_bytes().to_vec(), JSON))
}
