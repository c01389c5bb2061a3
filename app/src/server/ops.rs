use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::health::Health;
use crate::telemetry::Registry;

const TEXT: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
/// Prometheus 3 refuses a scrape whose answer does not say what it is.
const EXPOSITION: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];

const INDEX: &str = "conduit, for operators:\n\n\
    /metrics          Prometheus exposition\n\
    /livez            whether the process is alive\n\
    /readyz           whether it serves; 503 with the reason while it does not\n\
    /readyz?verbose   the same, and how the database is\n";

/// What the operators' listener answers. The ingress never reaches it.
pub fn router(registry: Registry, health: Health) -> Router {
    Router::new()
        .route("/", get((TEXT, INDEX)))
        .route("/livez", get((TEXT, "ok\n")))
        .route("/readyz", get(readyz).with_state(health))
        .route("/metrics", get(metrics).with_state(registry))
        .fallback((StatusCode::NOT_FOUND, TEXT, "not found; / says what there is\n"))
}

async fn metrics(State(registry): State<Registry>) -> Response {
    (EXPOSITION, registry.render()).into_response()
}

async fn readyz(State(health): State<Health>, RawQuery(query): RawQuery) -> Response {
    let (ready, reasons) = health.readiness();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose =
        query.is_some_and(|query| query.split('&').any(|part| part == "verbose" || part.starts_with("verbose=")));
    let text = match (ready, verbose) {
        (true, false) => "ok\n".to_owned(),
        (true, true) => format!("{reasons}readyz check passed\n"),
        (false, _) => format!("{reasons}readyz check failed\n"),
    };
    (status, TEXT, text).into_response()
}
