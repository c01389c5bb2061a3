use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tracing::debug;

use super::Api;
use super::failure::Failure;
use crate::auth::{Gate, Peer, Refusal};

/// Answers nobody who may not be answered.
pub(super) async fn guard(
    State((gate, api)): State<(Arc<Gate>, Arc<Api>)>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let peer = request.extensions().get::<Arc<Peer>>().map(Arc::as_ref);
    let named = |resource: &str| api.facts.named(resource);
    match gate.admit(peer, request.method(), request.uri(), request.headers(), named).await {
        Ok(()) => Ok(next.run(request).await),
        Err(refusal) => {
            debug!(path = request.uri().path(), "refused: {refusal:?}");
            Err(refusal.into())
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed(problem) => Self::bad_request(problem),
            // As Kubernetes' own servers have it: what is wrong is for the log, and not for whoever tries.
            Refusal::Unauthenticated(_) => Self::unauthorized("Unauthorized"),
            Refusal::Forbidden { subject, message } if subject.is_empty() => {
                Self::forbidden(format!("forbidden: {message}"))
            }
            Refusal::Forbidden { subject, message } => Self::forbidden(format!("{subject} is forbidden: {message}")),
            Refusal::Unavailable(problem) => Self::unavailable(problem),
        }
    }
}
