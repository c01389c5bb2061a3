//! The pods behind a Service, each with something that keeps it from answering.

use serde_json::{Value, json};

use super::world::{World, each_is_named, resource};
use crate::support::kube::objects::{self, Adorn as _};

const POD: &str = "pod monitoring/metrics-adapter-0";

/// The one container of the adapter's pod waits, or ended.
fn container(world: &World, status: &Value) {
    world.unready("monitoring", "metrics-adapter", |pod| {
        let own =
            json!({"name": "metrics-adapter", "image": "metrics-adapter:1.0.0", "ready": false, "restartCount": 0});
        let mut own = own;
        own.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
        pod.with("/status/containerStatuses", json!([own]))
    });
}

#[test]
fn a_pod_that_is_not_ready_is_named_with_what_keeps_it() {
    each_is_named(&[
        (
            "no image",
            |world| {
                let message = "Back-off pulling image \"metrics-adapter:1.0.0\"";
                container(world, &json!({"state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}}));
            },
            POD,
            "its image metrics-adapter:1.0.0 cannot be pulled (ImagePullBackOff): Back-off pulling image",
            "kind load docker-image metrics-adapter:1.0.0",
        ),
        (
            "no ConfigMap",
            |world| {
                let message = "configmap \"metrics-adapter\" not found";
                container(
                    world,
                    &json!({"state": {"waiting": {"reason": "CreateContainerConfigError", "message": message}}}),
                );
            },
            POD,
            "cannot be started (CreateContainerConfigError): configmap \"metrics-adapter\" not found",
            "create what it names",
        ),
        (
            "a crash",
            |world| {
                let last = json!({"terminated": {"exitCode": 2, "reason": "Error"}});
                container(
                    world,
                    &json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": last, "restartCount": 7}),
                );
                world.stage.kube.pod_said("monitoring", "metrics-adapter-0", "error: PORT: both are 1\n");
            },
            POD,
            "last with exit code 2 (Error), after 7 restarts; its last words: error: PORT: both are 1",
            "kubectl -n monitoring logs metrics-adapter-0 -c metrics-adapter --previous",
        ),
        (
            "too little memory",
            |world| {
                let last = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
                container(world, &json!({"state": {"running": {}}, "lastState": last, "restartCount": 3}));
            },
            POD,
            "last with exit code 137 (OOMKilled), after 3 restarts",
            "raise the memory limit of container metrics-adapter",
        ),
        (
            "no room",
            |world| {
                world.unready("monitoring", "metrics-adapter", |pod| {
                    let message = "0/1 nodes are available: 1 Insufficient cpu.";
                    let condition = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]);
                    pod.phase("Pending").with("/status/conditions", condition)
                });
            },
            POD,
            "is put on no node: 0/1 nodes are available: 1 Insufficient cpu",
            "make room on a node",
        ),
        (
            "not ready, in its own words",
            |world| {
                world.unready("monitoring", "metrics-adapter", |pod| pod);
                world.stage.kube.pod_answers("monitoring", "metrics-adapter-0", |path| match path {
                    "/readyz?verbose" => {
                        (503, json!("[+]ping ok\n[-]inventory failed: waiting for pods\nreadyz check failed\n"))
                    }
                    _ => (404, json!("")),
                });
            },
            POD,
            "is not ready: inventory failed: waiting for pods",
            "kubectl -n monitoring logs metrics-adapter-0",
        ),
    ]);
}

#[test]
fn a_second_pod_that_fails_is_a_remark() {
    let world = World::new();
    let pod = objects::pod("kube-system", "metrics-server-1", "10.244.0.10", "node1").phase("Pending").ready(false);
    world.stage.kube.put("pods", pod.label("app.kubernetes.io/name", "metrics-server"));
    world.stage.kube.service_answers("kube-system", "metrics-server", resource);
    let (said, _, code) = world.doctor(&["--verbose"]);
    assert!(code == Some(0) && said.contains("[i] pod kube-system/metrics-server-1: has not started yet"), "{said}");
}
