use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::api::probe_answer;
use crate::health::{Health, Probe};
use crate::status::{self, Explain, Filter, Sight};
use crate::telemetry::Registry;

/// What the operators' listener shows.
#[derive(Clone, Debug)]
pub struct Operators {
    /// Every metric.
    pub registry: Registry,
    /// What the status page is made from.
    pub sight: Sight,
}

const TEXT: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
/// Prometheus 3 refuses a scrape whose answer does not say what it is.
const EXPOSITION: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
const PAGE: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
             img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// What the operators' listener answers.
pub fn router(operators: Operators) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/status.json", get(json))
        .route("/explain", get(explain))
        .route("/explain.json", get(explain_json))
        .route("/metrics", get(metrics))
        .route(
            "/healthz",
            get(async |State(own): State<Operators>| probe(&own.sight.health, Probe::Live("healthz"), None)),
        )
        .route("/livez", get(async |State(own): State<Operators>| probe(&own.sight.health, Probe::Live("livez"), None)))
        .route("/readyz", get(readyz))
        .fallback((StatusCode::NOT_FOUND, TEXT, "not found; / shows what there is\n"))
        .with_state(operators)
}

async fn metrics(State(own): State<Operators>) -> Response {
    let autoscalers = status::autoscaler_exposition(&own.sight.facts.inventory.autoscalers());
    (EXPOSITION, own.registry.render() + &autoscalers).into_response()
}

async fn page(State(own): State<Operators>, RawQuery(query): RawQuery) -> Response {
    let mut filter = Filter::default();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "filter" => filter.text = value.into_owned(),
            "state" => filter.state = Some(value.into_owned()).filter(|state| !state.is_empty()),
            _ => {}
        }
    }
    (PAGE, status::render(&own.sight.report(), &filter)).into_response()
}

async fn json(State(own): State<Operators>) -> Response {
    axum::Json(own.sight.report()).into_response()
}

/// A status and a text that says why.
type Refused = (StatusCode, [(HeaderName, &'static str); 1], String);

/// What is asked to be explained, or what is wrong with how that is asked.
fn explained(query: Option<&str>) -> Result<Explain, Refused> {
    let given = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    Explain::parse(given.map(|(name, value)| (name.into_owned(), value.into_owned())))
        .map_err(|problem| (StatusCode::BAD_REQUEST, TEXT, problem + "\n"))
}

async fn explain(State(own): State<Operators>, RawQuery(query): RawQuery) -> Response {
    match explained(query.as_deref()) {
        Ok(explain) => (TEXT, explain.explain(&own.sight.facts).await.text()).into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn explain_json(State(own): State<Operators>, RawQuery(query): RawQuery) -> Response {
    match explained(query.as_deref()) {
        Ok(explain) => axum::Json(explain.explain(&own.sight.facts).await).into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn readyz(State(own): State<Operators>, RawQuery(query): RawQuery) -> Response {
    probe(&own.sight.health, Probe::Ready, query.as_deref())
}

fn probe(health: &Health, probe: Probe, query: Option<&str>) -> Response {
    probe_answer(health, probe, query)
}
