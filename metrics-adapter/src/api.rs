//! The three metrics APIs on the wire. A request reads what is in memory, and writes its answer; only the first who asks
//! for a metric of Prometheus's waits for it, and not for long.
//!
//! The paths, the documents and the errors are those of Kubernetes' API conventions; clients that were
//! written for metrics-server and prometheus-adapter find here what they expect.

mod answer;
mod cache;
mod custom;
mod discovery;
mod external;
mod failure;
mod guard;
mod json;
mod negotiate;
mod observe;
mod openapi;
mod probes;
mod protobuf;
mod resource;
mod selection;
mod table;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;

use crate::auth::Gate;
use crate::health::Health;
use crate::lookup::Facts;

pub use observe::describe_metrics;
pub use probes::probe_answer;

use cache::Cache;
use failure::Failure;

/// What the APIs answer from.
#[derive(Debug)]
pub struct Api {
    /// What exists, and what is known of it.
    pub facts: Facts,
    /// Whether the adapter can be asked.
    pub health: Health,
    /// Whether metrics.k8s.io is served.
    pub resource_metrics: bool,
    cache: Cache,
}

impl Api {
    /// Answers from these.
    #[must_use]
    pub fn new(facts: Facts, health: Health, resource_metrics: bool) -> Arc<Self> {
        Arc::new(Self { facts, health, resource_metrics, cache: Cache::default() })
    }
}

const RESOURCE: &str = "/apis/metrics.k8s.io/v1beta1";
const CUSTOM: &str = "/apis/custom.metrics.k8s.io/{version}";
const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1";

/// Every path that there is. The gate decides who is answered; without a cluster there is none, and everybody is.
pub fn router(api: Arc<Api>, gate: Option<Arc<Gate>>) -> Router {
    let mut router = paths(&api);
    if let Some(gate) = gate {
        router = router.layer(from_fn_with_state((gate, Arc::clone(&api)), guard::guard));
    }
    router.layer(from_fn(observe::observe)).with_state(api)
}

fn paths(api: &Api) -> Router<Arc<Api>> {
    let mut router = Router::new();
    if api.resource_metrics {
        router = router
            .route(&format!("{RESOURCE}/nodes"), get(resource::list_nodes))
            .route(&format!("{RESOURCE}/nodes/{{name}}"), get(resource::get_node))
            .route(&format!("{RESOURCE}/pods"), get(resource::list_all_pods))
            .route(&format!("{RESOURCE}/namespaces/{{namespace}}/pods"), get(resource::list_pods))
            .route(&format!("{RESOURCE}/namespaces/{{namespace}}/pods/{{name}}"), get(resource::get_pod));
    }
    router
        .route("/", get(discovery::root))
        .route("/apis", get(discovery::groups))
        .route("/apis/{group}", get(discovery::group))
        .route("/apis/{group}/{version}", get(discovery::group_version))
        // custom.metrics.k8s.io
        .route(&format!("{CUSTOM}/namespaces/{{namespace}}/{{resource}}/{{name}}/{{metric}}"), get(custom::of_object))
        .route(&format!("{CUSTOM}/namespaces/{{namespace}}/metrics/{{metric}}"), get(custom::of_namespace))
        .route(&format!("{CUSTOM}/{{resource}}/{{name}}/{{metric}}"), get(custom::of_root_object))
        // external.metrics.k8s.io
        .route(&format!("{EXTERNAL}/namespaces/{{namespace}}/{{metric}}"), get(external::list))
        .route("/openapi/v2", get(openapi::v2))
        .route("/openapi/v3", get(openapi::v3_index))
        .route("/openapi/v3/{*path}", get(openapi::v3))
        .route("/version", get(discovery::version))
        .route("/healthz", get(probes::healthz))
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .fallback(async || Failure::no_such_path())
        .method_not_allowed_fallback(async |method: Method| Failure::method_not_allowed(&method))
}
