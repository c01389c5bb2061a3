//! external.metrics.k8s.io: metrics of no object. Nothing that is scraped from pods is one; the group, its
//! discovery and its answers are here for clients that ask.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, Uri};

use super::failure::Failure;
use super::negotiate::Format;
use super::selection::Query;

/// `…/namespaces/{namespace}/{metric}`
pub(super) async fn list(path: Result<Path<(String, String)>, PathRejection>, uri: Uri, headers: HeaderMap) -> Failure {
    let refused = Format::of_values(&headers).err().or_else(|| Query::parse(uri.query()).err());
    match (refused, path) {
        (Some(failure), _) => failure,
        (None, Err(error)) => Failure::bad_request(error.body_text()),
        (None, Ok(Path((_, metric)))) => Failure::not_found(format!(
            "the server could not find the metric {metric} for external metrics: none is configured"
        )),
    }
}
