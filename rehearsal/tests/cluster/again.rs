//! Repeated, after a failure whose cause may be gone.

use fake_kube::Fate;
use serde_json::{Value, json};

use crate::world::{APP, MONITORING, World};

#[test]
fn pods_that_were_stuck_before_are_made_anew_instead_of_being_believed() {
    let world = World::new();
    world.controllers.fate("real-world", Fate::NoImage);
    world.up("6s").failed(&["ImagePullBackOff"]);
    let pod = || world.kube.get("pods", APP, "real-world-6b7f9d5c4-00000").unwrap()["metadata"]["uid"].clone();
    let before = pod();
    let ended = world.up("6s").failed(&["ImagePullBackOff"]);
    let said = "the API: pod real-world-6b7f9d5c4-00000 was stuck before, and is made anew";
    assert_eq!(ended.out.matches(said).count(), 1, "{}", ended.out);
    assert_ne!(pod(), before, "the kubelet would look again in five minutes");
}

#[test]
fn a_broken_pod_of_the_version_before_is_not_held_against_the_new_one() {
    let world = World::new();
    world.up("60s").succeeded();
    let revision = |number: &str| json!({"deployment.kubernetes.io/revision": number});
    world.kube.change("replicasets", MONITORING, "grafana-6b7f9d5c4", |set| {
        set["metadata"]["annotations"] = revision("2");
    });
    let mut old = world.kube.get("replicasets", MONITORING, "grafana-6b7f9d5c4").unwrap();
    old["metadata"]["name"] = json!("grafana-5c8d7");
    old["metadata"]["annotations"] = revision("1");
    world.kube.put("replicasets", without_identity(old));
    let mut pod = world.kube.get("pods", MONITORING, "grafana-6b7f9d5c4-00000").unwrap();
    pod["metadata"]["name"] = json!("grafana-5c8d7-x7k2p");
    pod["metadata"]["ownerReferences"][0]["name"] = json!("grafana-5c8d7");
    pod["status"]["conditions"] = json!([]);
    let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}});
    pod["status"]["containerStatuses"][0]["state"] = waiting;
    world.kube.put("pods", without_identity(pod));
    world.controllers.stuck("grafana", None);
    let ended = world.run(&["up", "--patience", "6s"]);
    ended.failed(&["Grafana: not ready after 6s", "1 of 1 ready (those of before are being replaced)"]);
    world.controllers.unstuck("grafana");
    world.run(&["up", "--patience", "60s"]).succeeded();
}

fn without_identity(mut object: Value) -> Value {
    for field in ["uid", "resourceVersion"] {
        object["metadata"].as_object_mut().unwrap().remove(field);
    }
    object
}
