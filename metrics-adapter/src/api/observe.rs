use std::time::Instant;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, describe_counter, describe_histogram, histogram};

use super::answer::Freshness;
use super::failure::Absent;

/// The APIs by which requests are counted.
const APIS: [&str; 7] =
    ["metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io", "discovery", "openapi", "probes", "other"];

/// Names the families of this room, and makes their series exist.
pub fn describe_metrics() {
    describe_counter!("metrics_adapter_requests_total", "Requests that were answered, by API and outcome.");
    describe_histogram!("metrics_adapter_request_duration_seconds", "How long answers took, by API.");
    describe_histogram!("metrics_adapter_served_freshness_seconds", "Age of the oldest sample of an answer, by API.");
    for api in APIS {
        counter!("metrics_adapter_requests_total", "api" => api, "outcome" => "ok").absolute(0);
    }
}

/// Counts and times a request.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let api = api_of(request.uri().path());
    let response = next.run(request).await;
    counter!("metrics_adapter_requests_total", "api" => api, "outcome" => outcome(&response)).increment(1);
    histogram!("metrics_adapter_request_duration_seconds", "api" => api).record(started.elapsed());
    if let Some(Freshness(age)) = response.extensions().get() {
        histogram!("metrics_adapter_served_freshness_seconds", "api" => api).record(*age);
    }
    response
}

fn api_of(path: &str) -> &'static str {
    let mut parts = path.trim_start_matches('/').split('/');
    match (parts.next(), parts.next(), parts.nth(1)) {
        (Some("apis"), Some(group), Some(_)) => APIS[..3].iter().copied().find(|own| *own == group).unwrap_or("other"),
        (Some("apis" | "" | "version"), ..) => "discovery",
        (Some("openapi"), ..) => "openapi",
        (Some("healthz" | "livez" | "readyz"), ..) => "probes",
        _ => "other",
    }
}

fn outcome(response: &Response) -> &'static str {
    match response.status() {
        StatusCode::NOT_MODIFIED => "not_modified",
        status if status.is_success() => "ok",
        // Known, and without a value at the moment: what an HPA complains about.
        StatusCode::NOT_FOUND if response.extensions().get::<Absent>().is_some() => "absent",
        StatusCode::NOT_FOUND => "not_found",
        status if status.is_client_error() => "refused",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_api() {
        let table = [
            ("/apis/metrics.k8s.io/v1beta1/nodes", "metrics.k8s.io"),
            ("/apis/custom.metrics.k8s.io/v1beta2/namespaces/a/pods/%2A/m", "custom.metrics.k8s.io"),
            ("/apis/external.metrics.k8s.io/v1beta1/namespaces/a/m", "external.metrics.k8s.io"),
            ("/apis/custom.metrics.k8s.io/v1beta2", "discovery"),
            ("/apis", "discovery"),
            ("/", "discovery"),
            ("/openapi/v3/apis/metrics.k8s.io/v1beta1", "openapi"),
            ("/readyz", "probes"),
            ("/apis/other/v1/x", "other"),
            ("/nope", "other"),
        ];
        for (path, api) in table {
            assert_eq!(api_of(path), api, "{path}");
        }
    }
}
