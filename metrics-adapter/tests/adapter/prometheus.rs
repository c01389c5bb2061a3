//! A real Prometheus as the source of metrics.

mod conduit;
mod faults;
mod recordings;
mod stub;
mod tools;

use crate::support::kube::objects;
use crate::support::prometheus::Prometheus;
use crate::support::stage::Stage;
use crate::support::{Adapter, eventually};
use serde_json::json;

/// The cluster that prometheus-adapter was recorded in.
fn shop() -> Stage {
    let stage = Stage::new();
    for namespace in ["other", "empty"] {
        stage.kube.namespace(namespace);
    }
    for (name, zone) in [("node-a", "eu"), ("node-b", "us")] {
        let mut node = objects::node(name, &[("InternalIP", "127.0.0.1")]);
        node["metadata"]["labels"] = json!({"zone": zone});
        stage.kube.put("nodes", node);
    }
    for (name, tier) in [("web-0", "stable"), ("web-1", "stable"), ("web-2", "canary")] {
        let mut pod = objects::pod("shop", name, "127.0.0.1", "node-a");
        pod["metadata"]["labels"] = json!({"app": "web", "tier": tier});
        stage.kube.put("pods", pod);
    }
    let mut pod = objects::pod("other", "api-0", "127.0.0.1", "node-b");
    pod["metadata"]["labels"] = json!({"app": "api"});
    stage.kube.put("pods", pod);
    stage.kube.put("services", objects::service("shop", "web", &json!({"app": "web"}), ("http", 80)));
    stage.kube.put("services", objects::service("other", "api", &json!({"app": "api"}), ("http", 80)));
    stage.kube.put("deployments", objects::deployment("shop", "web", 0, &json!({"app": "nothing"})));
    stage
}

/// An adapter with prometheus-adapter's file, as it is, on that Prometheus.
fn adapter(stage: &Stage, config: &str, prometheus: &Prometheus) -> Adapter {
    let url = prometheus.url();
    let adapter = stage.adapter(Some(config), &["--prometheus-url", &url]);
    adapter.wait_ready();
    // Readiness never waits for a source.
    eventually("listed", || {
        let status = adapter.ops("/status.json").json();
        let rules = status["prometheus"]["rules"].as_array().cloned().unwrap_or_default();
        rules.iter().all(|rule| !rule["series"].is_null() || !rule["error"].is_null())
    });
    adapter
}
