use fake_kube::Fate;
use serde_json::json;

use crate::world::{APP, World};

/// What `up` says when this becomes of a workload.
#[track_caller]
fn told(workload: &str, fate: Fate, words: &[&str]) {
    let world = World::new();
    world.controllers.fate(workload, fate);
    world.up("6s").failed(words);
}

#[test]
fn an_image_that_the_registry_does_not_have_is_named() {
    told(
        "real-world",
        Fate::NoImage,
        &[
            "the API does not get ready: pod real-world/real-world-",
            "ImagePullBackOff",
            "Failed to pull image \"conduit:1.0.0\"",
            "minikube image load",
            "REGISTRY=",
        ],
    );
}

#[test]
fn an_image_that_was_not_loaded_is_named_at_once() {
    told(
        "metrics-adapter",
        Fate::NotLoaded,
        &[
            "the metrics-adapter does not get ready: pod monitoring/metrics-adapter-",
            "ErrImageNeverPull",
            "metrics-adapter:1.0.0",
            "k3d image import",
        ],
    );
}

#[test]
fn one_that_somebody_scaled_to_nothing_is_not_waited_for() {
    let world = World::new();
    world.up("60s").succeeded();
    world.kube.change("deployments", APP, "real-world", |api| api["spec"]["replicas"] = json!(0));
    let cure = "`kubectl scale --replicas=1 --namespace=real-world deployment/real-world` starts it";
    let begun = std::time::Instant::now();
    world.up("60s").failed(&["the API: it is scaled to 0 replicas", cure]);
    assert!(begun.elapsed() < std::time::Duration::from_secs(30), "it was waited for");
}

#[test]
fn a_pod_that_crashes_has_its_last_words_told() {
    let said = "one\ntwo\npanicked: the sky fell\n".to_owned();
    told(
        "real-world",
        Fate::Crashes(said),
        &["CrashLoopBackOff", "last words of real-world-", "panicked: the sky fell"],
    );
}

#[test]
fn a_node_that_is_full_makes_it_say_tiny() {
    let full = "0/1 nodes are available: 1 Insufficient cpu.".to_owned();
    told("db", Fate::Pending(full), &["the database does not get ready", "Insufficient cpu", "TINY=1"]);
}

#[test]
fn a_volume_that_nobody_makes_is_told_of() {
    told("db", Fate::Unbound, &["unbound immediate PersistentVolumeClaims", "kubectl get storageclass"]);
}

#[test]
fn a_quota_that_refuses_is_quoted() {
    let words = "exceeded quota: real-world-rquota, requested: pods=1, used: pods=6, limited: pods=6".to_owned();
    told(
        "real-world",
        Fate::Refused(words),
        &["FailedCreate", "exceeded quota: real-world-rquota", "k8s/real-world-rquota.yaml"],
    );
}

#[test]
fn pod_security_that_refuses_is_quoted() {
    let words = "violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false".to_owned();
    told(
        "traefik-ingress-controller",
        Fate::Refused(words),
        &["Traefik does not get ready", "violates PodSecurity", "admission webhook"],
    );
}

#[test]
fn a_pod_that_never_gets_ready_is_waited_for_no_longer_than_said() {
    told(
        "real-world",
        Fate::NeverReady,
        &[
            "the API: not ready after 6s (it waits for the database",
            "0 of 1 ready",
            "Readiness probe failed",
            "make doctor",
        ],
    );
}

#[test]
fn an_api_server_that_refuses_an_object_is_quoted() {
    let world = World::new();
    world.kube.failing(403, |call| call.verb == "create" && call.resource == "statefulsets");
    world.up("6s").failed(&["kubectl apply", "the test says so", "`make up` again goes on"]);
}
