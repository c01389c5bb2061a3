use serde_json::json;

use crate::support::kube::objects;
use crate::support::stage::Stage;
use crate::support::{Counter, FAST, eventually, quantity};

fn value(stage: &Stage, adapter: &crate::support::Adapter, object: &str) -> Option<f64> {
    let path = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/{object}/http_requests_per_second");
    let reply = stage.ask(adapter, &path);
    (reply.status == 200).then(|| quantity(reply.json()["items"][0]["value"].as_str().unwrap()))
}

#[test]
fn pods_are_found_by_their_annotations_and_counted_with_what_they_belong_to() {
    let target = Counter::target(50.0);
    let stage = Stage::new();
    stage.kube.put("nodes", objects::node("node1", &[("InternalIP", "127.0.0.2")]));
    stage.scraped_pod("web-1", &target.url);
    let set = stage.kube.put("replicasets", objects::replica_set("shop", "web-5d", 1, &json!({"app": "web"})));
    let deployment = stage.kube.put("deployments", objects::deployment("shop", "web", 1, &json!({"app": "web"})));
    let owner = |kind: &str, of: &serde_json::Value| json!([{"apiVersion": "apps/v1", "kind": kind, "name": of["metadata"]["name"], "uid": of["metadata"]["uid"], "controller": true}]);
    stage.kube.change("replicasets", "shop", "web-5d", |set| {
        set["metadata"]["ownerReferences"] = owner("Deployment", &deployment);
    });
    stage.kube.change("pods", "shop", "web-1", |pod| pod["metadata"]["ownerReferences"] = owner("ReplicaSet", &set));
    stage.kube.put("services", objects::service("shop", "web", &json!({"app": "web"}), ("http", 80)));
    stage.kube.put(
        "endpointslices",
        objects::endpoint_slice("shop", "web", ("http", 8000), &[("web-1", "127.0.0.1", false)]),
    );
    let adapter = stage.adapter(Some(FAST), &[]);
    adapter.wait_ready();
    for object in ["pods/web-1", "services/web", "deployments.apps/web", "replicasets.apps/web-5d"] {
        eventually(object, || value(&stage, &adapter, object).is_some_and(|rate| (40.0..60.0).contains(&rate)));
    }
    // A second pod comes, and goes again.
    stage.scraped_pod("web-2", &target.url);
    eventually("measured", || value(&stage, &adapter, "pods/web-2").is_some());
    stage.kube.remove("pods", "shop", "web-2");
    eventually("gone", || value(&stage, &adapter, "pods/web-2").is_none());
    // Everything was read once, by streaming lists alone.
    assert_eq!(stage.kube.tally().iter().filter(|request| request.verb == "list").count(), 0);
}
