//! The metrics APIs as the `HorizontalPodAutoscaler` asks them: the same paths, the same selectors, the same reading of
//! the answers.

mod answer;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::header::ACCEPT;
use hyper::{Request, Uri};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::autoscaler::{Api, Hpa, Measured, Metric, MetricName, Pod, TargetReference, Unmeasured};

/// An answer of a metrics API takes memory reads alone; the HPA would wait for longer, and stall.
const PATIENCE: Duration = Duration::from_secs(3);
/// Ten thousand pods have less.
const LARGEST: usize = 64 << 20;

/// Asks one adapter.
#[derive(Clone, Debug)]
pub struct Metrics {
    base: String,
    client: legacy::Client<HttpConnector, Empty<Bytes>>,
}

impl Metrics {
    /// Of the adapter at `http://host:port`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let client = legacy::Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http();
        Self { base: base.trim_end_matches('/').to_owned(), client }
    }

    /// What there is for each metric of the object, in its order; `selector` is the target's.
    pub async fn measure(&self, hpa: &Hpa, selector: &str, pods: &[Pod]) -> Vec<Measured> {
        let mut measured = Vec::with_capacity(hpa.metrics.len());
        for metric in &hpa.metrics {
            measured.push(self.one(hpa, metric, selector, pods).await);
        }
        measured
    }

    async fn one(&self, hpa: &Hpa, metric: &Metric, selector: &str, pods: &[Pod]) -> Measured {
        let namespace = &hpa.namespace;
        match metric {
            Metric::Resource { name, container, .. } => {
                let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods");
                let query = query(&[("labelSelector", selector)]);
                let body = self.get(Api::Resource, &path, &query).await?;
                answer::usage(&body, name, container.as_deref(), pods)
            }
            Metric::Pods { metric, .. } => {
                let path =
                    format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/{namespace}/pods/%2A/{}", metric.name);
                let own = own_selector(metric);
                let query = query(&[("labelSelector", selector), ("metricLabelSelector", &own)]);
                let body = self.get(Api::Custom, &path, &query).await?;
                answer::of_pods(&body, pods)
            }
            Metric::Object { described, metric, .. } => {
                let path = format!("/apis/custom.metrics.k8s.io/v1beta2/{}", object_path(namespace, described, metric));
                let query = query(&[("metricLabelSelector", &own_selector(metric))]);
                let body = self.get(Api::Custom, &path, &query).await?;
                answer::of_object(&body)
            }
            Metric::External { metric, .. } => {
                let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{}", metric.name);
                let query = query(&[("labelSelector", &own_selector(metric))]);
                let body = self.get(Api::External, &path, &query).await?;
                answer::external(&body)
            }
        }
    }

    async fn get(&self, api: Api, path: &str, query: &str) -> Result<Bytes, Unmeasured> {
        let failed = |cause: String| Unmeasured::Fetch { api, cause };
        let uri: Uri =
            format!("{}{path}{query}", self.base).parse().map_err(|error| failed(format!("{path}: {error}")))?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        request.headers_mut().insert(ACCEPT, hyper::header::HeaderValue::from_static("application/json"));
        let asked = async {
            let response = self.client.request(request).await.map_err(|error| {
                // What kubelet's and kubectl's users know from an API server whose adapter is away.
                let base = self.base.trim_start_matches("http://");
                failed(format!("the server is currently unable to handle the request ({base}: {})", cause(&error)))
            })?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            let body = body.map_err(|error| failed(format!("the answer broke off: {error}")))?.to_bytes();
            if status.is_success() { Ok(body) } else { Err(failed(answer::message(status, &body))) }
        };
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(failed("no answer within 3s".to_owned())))
    }
}

fn own_selector(metric: &MetricName) -> String {
    metric.selector.as_ref().map(crate::autoscaler::LabelSelector::query).unwrap_or_default()
}

/// The path of an object's metric below the API's version.
fn object_path(namespace: &str, described: &TargetReference, metric: &MetricName) -> String {
    let group = described.api_version.split_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
    // A namespace's own metric stands beside its objects. Which one is named does not count: an HPA sees its own.
    if described.kind == "Namespace" && group.is_empty() {
        return format!("namespaces/{namespace}/metrics/{}", metric.name);
    }
    let resource = plural(&described.kind.to_lowercase());
    format!("namespaces/{namespace}/{resource}{group}/{}/{}", described.name, metric.name)
}

/// A kind's resource, as Kubernetes guesses it.
fn plural(kind: &str) -> String {
    match kind.strip_suffix('y') {
        _ if kind.ends_with('s') || kind.ends_with("ch") => format!("{kind}es"),
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    }
}

fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() { query } else { format!("?{query}") }
}

/// The innermost cause: `Connection refused`.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_asked_for_as_the_controller_does() {
        let path = |api_version: &str, kind: &str| {
            let described =
                TargetReference { api_version: api_version.to_owned(), kind: kind.to_owned(), name: "web".to_owned() };
            object_path("shop", &described, &MetricName { name: "m".to_owned(), selector: None })
        };
        assert_eq!(path("v1", "Service"), "namespaces/shop/services/web/m");
        assert_eq!(path("apps/v1", "Deployment"), "namespaces/shop/deployments.apps/web/m");
        assert_eq!(path("networking.k8s.io/v1", "Ingress"), "namespaces/shop/ingresses.networking.k8s.io/web/m");
        assert_eq!(
            path("networking.k8s.io/v1", "NetworkPolicy"),
            "namespaces/shop/networkpolicies.networking.k8s.io/web/m"
        );
        assert_eq!(path("v1", "Namespace"), "namespaces/shop/metrics/m");
        assert_eq!(path("v1", "Node"), "namespaces/shop/nodes/web/m");
        assert_eq!(
            query(&[("labelSelector", "env in (dev,prod),q=j"), ("x", "")]),
            "?labelSelector=env+in+%28dev%2Cprod%29%2Cq%3Dj"
        );
    }
}
